"""A table of a population file: datasets of one group that grow together, row by row.

Works on datasets that it is given; opening files is the business of :mod:`deap_nas.store.hdf5.access`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import StoreError
from deap_nas.store.hdf5.dataset_end import Tail
from deap_nas.store.hdf5.ragged_column import RaggedColumn

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
    #: Whether rows differ in their number of entries; then there is no width.
    is_ragged: bool = False


def create_table(group: Any, columns: Iterable[Column], *, compression: str | None = None) -> None:
    """Make the empty datasets of a table in an HDF5 group.

    A table that grows row by row is not compressed: HDF5 would write its last chunk anew, elsewhere, for each row.
    """
    for column in columns:
        if column.is_ragged:
            ragged = group.create_group(column.name)
            RaggedColumn.lay_out(ragged, column.dtype, compression=compression, chunk_rows=CHUNK_ROWS)
            continue
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
        group: an HDF5 group; None for a table that the file lacks, being older, which has no rows.
        names: of the columns; other datasets of the group are left alone. A column that the group lacks, since its file
            is older than the column, reads as zeros and takes no rows.
    """

    def __init__(self, group: Any, names: Iterable[str]) -> None:
        """See the class."""
        #: Of the columns.
        self.names = tuple(names)
        there = () if group is None else group
        self._columns = {name: _column(group[name]) for name in self.names if name in there}
        self._absent = set(self.names) - set(self._columns)
        lengths = [len(column) for column in self._columns.values()]
        self.n_rows = min(lengths, default=0)
        #: Rows that some columns have and others do not: a kill has left them half done.
        self.n_torn = max(lengths, default=0) - self.n_rows

    @property
    def chunk_bytes(self) -> int:
        """Bytes in the file that a new row takes at most: a chunk of each column."""
        return sum(column.chunk_bytes for column in self._columns.values())

    def cut(self, n_rows: int | None = None) -> None:
        """Leave so many rows; by default those that all columns have, without the torn ones."""
        self.n_rows = self.n_rows if n_rows is None else n_rows
        for column in self._columns.values():
            column.cut(self.n_rows)

    def append(self, **rows: Any) -> None:
        """Append rows; one argument a column, each a sequence of as many rows.

        The last argument's column grows last, so that a reader who looks at its length sees whole rows.
        """
        n_new = 0
        for name, values in rows.items():
            n_new = len(values)
            if name in self._absent:
                continue
            self._columns[name].write(values, below=self.n_rows)
        self.n_rows += n_new

    def read(self, name: str) -> Any:
        """Give a column, all rows: an array, or :class:`~deap_nas.store.hdf5.ragged_column.Rows`.

        Raises:
            StoreError: its bytes are damaged.
        """
        if name in self._absent:
            return np.zeros(self.n_rows, dtype=int)
        try:
            return self._columns[name].read(self.n_rows)
        except (OSError, MemoryError) as error:
            raise StoreError(f"column {name} cannot be read: {error}") from error


def _column(item: Any) -> _PlainColumn | RaggedColumn:
    """The column of a dataset, or of a group of two."""
    return _PlainColumn(item) if hasattr(item, "dtype") else RaggedColumn(item)


class _PlainColumn:
    """A dataset whose rows are of one length."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._tail: Tail | None = None

    def __len__(self) -> int:
        return len(self._dataset)

    @property
    def chunk_bytes(self) -> int:
        return prod(self._dataset.chunks or ()) * int(self._dataset.dtype.itemsize)

    def cut(self, n_rows: int) -> None:
        self._dataset.resize(n_rows, axis=0)

    def write(self, rows: Any, *, below: int) -> None:
        if self._tail is None:
            self._tail = Tail(self._dataset)
        self._tail.write(rows, below=below)

    def read(self, n_rows: int) -> NDArray[Any]:
        values: NDArray[Any] = self._dataset[:n_rows]
        return values
