"""The strategy of Elsken 2017 <https://arxiv.org/abs/1711.04528>, algorithm 1: neighbours of the best, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deap_nas.deap_protocols import EvaluatedIndividual, Individual, VariationToolbox
from deap_nas.errors import SettingsError
from deap_nas.evaluation import Status
from deap_nas.strategies.proposals import END, End, Proposal

__all__ = ["HillClimbing"]


class HillClimbing:
    """Evaluates neighbours of the current individual, and goes on from the fittest of them.

    A neighbour is a clone that has been mutated some times; the last neighbour of each step is one that has not been.
    With weights that are inherited, as the paper has it, that one is the current individual trained on, and all start
    from what it computes: :class:`~deap_nas.training.MorphedWeights` and :func:`~deap_nas.mutMorph`. The best neighbour
    is taken whether or not it is fitter than the one before; where all have failed, the one before stays.

    The neighbours of a step may be evaluated at the same time; the next step waits for all of them. Those who were not
    taken are removed when it begins, and so are their weights. It ends by itself after its last step, so
    ``n_evaluations`` of :func:`deap_nas.eaAsyncGenerateUpdate` is to be at least its own.

    Register ``strategy.generate`` and ``strategy.update`` in a toolbox, any search space will do.

    Args:
        toolbox: with ``individual()``, which makes the first one, ``clone`` and ``mutate``.
        n_steps: steps, the paper's n_steps.
        n_neighbours: of a step, at least 2, the one without mutations included; the paper's n_neigh.
        n_mutations: of each other neighbour, one after the other; the paper's n_NM.

    Raises:
        SettingsError: a number is out of its range, or the toolbox lacks something.
    """

    def __init__(
        self, toolbox: VariationToolbox, *, n_steps: int = 5, n_neighbours: int = 8, n_mutations: int = 5
    ) -> None:
        """See the class."""
        for name, value, least in (
            ("n_steps", n_steps, 1),
            ("n_neighbours", n_neighbours, 2),
            ("n_mutations", n_mutations, 1),
        ):
            if not isinstance(value, int) or value < least:
                raise SettingsError(f"{name} must be an integer of at least {least}, found {value!r}")
        if missing := [name for name in ("individual", "clone", "mutate") if not hasattr(toolbox, name)]:
            raise SettingsError(f"the toolbox has no {missing[0]}: toolbox.register({missing[0]!r}, ...)")
        self._toolbox: Any = toolbox
        self._n_neighbours = n_neighbours
        self._n_mutations = n_mutations
        #: How many evaluations it has, of which the first is that of the first individual.
        self.n_evaluations = 1 + n_steps * n_neighbours
        #: Proposals so far, and updates.
        self._n_proposed = self._n_updated = 0
        #: Who is to be mutated next, those of the step that have ended, and who leaves when the next one begins.
        self._current: EvaluatedIndividual | None = None
        self._ended: list[EvaluatedIndividual] = []
        self._leaving: list[Individual] = []

    def generate(self) -> Proposal | End | None:
        """Propose the next neighbour; None while the step goes on and has no other, END after the last step."""
        if self._n_proposed == self.n_evaluations:
            return END
        step, place = divmod(self._n_proposed - 1, self._n_neighbours)
        if self._n_updated < 1 + step * self._n_neighbours:
            return None
        self._n_proposed += 1
        if self._current is None:
            return Proposal(self._toolbox.individual())
        neighbour = self._toolbox.clone(self._current)
        if place < self._n_neighbours - 1:
            for _ in range(self._n_mutations):
                (neighbour,) = self._toolbox.mutate(neighbour)
        leaving, self._leaving = self._leaving, []
        return Proposal(neighbour, [self._current], leaving)

    def update(self, individual: EvaluatedIndividual) -> None:
        """Take a neighbour back; with the last one of a step the fittest becomes the current individual."""
        self._n_updated += 1
        self._ended.append(individual)
        if (self._n_updated - 1) % self._n_neighbours == 0:
            before = [] if self._current is None else [self._current]
            sound = [each for each in self._ended if each.evaluation.status is Status.OK]
            best = _fittest(sound or before or self._ended)
            self._leaving = [each for each in (*before, *self._ended) if each is not best]
            self._current, self._ended = best, []

    def remove(self, individuals: Sequence[Individual]) -> None:
        """Take note that members have left, so that nobody is told to leave twice."""
        gone = set(map(id, individuals))
        self._leaving = [each for each in self._leaving if id(each) not in gone]

    def getstate(self) -> dict[str, int]:
        """Give the number of proposals; all else follows from the evaluations."""
        return {"n_proposed": self._n_proposed}

    def setstate(self, state: dict[str, int]) -> None:
        """Go on from a state."""
        self._n_proposed = state["n_proposed"]


def _fittest(individuals: Sequence[EvaluatedIndividual]) -> EvaluatedIndividual:
    """Of equally fit ones the first that was proposed, in whatever order they have ended."""
    return max(individuals, key=lambda each: (each.fitness, -each.evaluation.id))
