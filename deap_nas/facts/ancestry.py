"""The lineage of an individual: its ancestors, and what each of them has from its parent and has not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from deap_nas.errors import NASError, StoreError
from deap_nas.evaluation import Status
from deap_nas.facts.account import printable
from deap_nas.facts.summary import best_id
from deap_nas.store import HDF5Store

__all__ = ["Ancestor", "lineage", "lineage_in_words"]

_FIRST = "the first of its line"


@dataclass(frozen=True)
class Ancestor:
    """One individual of a lineage, the last one included."""

    id: int
    #: Id of its parent, -1 for none; the first of a lineage may have one that the file does not hold.
    parent: int
    #: One value for each objective; of an evaluation that failed the worst ones.
    fitness: tuple[float, ...]
    #: Name of its :class:`~deap_nas.evaluation.Status`.
    status: str
    #: Whether it is a member of the population.
    alive: bool
    #: Id of the evaluation whose fitness it took, being the same network; -1 for a fitness of its own.
    reused: int
    #: When its evaluation had ended, in unix seconds.
    finished: float
    #: Trainable parameters; -1 when unknown.
    n_parameters: int
    #: What turned its parent into it, in words; empty for the first, and where they are equal.
    changes: tuple[str, ...]


def lineage(store: HDF5Store, number: int | None = None) -> list[Ancestor]:
    """Follow the parents of an individual, first ones first, back to one of the first population.

    One that took the fitness of an earlier evaluation has a parent of its own, as all others have. The columns of the
    file are read once, whatever the length of the lineage. A lineage ends where a damaged file has no such parent, or
    leads back to an individual that is in it.

    Args:
        store: the file.
        number: id of the individual; by default the best, see :func:`best_id`.

    Returns:
        The ancestors, then the individual.

    Raises:
        StoreError: no evaluated individual has that id, or none has a fitness.
    """
    number = best_id(store) if number is None else number
    if number is None:
        raise StoreError(f"{store.path} has no individual with a fitness; choose one by its id")
    rows = _rows_of_line(store, number)
    names = ("id", "parent", "fitness", "status", "alive", "reused", "finished", "n_parameters")
    columns = {name: store.column(name)[rows].tolist() for name in names}
    columns["status"] = list(map(_status_name, columns["status"]))
    columns["fitness"] = list(map(tuple, columns["fitness"]))
    columns["changes"] = list(_changes(store, rows))
    return [Ancestor(**dict(zip(columns, fields, strict=True))) for fields in zip(*columns.values(), strict=True)]


def _rows_of_line(store: HDF5Store, number: int) -> list[int]:
    """Rows of the file, first ancestor first."""
    ids, parents = store.column("id").tolist(), store.column("parent").tolist()
    row_of = dict(zip(reversed(ids), range(len(ids) - 1, -1, -1), strict=True))  # of equal ids, the first
    if number not in row_of:
        raise StoreError(
            f"{store.path} has no evaluated individual {number}; ids reach from 0 to {store.n_submitted - 1}"
        )
    rows: dict[int, None] = {}
    row: int | None = row_of[number]
    while row is not None and row not in rows:
        rows[row] = None
        row = row_of.get(parents[row])
    return list(reversed(rows))


def _status_name(status: int) -> str:
    try:
        return Status(status).name
    except ValueError:  # of a damaged file
        return f"status {status}"


def _changes(store: HDF5Store, rows: Sequence[int]) -> Iterator[tuple[str, ...]]:
    """What is new in each; nothing in the first one."""
    yield ()
    genes = store.column("genes")
    genotypes = (_decoded(store, genes[row]) for row in rows)
    for parent, child in pairwise(genotypes):
        try:
            changes = store.space.changes(parent, child)
        except (NASError, ValueError, TypeError):
            changes = ["genes that the search space does not have"]
        yield tuple(map(printable, changes))


def _decoded(store: HDF5Store, row: Any) -> Any:
    """A genotype; None where the row is that of none."""
    try:
        return store.space.decode(row)
    except (NASError, ValueError, TypeError):
        return None


def lineage_in_words(ancestors: Sequence[Ancestor]) -> str:
    """Put a lineage in words: a table of id, fitness, parameters and what has changed, a line for each change."""
    table = [("id", "fitness", "parameters", "change")]
    for place, ancestor in enumerate(ancestors):
        size = f"{ancestor.n_parameters:,}" if ancestor.n_parameters >= 0 else ""
        first, *others = ancestor.changes or ("nothing" if place else _FIRST,)
        reused = f" (the same network as {ancestor.reused}, whose fitness it took)" if ancestor.reused >= 0 else ""
        table.append((str(ancestor.id), _fitness(ancestor), size, first + reused))
        table.extend(("", "", "", change) for change in others)
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    return "\n".join(
        "  ".join((*(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=False)), row[3])) for row in table
    )


def _fitness(ancestor: Ancestor) -> str:
    if ancestor.status != Status.OK.name:
        return ancestor.status
    return ", ".join(f"{value:.4f}" for value in ancestor.fitness)
