"""Genotypes of a run as tables: motifs for drawings; operations and changes, and what they gained."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import NASError
from deap_nas.facts.account import printable
from deap_nas.facts.run_columns import RunColumns
from deap_nas.graph import operation_names
from deap_nas.search_space import Motif
from deap_nas.store import HDF5Store

__all__ = ["ChangeGain", "OperationGain", "changes_gained", "kind_of_change", "motifs_at", "operations_gained"]

#: A number that is no part of a name such as ``conv_3x3``.
_NUMBER = re.compile(r"(?<![\w.])x?-?\d+(\.\d+)?(e[+-]?\d+)?(?!\w)")
_MOTIF = re.compile(r"motif \d+")
#: What a label has after its window: channels, factors, a stride of its own.
_OWN_NUMBERS = re.compile(r"(?<=_)(\d+x\d+)_.*")
#: What a child is that has nothing new, or more than one kind of it.
_SAME, _SEVERAL = "nothing: the same genotype", "several kinds at once"


@dataclass(frozen=True)
class OperationGain:
    """One operation, over all individuals with a fitness of their own."""

    name: str
    #: Individuals whose network uses it, as a share of all, and of the fittest tenth.
    share: float
    share_of_fittest: float
    #: Mean of the first objective with it and without it; NaN where there are none.
    fitness_with: float
    fitness_without: float


@dataclass(frozen=True)
class ChangeGain:
    """One kind of change, over all children whose parent has a fitness of its own."""

    kind: str
    n_children: int
    #: Of them, by the first objective; the others had no success.
    n_better: int
    n_same: int
    n_worse: int
    #: Of those with a fitness of their own, larger is better; NaN where there are none.
    mean_gain: float
    best_gain: float


def motifs_at(store: HDF5Store, rows: Sequence[int]) -> Iterator[tuple[Motif, ...]]:
    """Give what is drawn of some rows; nothing of a genotype that the space does not have, as in a damaged file."""
    for genotype in _genotypes(store, rows):
        try:
            yield () if genotype is None else store.space.motifs_of(genotype)
        except (NASError, ValueError, TypeError):
            yield ()


def _genotypes(store: HDF5Store, rows: Sequence[int]) -> Iterator[Any]:
    genes = store.column("genes")
    for row in rows:
        try:
            yield store.space.decode(genes[row])
        except (NASError, ValueError, TypeError):
            yield None


def operations_gained(
    motifs: Iterable[Sequence[Motif]], score: NDArray[np.float64], sign: float
) -> list[OperationGain]:
    """Say of each operation how often networks use it, and how fit these are; the commonest first.

    Args:
        motifs: of some individuals.
        score: their first objective, larger is better; NaN for those that do not count.
        sign: of its weight.
    """
    users: dict[str, list[int]] = defaultdict(list)
    for row, genotype in enumerate(motifs):
        labels = {edge.label for motif in genotype for edge in motif.edges if edge.used}
        for name in {_operation_of(label) for label in labels if not _MOTIF.fullmatch(label)}:
            if not np.isnan(score[row]):
                users[name].append(row)
    known = np.flatnonzero(~np.isnan(score))
    fittest = known[np.argsort(-score[known], kind="stable")][: -(-len(known) // 10)]
    return [
        OperationGain(
            name=printable(name),
            share=len(rows) / len(known),
            share_of_fittest=float(np.isin(fittest, rows).mean()),
            fitness_with=_mean(score[rows], sign),
            fitness_without=_mean(score[np.setdiff1d(known, rows)], sign),
        )
        for name, rows in sorted(users.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def _operation_of(label: str) -> str:
    """Operation of an edge, without channels and a stride that it has of its own."""
    return label if label in operation_names() else _OWN_NUMBERS.sub(r"\1", label)


def _mean(score: NDArray[np.float64], sign: float) -> float:
    return float(sign * score.mean()) if len(score) else float("nan")


def changes_gained(store: HDF5Store, columns: RunColumns, rows: Sequence[int]) -> list[ChangeGain]:
    """Say of each kind of change how often it came and how much fitter the child was; the commonest first.

    Args:
        store: the file.
        columns: of all its rows.
        rows: those that count, if their parent has a fitness of its own.
    """
    row_of = dict(zip(columns.ids.tolist(), range(len(columns.ids)), strict=True))
    pairs = [(row_of.get(parent, -1), row) for parent, row in zip(columns.parents[rows].tolist(), rows, strict=True)]
    score = columns.score
    pairs = [(parent, row) for parent, row in pairs if parent >= 0 and not np.isnan(score[parent])]
    gains: dict[str, list[float]] = defaultdict(list)
    parents, children = ([pair[place] for pair in pairs] for place in (0, 1))
    for parent, child, (one, other) in zip(_genotypes(store, parents), _genotypes(store, children), pairs, strict=True):
        gains[_kind(store, parent, child)].append(float(score[other] - score[one]))
    ordered = sorted(gains.items(), key=lambda item: (-len(item[1]), item[0]))
    return [_change_gain(kind, np.array(values)) for kind, values in ordered]


def _kind(store: HDF5Store, parent: Any, child: Any) -> str:
    try:
        kinds = {kind_of_change(change) for change in store.space.changes(parent, child)}
    except (NASError, ValueError, TypeError, AttributeError):
        return "genes that the search space does not have"
    return printable(kinds.pop()) if len(kinds) == 1 else _SEVERAL if kinds else _SAME


def kind_of_change(change: str) -> str:
    """Give the kind of a change that :meth:`~deap_nas.SearchSpace.changes` tells: its words, with N for each number."""
    return _NUMBER.sub("N", change)


def _change_gain(kind: str, gains: NDArray[np.float64]) -> ChangeGain:
    known = gains[~np.isnan(gains)]
    return ChangeGain(
        kind=kind,
        n_children=len(gains),
        n_better=int((known > 0).sum()),
        n_same=int((known == 0).sum()),
        n_worse=int((known < 0).sum()),
        mean_gain=float(known.mean()) if len(known) else float("nan"),
        best_gain=float(known.max()) if len(known) else float("nan"),
    )
