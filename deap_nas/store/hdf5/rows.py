"""What a row of a population file holds: the columns, and evaluations to rows and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.evaluation import Evaluation, Status
from deap_nas.search_space import SearchSpace
from deap_nas.store.contract import Record
from deap_nas.store.hdf5.growing_table import Column

__all__ = [
    "ROW_FIELDS",
    "Reader",
    "error_columns",
    "find_genes",
    "individual_columns",
    "reader_of",
    "submission_columns",
    "to_error",
    "to_records",
    "to_row",
]

_ERROR_BYTES = 4000
_HOST_BYTES = 64
#: Rows that are made into Python objects at a time.
_BATCH = 2**12
#: Columns that make a :class:`Record`.
ROW_FIELDS = (
    "id", "parent", "genes", "fitness", "status", "alive", "submitted", "started", "finished", "worker", "host",
    "n_parameters", "flops", "scores", "reused",
)  # fmt: skip
#: Column of a field of :class:`~deap_nas.evaluation.Evaluation` that has another name.
_COLUMN_OF = {"values": "fitness"}


def submission_columns(space: SearchSpace) -> tuple[Column, ...]:
    """Columns of the jobs that were submitted."""
    is_ragged = space.n_genes is None
    return Column("id", "i8"), Column("parent", "i8"), Column("genes", space.row_dtype, space.n_genes, is_ragged)


def individual_columns(space: SearchSpace, n_objectives: int, n_repeats: int, n_rungs: int) -> tuple[Column, ...]:
    """Columns of the evaluated individuals."""
    curve = (Column("curve", "f8", n_rungs + 1),) if n_rungs else ()
    return (
        *submission_columns(space),
        Column("fitness", "f8", n_objectives),
        Column("status", "u1"),
        Column("alive", "?"),
        Column("submitted", "f8"),
        Column("started", "f8"),
        Column("finished", "f8"),
        Column("worker", "i4"),
        Column("host", f"S{_HOST_BYTES}"),
        Column("threads", "u2"),
        Column("n_parameters", "i8"),
        Column("flops", "i8"),
        Column("compute", "f8"),
        Column("scores", "f8", n_repeats),
        *curve,
        Column("reused", "i8"),
    )


def error_columns() -> tuple[Column, ...]:
    """Columns of what went wrong."""
    return Column("id", "i8"), Column("text", f"S{_ERROR_BYTES}")


def to_error(evaluation: Evaluation) -> dict[str, Any]:
    """Row of an evaluation's error; of a long text its end, where an exception says what it is."""
    return {"text": [_encoded(evaluation.error)[-_ERROR_BYTES:]], "id": [evaluation.id]}


def to_row(genes: Any, evaluation: Evaluation, *, n_repeats: int, n_rungs: int) -> dict[str, Any]:
    """Row of an evaluated individual, the id last; its genes are the row of its genotype."""
    curve = {"curve": [_padded(evaluation.curve, n_rungs + 1)]} if n_rungs else {}
    return {
        "parent": [evaluation.parent],
        "genes": [genes],
        "fitness": [evaluation.values],
        "status": [evaluation.status],
        "alive": [True],
        "submitted": [evaluation.submitted],
        "started": [evaluation.started],
        "finished": [evaluation.finished],
        "worker": [evaluation.worker],
        "host": [_encoded(evaluation.host)[:_HOST_BYTES]],
        "threads": [evaluation.threads],
        "n_parameters": [evaluation.n_parameters],
        "flops": [evaluation.flops],
        "compute": [evaluation.compute],
        "scores": [_padded(evaluation.scores, n_repeats)],
        **curve,
        "reused": [evaluation.reused],
        "id": [evaluation.id],
    }


def _encoded(text: str) -> bytes:
    """A text in UTF-8; what that cannot hold, such as a byte of a file name in another encoding, is escaped."""
    return text.encode(errors="backslashreplace")


def _padded(numbers: Sequence[float], width: int) -> tuple[float, ...]:
    return (*numbers, *[math.nan] * (width - len(numbers)))


#: Makes genotypes, or tuples of genes, of rows.
Reader = Callable[[Any], Iterable[Any]]


def reader_of(space: SearchSpace) -> Reader:
    """Give what reads the rows of a space's genotypes, many at once: a tuple of genes each, or a genotype."""
    if space.has_integer_genes:
        return _tuples
    return partial(map, space.decode)


def _tuples(rows: Any) -> Iterable[tuple[int, ...]]:
    return map(tuple, rows.tolist())


def to_records(columns: Mapping[str, Any], errors: Mapping[int, str], read: Reader) -> Iterator[Record]:
    """Give the records of all rows.

    Args:
        columns: those of :data:`ROW_FIELDS`, and others that are fields of an evaluation.
        errors: texts by id.
        read: of the genes.
    """
    for rows in _batches(len(columns["id"])):
        yield from _records({name: column[rows] for name, column in columns.items()}, errors, read)


def find_genes(ids: Sequence[int], known: NDArray[Any], genes: Any, read: Reader) -> Iterator[Any]:
    """Give the genes that belong to each of the ids; None for one that is not known.

    Args:
        ids: that are looked for.
        known: ids of the rows of ``genes``.
        genes: one row an individual.
        read: of the genes.
    """
    wanted = np.asarray(ids)
    is_known = np.isin(wanted, known)
    order = np.argsort(known)
    rows = order[np.searchsorted(known, wanted[is_known], sorter=order)]
    found = (row for batch in _batches(len(rows)) for row in read(genes[rows[batch]]))
    return (next(found) if each else None for each in is_known.tolist())


def _batches(n_rows: int) -> Iterator[slice]:
    """Parts of a table, since the plain values of all rows would take as much memory as what is made of them."""
    return (slice(start, start + _BATCH) for start in range(0, n_rows, _BATCH))


def _records(columns: Mapping[str, Any], errors: Mapping[int, str], read: Reader) -> Iterable[Record]:
    plain = {name: _plain(name, column) for name, column in columns.items() if name != "genes"}
    plain["genes"] = read(columns["genes"])
    plain["error"] = (errors.get(number, "") for number in columns["id"].tolist())
    names = ((_COLUMN_OF.get(field.name, field.name), field.default) for field in fields(Evaluation))
    evaluations = map(Evaluation, *(plain.get(name, repeat(default)) for name, default in names))
    return map(Record, plain["genes"], evaluations, plain["alive"])


def _plain(name: str, column: NDArray[Any]) -> Iterable[Any]:
    """Entries of a column as plain Python values, all at once as far as that can be."""
    entries: list[Any] = column.tolist()
    if name in ("scores", "curve") and np.isnan(column).any():
        return (tuple(score for score in row if not math.isnan(score)) for row in entries)
    if name in ("fitness", "scores", "curve"):
        return map(tuple, entries)
    if name == "status":
        return map(list(Status).__getitem__, entries)
    if name == "host":
        names = {text: text.decode(errors="replace") for text in set(entries)}
        return map(names.__getitem__, entries)
    return entries
