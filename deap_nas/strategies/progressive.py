"""The strategy of Perez-Rua 2018, section 4: simple networks first, of larger ones those that a surrogate samples."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import product
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deap_nas.deap_protocols import EvaluatedIndividual
from deap_nas.errors import SettingsError
from deap_nas.evaluation import Stage, Status, derive_seed
from deap_nas.genotype import content_of
from deap_nas.strategies.proposals import END, End, Proposal
from deap_nas.surrogates import kendall_tau

__all__ = ["Drawn", "ProgressiveSearch", "sampled", "temperatures"]


def temperatures(n_steps: int, *, first: float = 10.0, last: float = 1.0, width: float = 4.0) -> list[float]:
    """Temperature of each step, which falls as one half of a bell: (first - last) exp(-(i + 1)^2 / width^2) + last.

    The paper says that it decays quickly to one (section 4); the curve and its numbers are our choice.

    Args:
        n_steps: steps at which a surrogate samples, of all iterations.
        first: before the first step; infinity at all steps samples uniformly.
        last: towards the end; towards 0 the best are taken, as in PNAS.
        width: steps in which most of the way is gone.

    Raises:
        SettingsError: a temperature is negative or NaN, or ``width`` is not positive.
    """
    if not (first >= 0 and last >= 0 and width > 0):
        raise SettingsError(
            f"temperatures must be at least 0 and the width positive, found {first!r}, {last!r} and {width!r}"
        )
    if math.isinf(first) or math.isinf(last):
        return [first if math.isinf(first) else last] * n_steps
    return [(first - last) * math.exp(-(((step + 1) / width) ** 2)) + last for step in range(n_steps)]


class ProgressiveSearch:
    """Trains all networks of one level, then ``k`` at each further level, drawn by what a surrogate predicts of them.

    At each step the candidates are the survivors, those who were drawn at the step before, with every way to say one
    level. The surrogate has learnt from all evaluations so far, scores all candidates, and ``k`` of them are drawn
    without replacement, each in proportion to score ** (1 / temperature). In the first iteration genotypes grow by a
    level at each step; in later ones the survivors are of full length, and each step varies another of their levels,
    from the first to the last (with ``restart`` they grow again from the first level). A genotype that was evaluated
    before may be drawn again: with shared weights it is trained further.

    An evaluation that has failed counts as a score of 0 for the surrogate. It ends by itself after its last step, so
    ``n_evaluations`` of :func:`deap_nas.eaAsyncGenerateUpdate` is to be larger, or ends it early. The evaluations of a
    step may go on at the same time, and the next step waits for all of them. With weights that are shared one at a time
    is right, each from what the one before has left: ``sequential``; more workers then take searches of their own, see
    :class:`~deap_nas.strategies.SeveralSearches`.

    Args:
        icls: class of the individuals, which makes one of a genotype.
        space: of genotypes that grow, such as :class:`deap_nas.MicroSpace` and :class:`deap_nas.MacroSpace`: with
            ``n_levels``, ``options(level)`` and ``genes_of(level)``.
        surrogate: a :class:`~deap_nas.surrogates.Surrogate`, such as :class:`~deap_nas.LSTMSurrogate`.
        k: networks of a step; the paper's are 25.
        iterations: passes over all levels; the paper's are three to five.
        first_temperature: see :func:`temperatures`.
        last_temperature: likewise; 1 is the paper's, at which draws are nearly uniform where scores are near each
            other; towards 0 the ``k`` best are taken.
        restart: whether later iterations begin again with one level.
        sequential: whether an evaluation begins when the one before has ended.
        number: of the search, from 0, where there are several in one run.
        rng: one number is drawn from it, which the draws of all steps follow from.

    Raises:
        SettingsError: ``k`` or ``iterations`` is not positive, or the space does not grow.
    """

    def __init__(
        self,
        icls: Callable[[Any], Any],
        space: Any,
        surrogate: Any,
        *,
        k: int = 25,
        iterations: int = 3,
        first_temperature: float = 10.0,
        last_temperature: float = 1.0,
        restart: bool = False,
        sequential: bool = False,
        number: int = 0,
        rng: random.Random | ModuleType = random,
    ) -> None:
        """See the class."""
        for name, value in (("k", k), ("iterations", iterations)):
            if not isinstance(value, int) or value < 1:
                raise SettingsError(f"{name} must be an integer of at least 1, found {value!r}")
        if missing := [name for name in ("n_levels", "options", "genes_of") if not hasattr(space, name)]:
            raise SettingsError(
                f"a progressive search needs genotypes that grow, such as those of MicroSpace and MacroSpace; "
                f"{type(space).__name__} has no {missing[0]}"
            )
        self._icls = icls
        self._space = space
        self._surrogate = surrogate
        self._k = k
        self._restart = restart
        self._sequential = sequential
        self._number = number
        self._seed = rng.getrandbits(64)
        self._stages = list(product(range(1, iterations + 1), range(1, space.n_levels + 1)))
        self._temperatures = temperatures(len(self._stages), first=first_temperature, last=last_temperature)
        #: What the step that goes on evaluates; the number of the step, of its first proposal, and of all proposals.
        first = space.options(1)
        self._drawn = Drawn(first, [math.nan] * len(first), [-1] * len(first))
        self._step = self._first = self._n_proposed = 0
        #: Those of the step that have ended, by their place in it; and all of the step before.
        self._ended: dict[int, EvaluatedIndividual] = {}
        self._survivors: list[EvaluatedIndividual] = []
        #: (genotype, score) of all evaluations of the steps before, which the surrogate learns from.
        self._known: list[tuple[Any, float]] = []
        #: Kendall's tau of each step, between what was predicted of its networks and what they came to; NaN of the
        #: first, of which nothing was predicted.
        self.taus: list[float] = []

    @property
    def n_evaluations(self) -> int:
        """How many evaluations it has at most; a step has fewer where it has fewer candidates."""
        return len(self._space.options(1)) + self._k * (len(self._stages) - 1)

    def generate(self) -> Proposal | End | None:
        """Propose a network of the step; None while it goes on and has no other, END after the last step."""
        if self._step == len(self._stages):
            return END
        place = self._n_proposed - self._first
        if place >= len(self._drawn.rows) or (self._sequential and place > len(self._ended)):
            return None
        iteration, level = self._stages[self._step]
        stage = Stage(level, iteration, self._drawn.predicted[place], self._number, self._n_proposed)
        survivor = self._drawn.survivors[place]
        parents = [self._survivors[survivor]] if survivor >= 0 else []
        self._n_proposed += 1
        return Proposal(self._icls(self._drawn.rows[place].tolist()), parents, stage=stage)

    def update(self, individual: EvaluatedIndividual) -> None:
        """Take an individual back; the last one of a step ends it, and the next networks are drawn."""
        self._ended[individual.stage.number - self._first] = individual
        if len(self._ended) == len(self._drawn.rows):
            self._end_step()

    def getstate(self) -> dict[str, Any]:
        """Give the number of proposals, and the taus, with None for NaN, for whoever reads the file."""
        taus = [None if math.isnan(tau) else round(tau, 4) for tau in self.taus]
        return {"n_proposed": self._n_proposed, "taus": taus}

    def setstate(self, state: dict[str, Any]) -> None:
        """Go on from a state; all else follows from the evaluations."""
        self._n_proposed = state["n_proposed"]

    def _end_step(self) -> None:
        members = [self._ended[place] for place in range(len(self._ended))]
        scores = [_score(member) for member in members]
        was_predicted = not math.isnan(self._drawn.predicted[0])
        self.taus.append(kendall_tau(self._drawn.predicted, scores) if was_predicted else math.nan)
        self._known += [(content_of(member), score) for member, score in zip(members, scores, strict=True)]
        self._first += len(members)
        self._step += 1
        self._survivors, self._ended = members, {}
        if self._step < len(self._stages):
            self._surrogate.fit(*zip(*self._known, strict=True))
            self._drawn = self._draw(*self._candidates())

    def _candidates(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """All different candidates of the step, as rows, and the survivor that each came from, or -1."""
        _, level = self._stages[self._step]
        options = self._space.options(level)
        if level == 1 and self._restart:
            return options, np.full(len(options), -1)
        before = np.array([content_of(member) for member in self._survivors])
        genes = self._space.genes_of(level)
        rows = np.repeat(before, len(options), axis=0)
        added = np.tile(options, (len(before), 1))
        if rows.shape[1] == genes.start:
            rows = np.hstack([rows, added])
        else:
            rows[:, genes] = added
        rows, places = np.unique(rows, axis=0, return_index=True)
        return rows, places // len(options)

    def _draw(self, rows: NDArray[Any], survivors: NDArray[Any]) -> Drawn:
        """Draw ``k`` of the candidates, without replacement."""
        predicted = np.asarray(self._surrogate.predict(rows).mean)
        rng = np.random.default_rng(derive_seed(self._seed, self._step))
        chosen = sampled(predicted, self._k, temperature=self._temperatures[self._step], rng=rng)
        return Drawn(rows[chosen], predicted[chosen].tolist(), survivors[chosen].tolist())


class Drawn(NamedTuple):
    """The networks of a step."""

    #: Genotypes, (networks, genes).
    rows: NDArray[Any]
    #: What the surrogate predicted of each.
    predicted: list[float]
    #: Place among the survivors of the one that each came from; -1 for none.
    survivors: list[int]


def sampled(scores: NDArray[Any], k: int, *, temperature: float, rng: np.random.Generator) -> NDArray[Any]:
    """Draw places of scores without replacement, one after the other in proportion to score ** (1 / temperature).

    By the largest of log(score) / temperature with Gumbel noise, which is the same (Kool 2019
    <https://arxiv.org/abs/1903.06059>).

    Args:
        scores: of all candidates, at least 0.
        k: how many; all, if there are no more.
        temperature: 0 takes the largest, the first of equal ones; infinity draws uniformly.
        rng: source of the noise.

    Returns:
        The places, those drawn first first.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(np.asarray(scores, dtype=float))
    noise = rng.gumbel(size=len(logs))
    keys = logs if temperature == 0 else noise if math.isinf(temperature) else logs / temperature + noise
    return np.argsort(-keys, kind="stable")[:k]


def _score(individual: EvaluatedIndividual) -> float:
    """Its fitness; 0 if its evaluation has failed."""
    return individual.fitness.values[0] if individual.evaluation.status is Status.OK else 0.0
