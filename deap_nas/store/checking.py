"""Whether a population file holds what docs/store-format.md promises, one function for each part of the promise.

What can be told from whole columns is checked for every row; what needs an individual's network, for a sample of rows.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import NASError, UnknownNameError
from deap_nas.evaluation import Stage, Status
from deap_nas.graph import canonical_key, viable_graphs
from deap_nas.store.hdf5.lock import WriterLock
from deap_nas.store.hdf5.population_file import HDF5Store
from deap_nas.store.hdf5.ragged_column import Rows
from deap_nas.store.recorded_spaces import check_known
from deap_nas.template import Template, cost, template_from_dict

__all__ = ["Problem", "find_problems"]

#: Rows whose networks are looked at, unless all are.
_SAMPLE = 500
#: Ids that the text of a problem names.
_N_NAMED = 10


@dataclass(frozen=True)
class Problem:
    """One kind of thing that is wrong with a file."""

    #: What is wrong, as the end of a sentence.
    text: str
    #: Ids of the individuals that it concerns; empty if it concerns the file as a whole.
    ids: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Say it in one line."""
        if not self.ids:
            return f"the file {self.text}"
        names = ", ".join(map(str, self.ids[:_N_NAMED])) + (", ..." if len(self.ids) > _N_NAMED else "")
        return f"individuals that {self.text} ({len(self.ids):,}): {names}"


def find_problems(store: HDF5Store, *, everything: bool = False) -> list[Problem]:
    """Check that a file holds what its format promises.

    Where the class of its search space, or an operation, is not registered, the networks are not looked at.

    Args:
        store: open file; of one that is being written, what its writer may have changed since it was opened is not
            checked: who is alive, whose errors there are, and the state of the random generator.
        everything: look at the network of each individual, which takes about a millisecond each, and not only at 500
            of each kind.

    Returns:
        What is wrong, an entry for each kind; empty if nothing is.

    Raises:
        StoreError: bytes of the file are damaged.
        UnknownNameError: the graph of a genotype has an operation that is not registered, and the space does not tell.
    """
    checks = _CHECKS if WriterLock.is_held(store.path) else (*_CHECKS, *_CHECKS_AT_REST)  # it may end meanwhile
    rows = _Rows(store, everything)
    problems = list(_ids(rows))
    for check in () if problems else checks:  # without sound ids nothing else can be told
        problems += check(rows)
    return problems


class _Rows:
    """The columns of a file, each read once."""

    def __init__(self, store: HDF5Store, everything: bool) -> None:
        self.store = store
        self._everything = everything
        self._columns: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._columns:
            self._columns[name] = self.store.column(name)
        return self._columns[name]

    @cached_property
    def are_networks_known(self) -> bool:
        """Whether the layers of all operations are."""
        try:
            check_known(self.store.space, ())
        except UnknownNameError:
            return False
        return True

    @cached_property
    def row_of(self) -> NDArray[Any]:
        """Row of each submitted id; -1 for one that was not evaluated."""
        places = np.full(self.store.n_submitted, -1)
        places[self["id"]] = np.arange(len(self["id"]))
        return places

    def wrong(self, text: str, where: NDArray[Any] | list[int]) -> Iterator[Problem]:
        """The problem of the rows where ``where`` is true, or which it names; nothing if there are none."""
        ids = self["id"][np.asarray(where, dtype=None if len(where) else int)]
        if len(ids):
            yield Problem(text, tuple(ids.tolist()))

    def sample(self, where: NDArray[Any]) -> list[int]:
        """Rows out of those where ``where`` is true."""
        rows: list[int] = np.flatnonzero(where).tolist()
        if self._everything or len(rows) <= _SAMPLE:
            return rows
        return sorted(random.Random(0).sample(rows, _SAMPLE))

    def genotype(self, row: int) -> Any:
        """Genotype of a row.

        Raises:
            GenotypeError: the row is that of none.
        """
        return self.store.space.decode(self["genes"][row])


def _ids(rows: _Rows) -> Iterator[Problem]:
    ids, n_submitted = rows["id"], rows.store.n_submitted
    if (rows.store.column("id", table="submissions") != np.arange(n_submitted)).any():
        yield Problem("has submissions whose ids are not 0, 1, 2, ...")
    yield from rows.wrong("were never submitted", (ids < 0) | (ids >= n_submitted))
    numbers, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        yield Problem("are there more than once", tuple(numbers[counts > 1].tolist()))


def _genes(rows: _Rows) -> Iterator[Problem]:
    space, genes = rows.store.space, rows["genes"]
    illegal = np.zeros(len(genes), dtype=bool)
    if space.has_integer_genes and space.n_genes is not None:  # all rows at once
        illegal = np.any((genes < np.array(space.low)) | (genes > np.array(space.up)), axis=1)
    for row in rows.sample(~illegal):
        try:
            space.validate(rows.genotype(row))
        except UnknownNameError:  # nothing is known of such genes
            break
        except NASError:
            illegal[row] = True
    yield from rows.wrong("have genes that do not belong to the search space", illegal)
    for name, noun in (("genes", "genes"), ("parent", "a parent")):
        differs = _differ(rows.store.column(name, table="submissions")[rows["id"]], rows[name])
        yield from rows.wrong(f"have {noun} other than they were submitted with", differs)


def _differ(one: Any, other: Any) -> NDArray[Any]:
    """For each row of two columns, whether they differ there."""
    if isinstance(one, Rows):
        return one.differ(other)
    differs: NDArray[Any] = np.any(one != other, axis=tuple(range(1, one.ndim)))
    return differs


def _parents(rows: _Rows) -> Iterator[Problem]:
    parent, ids = rows["parent"], rows["id"]
    yield from rows.wrong("have a parent that came after them", (parent < -1) | (parent >= ids))
    has_parent = (parent >= 0) & (parent < ids)
    yield from rows.wrong(
        "have a parent that was not evaluated", has_parent & (rows.row_of[np.where(has_parent, parent, 0)] < 0)
    )


def _links(rows: _Rows) -> Iterator[Problem]:
    """Further parents and removals, which belong to submissions."""
    for table, name, noun in (("parents", "parent", "further parents"), ("removals", "removed", "removals")):
        ids, others = (rows.store.column(column, table=table) for column in ("id", name))
        is_made = ids < rows.store.n_submitted  # what was written for a submission that a kill prevented does not count
        ids, others = ids[is_made], others[is_made]
        known = (others >= 0) & (others < ids)
        known &= rows.row_of[np.where(known, others, 0)] >= 0 if len(known) else known
        if (ids < 0).any() or not known.all():
            yield Problem(f"has {noun} of submissions that cannot have them")
    stages = {name: rows.store.column(name, table="stages") for name in (*Stage._fields, "id")}
    is_wrong = np.isinf(stages["predicted"]) | (stages["level"] < 1) | (stages["iteration"] < 1)
    is_wrong |= (stages["search"] < 0) | (stages["number"] < 0) | (stages["id"] < 0)
    if is_wrong.any() or (np.diff(stages["id"]) <= 0).any():
        yield Problem("has stages of submissions that cannot have them")


def _fitness(rows: _Rows) -> Iterator[Problem]:
    yield from rows.wrong("have a fitness that is no finite number", ~np.isfinite(rows["fitness"]).all(axis=1))
    yield from rows.wrong("have scores that are infinite", np.isinf(rows["scores"]).any(axis=1))
    compute = rows["compute"]
    wrong = ~np.isfinite(compute) | (compute < 0)
    yield from rows.wrong("have a compute that is no finite number of at least 0", wrong)
    if not np.all(np.isfinite(rows.store.weights)) or 0 in rows.store.weights:
        yield Problem(f"has the weights {rows.store.weights}, of which each must be finite and not 0")


def _curves(rows: _Rows) -> Iterator[Problem]:
    if not rows.store.n_rungs:
        return
    curve, scores = rows["curve"], rows["scores"]
    n_passed, n_scores = (np.isfinite(column).sum(axis=1) for column in (curve, scores))
    is_sound = np.where(np.arange(curve.shape[1]) < n_passed[:, None], np.isfinite(curve), np.isnan(curve)).all(axis=1)
    yield from rows.wrong("have a curve with gaps, or an infinite one", ~is_sound)
    end = curve[np.arange(len(curve)), np.maximum(n_passed - 1, 0)]
    mean = np.nansum(scores, axis=1) / np.maximum(n_scores, 1)
    is_scored = is_sound & (rows["status"] == Status.OK) & (n_passed > 0) & (n_scores > 0)
    differs = is_scored & ~np.isclose(end, mean)
    yield from rows.wrong("have a curve that does not end with the mean of their scores", differs)


def _times(rows: _Rows) -> Iterator[Problem]:
    """Two times are compared if one clock gave both: a worker's, or that of a machine on which the search ran.

    That clock may have been put back in between, unless the sessions say that durations are those of a monotonic one.
    """
    submitted, started, finished = (rows[name] for name in ("submitted", "started", "finished"))
    yield from rows.wrong("have a time that is no finite number", ~np.isfinite(submitted + started + finished))
    if all(isinstance(session, dict) and session.get("clock") == "monotonic" for session in rows.store.sessions):
        yield from rows.wrong("ended before they began", finished < started)
        hosts = [str(session.get("host", "")).encode() for session in rows.store.sessions]
        has_our_clock = np.isin(rows["host"], [b"", *hosts])
        yield from rows.wrong("ended before they were submitted", has_our_clock & (finished < submitted))


def _networks(rows: _Rows) -> Iterator[Problem]:
    """Whether what is said of a network is true: no path through it, its size."""
    not_viable = rows.sample(rows["status"] == Status.NOT_VIABLE)
    yield from rows.wrong("are NOT_VIABLE, and have a network", [row for row in not_viable if _is_network(rows, row)])
    fitness = rows.store.settings.get("fitness")
    described = fitness.get("template") if isinstance(fitness, dict) else None
    if described is None:
        return
    try:
        template = template_from_dict(described)
    except UnknownNameError:  # of one's own
        return
    except (TypeError, ValueError) as error:
        yield Problem(f"describes a template that is none: {error}")
        return
    if not rows.are_networks_known:
        return
    sized = rows.sample(rows["n_parameters"] >= 0)
    wrong = [row for row in sized if _size(rows, row, template) != (rows["n_parameters"][row], rows["flops"][row])]
    yield from rows.wrong("have other parameters or FLOPs than their network in the template", wrong)


def _reused(rows: _Rows) -> Iterator[Problem]:
    reused, ids = rows["reused"], rows["id"]
    takes = reused != -1
    exists = takes & (reused >= 0) & (reused < rows.store.n_submitted) & (reused != ids)
    origin = np.where(exists, rows.row_of[np.where(exists, reused, 0)], -1)
    sound = exists & (origin >= 0)
    sound &= (rows["status"] == Status.OK) & (rows["status"][origin] == Status.OK) & (reused[origin] == -1)
    yield from rows.wrong("take the fitness of one that has none of its own", takes & ~sound)
    differs = (rows["fitness"] != rows["fitness"][origin]).any(axis=1)
    yield from rows.wrong("have another fitness than the one that they take it from", sound & differs)
    if not rows.are_networks_known:
        return
    others = [row for row in rows.sample(sound) if _key(rows, row) != _key(rows, int(origin[row]))]
    yield from rows.wrong("are other networks than the one that they take the fitness from", others)


def _population(rows: _Rows) -> Iterator[Problem]:
    if len(rows["alive"]) and not rows["alive"].any():
        yield Problem("has no living member")
    errors = rows.store.column("id", table="errors")
    if ((errors < 0) | (errors >= rows.store.n_submitted)).any():
        yield Problem("has errors of individuals that were never submitted")


def _random_state(rows: _Rows) -> Iterator[Problem]:
    store = rows.store
    if store.sources or not store.n_submitted:
        return
    if store.n_submitted not in store.random_counts:
        counts = " and ".join(map(str, store.random_counts))
        yield Problem(f"has random states of {counts} submissions, and none of its {store.n_submitted}")
        return
    try:
        random.Random().setstate(store.rng_state())
    except (TypeError, ValueError) as error:
        yield Problem(f"has a random state that is none: {error}")


_Check = Callable[[_Rows], Iterator[Problem]]
_CHECKS: tuple[_Check, ...] = (_genes, _parents, _links, _fitness, _curves, _times, _networks, _reused)
#: Of what a writer changes in place, or of tables that it may go on with between two that are read.
_CHECKS_AT_REST: tuple[_Check, ...] = (_population, _random_state)


def _is_network(rows: _Rows, row: int) -> bool:
    try:
        viable_graphs(rows.store.space, rows.genotype(row))
    except NASError:
        return False
    return True


def _size(rows: _Rows, row: int, template: Template) -> tuple[int, int] | None:
    """Parameters and FLOPs of an individual's network; None if its genes have no network."""
    try:
        size = cost(rows.store.space, rows.genotype(row), template)
    except UnknownNameError:
        raise
    except NASError:
        return None
    return size.n_parameters, size.flops


def _key(rows: _Rows, row: int) -> str:
    """Canonical key of an individual; empty if its genes have no network."""
    try:
        return canonical_key(rows.store.space, rows.genotype(row))
    except UnknownNameError:
        raise
    except NASError:
        return ""
