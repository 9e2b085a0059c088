"""What rows of tokens begin with, each beginning once: whoever reads them need not read it again for each row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PrefixTree", "prefix_order"]


def prefix_order(rows: NDArray[Any]) -> NDArray[np.intp]:
    """Give the order of rows, (n, length), in which those that begin alike stand together, by their first tokens."""
    return np.lexsort(rows.T[::-1])


class PrefixTree:
    """The different beginnings, or prefixes, of rows; those of one length are numbered from 0, in the rows' order.

    Args:
        rows: of tokens, (n, length), both at least 1, in the order of :func:`prefix_order`.

    Attributes:
        leaves: of each row the number of its prefix of full length, which is itself, (n,).
    """

    def __init__(self, rows: NDArray[Any]) -> None:
        """See the class."""
        self._rows = rows
        length = rows.shape[1]
        differ = rows[1:] != rows[:-1]
        #: Place of the first token in which a row differs from the one before; -1 for the first row.
        self._new_from = np.full(len(rows), -1)
        self._new_from[1:] = np.where(differ.any(axis=1), differ.argmax(axis=1), length)
        self.leaves = np.cumsum(self._new_from < length) - 1

    def levels(self) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
        """Go through the prefixes from those of one token to those of full length.

        Yields:
            Of each prefix of one length its number without its last token, and its last token, both (prefixes,); of
            those of one token the former is 0.
        """
        for place in range(self._rows.shape[1]):
            firsts = np.flatnonzero(self._new_from <= place)
            yield np.cumsum(self._new_from[firsts] < place) - 1, self._rows[firsts, place]
