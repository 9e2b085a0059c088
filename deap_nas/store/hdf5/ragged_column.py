"""A column whose rows differ in length: all rows end to end, and where each ends.

HDF5's own type for such rows cannot be read while a file is being written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.store.hdf5.dataset_end import Tail

__all__ = ["RaggedColumn", "Rows"]

#: Bytes in one chunk of the values: more than HDF5 keeps of a column, so that it writes a row and not the chunk, and
#: enough for a quick reading of them all.
_CHUNK_BYTES = 2**15


class Rows:
    """Rows of different lengths, of one type.

    Args:
        values: all rows end to end.
        ends: where in them each row ends, from the first one on.
    """

    def __init__(self, values: NDArray[Any], ends: NDArray[Any]) -> None:
        """See the class."""
        self.values = values
        self.ends = ends
        self._starts = np.concatenate([ends[:0], [0], ends[:-1]]) if len(ends) else ends

    @classmethod
    def of(cls, rows: Iterable[Any], dtype: Any) -> Rows:
        """Put rows end to end."""
        if isinstance(rows, Rows):
            return rows
        arrays = [np.asarray(row, dtype=dtype).reshape(-1) for row in rows]
        values = np.concatenate([np.zeros(0, dtype), *arrays])
        return cls(values, np.cumsum([len(array) for array in arrays], dtype=np.int64))

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.ends)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Give each row."""
        return (self.values[start:end] for start, end in zip(self._starts.tolist(), self.ends.tolist(), strict=True))

    def __getitem__(self, which: Any) -> Any:
        """Give a row by its number, or those that a slice, a mask or an array of numbers chooses."""
        if isinstance(which, int | np.integer):
            return self.values[self._starts[which] : self.ends[which]]
        starts, ends = self._starts[which], self.ends[which]
        if isinstance(which, slice) and which.step in (None, 1) and len(ends):
            return Rows(self.values[starts[0] : ends[-1]], ends - starts[0])
        pairs = zip(starts.tolist(), ends.tolist(), strict=True)
        return Rows.of([self.values[start:end] for start, end in pairs], self.values.dtype)

    def tolist(self) -> list[list[Any]]:
        """Give the rows as lists of plain numbers."""
        return [row.tolist() for row in self]

    def differ(self, others: Rows) -> NDArray[np.bool_]:
        """For each row, whether another table has other numbers, or not as many, in that row."""
        pairs = zip(self, others, strict=True)
        return np.array([one.tobytes() != other.tobytes() for one, other in pairs], dtype=bool)


class RaggedColumn:
    """The two datasets of such a column, ``values`` and ``offsets``, in an HDF5 group of their own.

    Entry i of ``offsets`` is the end of row i in ``values``, so there are as many as rows.

    Args:
        group: the HDF5 group.
    """

    def __init__(self, group: Any) -> None:
        """See the class."""
        self._ends = group["offsets"]  # first: a row's end is written after its values
        self._values = group["values"]
        self._tails: tuple[Tail, Tail] | None = None
        self._end = 0
        n_rows, n_values = len(self._ends), len(self._values)
        while n_rows and int(self._ends[n_rows - 1]) > n_values:
            n_rows -= 1
        self._n_rows = n_rows

    @staticmethod
    def lay_out(group: Any, dtype: str, *, compression: str | None, chunk_rows: int) -> None:
        """Make the empty datasets."""
        n_values = _CHUNK_BYTES // np.dtype(dtype).itemsize
        for name, kind, n_numbers in (("values", dtype, n_values), ("offsets", "i8", chunk_rows)):
            group.create_dataset(
                name,
                shape=(0,),
                maxshape=(None,),
                dtype=kind,
                chunks=(n_numbers,),
                compression=compression,
                shuffle=compression is not None,
            )

    def __len__(self) -> int:
        """Rows that are whole."""
        return self._n_rows

    @property
    def chunk_bytes(self) -> int:
        """Bytes in the file of a chunk of both datasets."""
        return sum(int(dataset.chunks[0]) * int(dataset.dtype.itemsize) for dataset in (self._ends, self._values))

    def cut(self, n_rows: int) -> None:
        """Leave so many rows."""
        self._ends.resize(n_rows, axis=0)
        self._values.resize(int(self._ends[n_rows - 1]) if n_rows else 0, axis=0)
        self._n_rows = n_rows

    def write(self, rows: Sequence[Any], *, below: int) -> None:
        """Write rows behind so many others."""
        if self._tails is None:
            self._tails = Tail(self._values), Tail(self._ends)
            self._end = int(self._ends[below - 1]) if below else 0
        new = Rows.of(rows, self._values.dtype)
        self._tails[0].write(new.values, below=self._end)
        self._tails[1].write(new.ends + self._end, below=below)
        self._end += len(new.values)

    def read(self, n_rows: int) -> Rows:
        """Give the first rows."""
        ends = self._ends[:n_rows]
        return Rows(self._values[: int(ends[-1]) if n_rows else 0], ends)
