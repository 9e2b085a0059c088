"""Several searches in one run, each by a strategy of its own (Perez-Rua 2018, section 5, "several search threads")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deap_nas.deap_protocols import EvaluatedIndividual
from deap_nas.errors import SettingsError
from deap_nas.strategies.proposals import END, End, Proposal

__all__ = ["SeveralSearches"]


class SeveralSearches:
    """Lets searches that each do one thing after the other go on at the same time, on as many workers.

    All are in one population file, in which ``search`` of a stage tells them apart, and the best of all is its best.
    Register its ``generate`` and ``update`` as those of any strategy.

    Args:
        searches: such as :class:`~deap_nas.ProgressiveSearch` with ``number`` 0, 1, ... in this order: their
            proposals have a stage, and their state is all in ``getstate``.

    Raises:
        SettingsError: there are none.
    """

    def __init__(self, searches: Sequence[Any]) -> None:
        """See the class."""
        if not searches:
            raise SettingsError("several searches are at least one, found none")
        self._searches = list(searches)
        #: Which search is asked first: the one after that which proposed last.
        self._next = 0

    @property
    def n_evaluations(self) -> int:
        """How many evaluations all searches have together at most."""
        return sum(search.n_evaluations for search in self._searches)

    def generate(self) -> Proposal | End | None:
        """Give what the next search proposes that has something to; END when all have ended."""
        n_searches, n_ended = len(self._searches), 0
        for offset in range(n_searches):
            place = (self._next + offset) % n_searches
            proposal: Proposal | End | None = self._searches[place].generate()
            n_ended += proposal is END
            if proposal is not None and proposal is not END:
                self._next = (place + 1) % n_searches
                return proposal
        return END if n_ended == n_searches else None

    def update(self, individual: EvaluatedIndividual) -> None:
        """Give an individual back to the search that it came from."""
        self._searches[individual.stage.search].update(individual)

    def getstate(self) -> dict[str, Any]:
        """Give the states of all searches."""
        return {"next": self._next, "searches": [search.getstate() for search in self._searches]}

    def setstate(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._next = state["next"]
        for search, own in zip(self._searches, state["searches"], strict=True):
            search.setstate(own)
