"""Children that a surrogate chooses: many are made, and the most promising one is kept."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial, wraps
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from deap_nas.deap_protocols import Individual
from deap_nas.errors import SettingsError
from deap_nas.genotype import plain_genotype
from deap_nas.graph import canonical_key
from deap_nas.operators.keeping import keep
from deap_nas.search_space import SearchSpace
from deap_nas.strategies.evidence import Evidence
from deap_nas.surrogates import Surrogate
from deap_nas.surrogates.acquisition import Acquisition, expected_improvement

__all__ = ["Preselect"]

_Operator = TypeVar("_Operator", bound=Callable[..., Any])

#: Evaluations at the same time of which no proposal need be quicker than that of a lone worker.
_FEW = 8
#: Tries for each child that is to be made, in a space whose networks are nearly all known.
_TRIES = 5


class _Child(NamedTuple):
    """What an operator has made of an individual."""

    genotype: Any
    #: Makes the individual this child again.
    restore: Any


class Preselect:
    """Makes many children and keeps the one that a surrogate thinks most of; a decorator of ``toolbox.mutate``.

    ``toolbox.decorate("mutate", preselect)`` makes a mutation give, of ``n_children`` children of the individual, the
    one with the highest acquisition. A child is the individual mutated once or more often, mostly a few times, now and
    then so often that little of it is left; so the best member is a good parent, which a tournament of all gives,
    :func:`~deap_nas.selTournamentFraction` with ``fraction=1.0``.

    What is evaluated it learns from :meth:`observe`, which is an ``observer=`` of :func:`deap_nas.eaAsync`, or from
    :meth:`update`, by which DEAP's own algorithms call it as their ``halloffame=``. Before ``n_first`` evaluations a
    child is mutated once, and chosen by nobody.

    Networks that are being evaluated count as if they had come to what was expected of them, so that several workers do
    not all go the same way. No network is proposed that has been evaluated or is being evaluated, unless ``repeats``,
    or where hardly any other is found. The surrogate learns how evaluations rank, as normal scores between 0 and 1, by
    the first of their weighted fitness values; those that have failed are the lowest.

    With several workers a proposal must not keep the others waiting: from eight evaluations at the same time on, fewer
    children are made the more there are, and the surrogate is not fitted anew each time. With one worker it is, and
    what is proposed follows from the generator and the evaluations so far.

    Args:
        space: of the genotypes.
        surrogate: such as :class:`~deap_nas.surrogates.GPSurrogate`, made from the same space.
        n_children: that one is chosen from, at least 1.
        n_first: evaluations before the surrogate is asked, at least 2; that many of the first population will do.
        n_mutations: of a child at most, at least 1; their number is drawn so that its logarithm is uniform.
        acquisition: see :func:`~deap_nas.surrogates.expected_improvement`.
        margin: by how much, of the distance in scores between the worst and the best, the best is to be surpassed, at
            least 0; the larger, the more is tried that is uncertain.
        key: of a genotype, equal for those that are one network; by default :func:`deap_nas.canonical_key`.
        repeats: whether a network may be proposed that is known, as where an evaluation is noisy or trains further.
        rng: source of the draws.

    Raises:
        SettingsError: a number is out of its range.
    """

    def __init__(
        self,
        space: SearchSpace,
        surrogate: Surrogate,
        *,
        n_children: int = 100,
        n_first: int = 15,
        n_mutations: int = 16,
        acquisition: Acquisition = expected_improvement,
        margin: float = 0.2,
        key: Callable[[Any], Any] | None = None,
        repeats: bool = False,
        rng: random.Random | ModuleType = random,
    ) -> None:
        """See the class."""
        numbers = {"n_children": (n_children, 1), "n_first": (n_first, 2), "n_mutations": (n_mutations, 1)}
        for name, (number, least) in numbers.items():
            if type(number) is not int or number < least:
                raise SettingsError(f"{name} must be an integer of at least {least}, found {number!r}")
        if not 0 <= margin < math.inf:
            raise SettingsError(f"margin must be a number of at least 0, found {margin!r}")
        self._surrogate = surrogate
        self._n_children = n_children
        self._n_first = n_first
        self._n_mutations = n_mutations
        self._acquisition = acquisition
        self._margin = margin
        self._key = partial(canonical_key, space) if key is None else key
        self._repeats = repeats
        self._rng = rng
        self._evidence = Evidence(self._key)
        #: Evaluations that have begun or ended since the last fit.
        self._n_new = 0
        #: Best score that the last fit was given.
        self._best = 0.0

    def observe(self, individual: Individual, n_running: int | None = None) -> None:
        """Learn from an evaluation.

        Args:
            individual: with a fitness; one without counts as being evaluated, such as those that a resumed population
                ends with.
            n_running: evaluations that go on, if that is known: what was proposed before them and has not been
                evaluated never will be.
        """
        if individual.fitness.valid:
            self._evidence.end(individual)
        else:
            self._evidence.begin(plain_genotype(individual))
        if n_running is not None:
            self._evidence.forget_running(n_running)
        self._n_new += 1

    def update(self, individuals: Iterable[Individual]) -> None:
        """Learn from a generation, as :class:`deap.tools.HallOfFame` is told of it; nothing is evaluated besides."""
        for individual in individuals:
            if not self._evidence.has_ended(self._key(plain_genotype(individual))):
                self.observe(individual)
        self._evidence.forget_running()

    def __call__(self, operator: _Operator) -> _Operator:
        """Decorate a mutation, which changes an individual in place and gives it in a tuple.

        What else decorates it, such as a :class:`~deap_nas.CostLimit`, comes first, so that it holds for each child.
        """

        @wraps(operator)
        def preselected(individual: Any, *arguments: Any, **settings: Any) -> Any:
            mutate = partial(operator, individual, *arguments, **settings)
            if self._evidence.n_ended < self._n_first:
                (child,), expected = self._children(individual, mutate, 1, n_mutations=1), None
            else:
                n_children = max(1, round(self._n_children / self._load))
                child, expected = self._best_of(self._children(individual, mutate, n_children))
            child.restore()
            self._evidence.begin(child.genotype, expected)
            self._n_new += 1
            return (individual,)

        return preselected  # type: ignore[return-value]  # the same call as the operator's

    @property
    def _load(self) -> float:
        """How many times as quick as for a lone worker a proposal is to be."""
        return max(1.0, self._evidence.n_running / _FEW)

    def _children(
        self, individual: Any, mutate: Callable[[], Any], n_children: int, *, n_mutations: int | None = None
    ) -> list[_Child]:
        """Mutate an individual again and again; gives as many different children as there are to be, or fewer."""
        restore = keep(individual)
        if restore is None:
            raise SettingsError(f"a mutation is preselected of individuals that can be changed, found {individual!r}")
        children: dict[Any, _Child] = {}
        for number in range(_TRIES * n_children):
            restore()
            for _ in range(n_mutations or int((self._n_mutations + 1) ** self._rng.random())):
                mutate()
            genotype = plain_genotype(individual)
            key = self._key(genotype)
            is_last_hope = not children and number == _TRIES * n_children - 1
            if self._repeats or is_last_hope or not self._evidence.knows(key):
                children.setdefault(key, _Child(genotype, keep(individual)))
            if len(children) == n_children:
                break
        return list(children.values())

    def _best_of(self, children: Sequence[_Child]) -> tuple[_Child, float]:
        """Give the child with the highest acquisition, of equal ones the one with the highest mean, and that mean."""
        if self._n_new >= self._load**2 / 2:
            genotypes, scores = self._evidence.examples()
            self._surrogate.fit(genotypes, scores)
            self._best, self._n_new = float(scores.max()), 0
        prediction = self._surrogate.predict([child.genotype for child in children])
        worth = self._acquisition(prediction, self._best + self._margin, self._rng)
        best = int(np.lexsort((prediction.mean, worth))[-1])
        return children[best], float(prediction.mean[best])
