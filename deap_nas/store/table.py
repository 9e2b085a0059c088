"""A table of a population file: datasets of one group that grow together, row by row.

Works on datasets that it is given; opening files is the business of :mod:`deap_nas.store.file`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import StoreError

__all__ = ["CHUNK_ROWS", "Column", "Table", "create_table"]

#: Rows in one chunk of the file.
CHUNK_ROWS = 1024


@dataclass(frozen=True)
class Column:
    """One column of a table that is to be made."""

    name: str
    #: NumPy's name of the type.
    dtype: str
    #: Entries in a row; None for a plain number.
    width: int | None = None


def create_table(group: Any, columns: Iterable[Column], *, compression: str | None = None) -> None:
    """Make the empty datasets of a table in an HDF5 group.

    A table that grows row by row is not compressed: HDF5 would write its last chunk anew, elsewhere, for each row.
    """
    for column in columns:
        tail = () if column.width is None else (column.width,)
        chunk_rows = CHUNK_ROWS if np.dtype(column.dtype).itemsize < CHUNK_ROWS else 8
        group.create_dataset(
            column.name,
            shape=(0, *tail),
            maxshape=(None, *tail),
            dtype=column.dtype,
            chunks=(chunk_rows, *(max(1, n) for n in tail)),
            compression=compression,
            shuffle=compression is not None,
        )


class Table:
    """Datasets of a group; a row counts when every column has it.

    Args:
        group: an HDF5 group.
        names: of the columns; other datasets of the group are left alone. A column that the group lacks, since its file
            is older than the column, reads as zeros and takes no rows.
    """

    def __init__(self, group: Any, names: Iterable[str]) -> None:
        """See the class."""
        #: Of the columns.
        self.names = tuple(names)
        self._datasets = {name: group[name] for name in self.names if name in group}
        self._absent = set(self.names) - set(self._datasets)
        self._tails: dict[str, _Tail] = {}
        lengths = [len(dataset) for dataset in self._datasets.values()]
        self.n_rows = min(lengths)
        #: Rows that some columns have and others do not: a kill has left them half done.
        self.n_torn = max(lengths) - self.n_rows

    @property
    def chunk_bytes(self) -> int:
        """Bytes in the file that a new row takes at most: a chunk of each column."""
        return sum(prod(dataset.chunks or ()) * dataset.dtype.itemsize for dataset in self._datasets.values())

    def drop_torn_rows(self) -> None:
        """Cut every column to the rows that all columns have."""
        for dataset in self._datasets.values():
            dataset.resize(self.n_rows, axis=0)

    def append(self, **rows: Any) -> None:
        """Append rows; one argument a column, each a sequence of as many rows.

        The last argument's column grows last, so that a reader who looks at its length sees whole rows.
        """
        n_new = 0
        for name, values in rows.items():
            n_new = len(values)
            if name in self._absent:
                continue
            if name not in self._tails:
                self._tails[name] = _Tail(self._datasets[name])
            self._tails[name].write(values, below=self.n_rows)
        self.n_rows += n_new

    def read(self, name: str) -> NDArray[Any]:
        """Give a column, all rows.

        Raises:
            StoreError: its bytes are damaged.
        """
        if name in self._absent:
            return np.zeros(self.n_rows, dtype=int)
        try:
            values: NDArray[Any] = self._datasets[name][: self.n_rows]
        except (OSError, MemoryError) as error:
            raise StoreError(f"column {name} cannot be read: {error}") from error
        return values


class _Tail:
    """The end of a dataset, where rows are written; through the low-level interface, in a fifth of the time."""

    def __init__(self, dataset: Any) -> None:
        self._id = dataset.id
        self._dtype = dataset.dtype
        self._row = dataset.shape[1:]
        self._type = dataset.id.get_type()
        self._in_file, self._in_memory = dataset.id.get_space(), dataset.id.get_space()

    def write(self, values: Any, *, below: int) -> None:
        array = np.array(values, dtype=self._dtype).reshape(len(values), *self._row)
        shape = (below + len(array), *self._row)
        self._id.set_extent(shape)
        self._in_file.set_extent_simple(shape)
        self._in_file.select_hyperslab((below, *[0] * len(self._row)), array.shape)
        self._in_memory.set_extent_simple(array.shape)
        self._id.write(self._in_memory, self._in_file, array, self._type)
