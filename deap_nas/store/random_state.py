"""The state of a search's random generator in a population file: two slots, used in turn.

One of them is whole at any instant: the one that was saved with as many submissions as the file has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deap_nas.store.table import Column

__all__ = ["RANDOM_COLUMNS", "RandomSlots"]

#: Words of the Mersenne Twister's state in the random module.
_N_WORDS = 625
RANDOM_COLUMNS = (Column("words", "u4", _N_WORDS), Column("gauss", "f8"), Column("count", "i8"))


class RandomSlots:
    """The slots of an HDF5 group; :meth:`lay_out` makes them.

    Args:
        group: an HDF5 group.
        n_submitted: submissions that the file has.
    """

    def __init__(self, group: Any, *, n_submitted: int) -> None:
        """See the class."""
        self._slots = {column.name: group[column.name] for column in RANDOM_COLUMNS}
        self._valid = int(self._slots["count"][1] == n_submitted)

    @staticmethod
    def lay_out(group: Any) -> None:
        """Make two empty slots in a group."""
        for column in RANDOM_COLUMNS:
            width = () if column.width is None else (column.width,)
            group.create_dataset(column.name, shape=(2, *width), dtype=column.dtype)
        group["gauss"][:] = np.nan
        group["count"][:] = -1

    def save(self, state: Any, *, n_submitted: int) -> None:
        """Write a state; it counts once the file has so many submissions, and :meth:`switch` is called then."""
        _, words, gauss = state
        slot = 1 - self._valid  # the state that is valid now stays, in case this call is cut short
        self._slots["words"][slot] = np.array(words, dtype=np.uint32)
        self._slots["gauss"][slot] = np.nan if gauss is None else gauss
        self._slots["count"][slot] = n_submitted

    def switch(self) -> None:
        """Let the state that was saved last be the valid one."""
        self._valid = 1 - self._valid

    def load(self) -> Any:
        """Give the valid state, as ``random.getstate()`` does."""
        gauss = float(self._slots["gauss"][self._valid])
        words = tuple(self._slots["words"][self._valid].tolist())
        return (3, words, None if np.isnan(gauss) else gauss)

    @property
    def counts(self) -> list[int]:
        """Submissions with which each slot was saved; -1 for an empty slot."""
        counts: list[int] = self._slots["count"][:].tolist()
        return counts
