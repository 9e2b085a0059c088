"""The state of a search in a population file: of its random generator, and of its strategy. Two slots, used in turn.

One of them is whole at any instant: the one that was saved with as many submissions as the file has.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from deap_nas.store.hdf5.growing_table import Column

__all__ = ["RANDOM_COLUMNS", "STRATEGY_COLUMNS", "StateSlots"]

#: Words of the Mersenne Twister's state in the random module.
_N_WORDS = 625
RANDOM_COLUMNS = (Column("words", "u4", _N_WORDS), Column("gauss", "f8"), Column("count", "i8"))
#: Of searches whose strategy has a state; older files lack them. The state itself is in ``strategy``, (2, bytes).
STRATEGY_COLUMNS = (Column("strategy_bytes", "i8"), Column("evaluated", "i8"))
_CHUNK_BYTES = 1024


class StateSlots:
    """The slots of an HDF5 group; :meth:`lay_out` makes them.

    Args:
        group: an HDF5 group.
        n_submitted: submissions that the file has.
    """

    def __init__(self, group: Any, *, n_submitted: int) -> None:
        """See the class."""
        names = [column.name for column in (*RANDOM_COLUMNS, *STRATEGY_COLUMNS)]
        self._slots = {name: group[name] for name in (*names, "strategy") if name in group}
        self._valid = int(self._slots["count"][1] == n_submitted)

    @staticmethod
    def lay_out(group: Any) -> None:
        """Make the empty slots in a group that are not there yet."""
        for column in (*RANDOM_COLUMNS, *STRATEGY_COLUMNS):
            if column.name not in group:
                width = () if column.width is None else (column.width,)
                group.create_dataset(column.name, shape=(2, *width), dtype=column.dtype)
                group[column.name][...] = {"gauss": np.nan, "count": -1}.get(column.name, 0)
        if "strategy" not in group:
            chunks = (1, _CHUNK_BYTES)
            group.create_dataset("strategy", shape=(2, 0), maxshape=(2, None), dtype="u1", chunks=chunks)

    def save(self, state: Any, *, n_submitted: int, strategy: Any = None, n_evaluated: int = 0) -> None:
        """Write a state; it counts once the file has so many submissions, and :meth:`switch` is called then.

        Args:
            state: ``random.getstate()``.
            n_submitted: submissions with which it counts.
            strategy: state of the strategy, as JSON can hold it; None for none.
            n_evaluated: evaluations that the strategy knows in that state.
        """
        _, words, gauss = state
        slot = 1 - self._valid  # the state that is valid now stays, in case this call is cut short
        self._slots["words"][slot] = np.array(words, dtype=np.uint32)
        self._slots["gauss"][slot] = np.nan if gauss is None else gauss
        if strategy is not None:
            self._save_strategy(slot, json.dumps(strategy).encode(), n_evaluated)
        self._slots["count"][slot] = n_submitted

    def _save_strategy(self, slot: int, text: bytes, n_evaluated: int) -> None:
        dataset = self._slots["strategy"]
        if dataset.shape[1] < len(text):
            dataset.resize(len(text), axis=1)
        dataset[slot, : len(text)] = np.frombuffer(text, dtype=np.uint8)
        self._slots["strategy_bytes"][slot] = len(text)
        self._slots["evaluated"][slot] = n_evaluated

    def switch(self) -> None:
        """Let the state that was saved last be the valid one."""
        self._valid = 1 - self._valid

    def load(self) -> Any:
        """Give the valid state, as ``random.getstate()`` does."""
        gauss = float(self._slots["gauss"][self._valid])
        words = tuple(self._slots["words"][self._valid].tolist())
        return (3, words, None if np.isnan(gauss) else gauss)

    def load_strategy(self) -> tuple[Any, int] | None:
        """Give the valid state of the strategy, and how many evaluations it knew; None where there is none.

        Raises:
            ValueError: it is no JSON.
        """
        n_bytes = int(self._slots["strategy_bytes"][self._valid]) if "strategy_bytes" in self._slots else 0
        if n_bytes <= 0:
            return None
        text = bytes(self._slots["strategy"][self._valid, :n_bytes])
        return json.loads(text), int(self._slots["evaluated"][self._valid])

    @property
    def counts(self) -> list[int]:
        """Submissions with which each slot was saved; -1 for an empty slot."""
        counts: list[int] = self._slots["count"][:].tolist()
        return counts
