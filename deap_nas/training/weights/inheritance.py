"""Weights that a child takes over from its parent: one file of tensors for each evaluation, in a folder of the run.

Nothing here imports torch before weights are read or written.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deap_nas.errors import SettingsError, StorageError
from deap_nas.evaluation import Job
from deap_nas.extras import check_installed
from deap_nas.files import make_folder, replacing, user_path
from deap_nas.needs import Needs
from deap_nas.store import Store
from deap_nas.store.settings import differences
from deap_nas.training.weights.ownership import Owner, check_owner
from deap_nas.training.weights.weight_sources import WeightSource

if TYPE_CHECKING:
    import torch
    from torch import nn

    from deap_nas.training.fitness.candidate import Candidate

__all__ = [
    "Inheritance",
    "ParentWeights",
    "check_weights",
    "has_labels",
    "remove_dead_weights",
    "take_over",
    "weights_file",
]

#: Gives a network what it inherits of the tensors of its parent, whose row comes last; see :class:`Inheritance`.
Take = Callable[["nn.Module", Mapping[str, "torch.Tensor"], list[Any]], list[str]]
#: Evaluations whose files are removed without a look at the whole folder.
_FEW = 100
_REMEDY = "make room or allow it, and resume the run, whose file holds all that was recorded"

_log = logging.getLogger(__name__)


def weights_file(folder: Path, number: int) -> Path:
    """Where the evaluation with this id leaves its weights."""
    return folder / f"{number}.safetensors"


def check_weights(store: Store, folder: Path) -> None:
    """Check that a folder holds no weights of another run, and let it name the run of a store as its own.

    A new run with the seed of an earlier one could not tell the weights of that one from its own.

    Raises:
        SettingsError: it does, or it belongs to another run.
        StorageError: it cannot be written to.
    """
    replaced = check_owner(store, folder)
    foreign = [number for number, _ in _numbered(folder) if replaced or number >= store.n_submitted]
    if foreign:
        raise SettingsError(
            f"{weights_file(folder, min(foreign))} is of no evaluation of this run: give each run a weights_dir of "
            f"its own, or call remove_dead_weights with the store of a new run"
        )
    if (owner := Owner.of(store)) is not None:
        owner.note(folder)


def _numbered(folder: Path) -> Iterator[tuple[int, Path]]:
    """The files of weights, with the ids of their evaluations."""
    for path in folder.glob("[0-9]*.safetensors"):
        if path.stem.isdecimal():
            yield int(path.stem), path


def remove_dead_weights(store: Store, weights_dir: str | os.PathLike[str]) -> None:
    """Remove the weights of members that were removed, but for the best and where a child has yet to start from them.

    To be called by the process that searches. The loops do so themselves, evaluation by evaluation; this looks at all
    evaluations of the run, and also removes weights of evaluations that the store does not know: with the store of a
    new run, all of them, which were left by the run that was there before.

    Args:
        store: journal of the run. The best is the first of those fittest in the first objective, the greatest one where
            the store knows no weights of the fitness.
        weights_dir: folder of the run's weights.

    Raises:
        SettingsError: the folder belongs to another run.
    """
    folder = user_path(weights_dir)
    replaced = check_owner(store, folder)
    dead: set[int] = set()
    Needs(dead.update, store, store.weights or (1.0,))
    for number, path in list(_numbered(folder)):
        if number in dead or number >= store.n_submitted:
            path.unlink()
    _remove_torn(folder, but={job.id for job in store.pending()})
    if replaced is not None:
        replaced.remove(folder)


def _remove_torn(folder: Path, *, but: Collection[int] = ()) -> None:
    """Remove what workers that were killed have left half written, but for evaluations that may be at work."""
    for path in list(folder.glob(".[0-9]*.partial")):
        if int(path.name.split(".")[1]) not in but:
            path.unlink(missing_ok=True)


def take_over(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """Copy into a network the tensors whose name and shape are those of its own; the rest of its own stays.

    A name is the place of the genes that a layer came from (the same edge, below the same edges, in the same cell) and
    the operation there: see :func:`~deap_nas.assembly.weight_names`. Files of before names held the operation are read.

    Returns:
        The names of what was copied: parameters, and statistics of the batch normalisation.
    """
    from deap_nas.assembly import weight_names

    is_old = not any(":" in name for name in tensors)
    taken, names = {}, []
    for key, (name, value) in weight_names(network).items():
        found = key if is_old else name
        if found in tensors and tensors[found].shape == value.shape:
            taken[key] = tensors[found]
            names.append(found)
    network.load_state_dict(taken, strict=False)
    return names


class ParentWeights(WeightSource):
    """Children start from the weights that their parents have left in a folder, where place, operation and shape match.

    Args:
        folder: seen by all workers; made if need be.

    Raises:
        MissingExtraError: safetensors is not installed.
        StorageError: the folder cannot be made.
    """

    is_deterministic = True
    is_reusable = False

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """See the class."""
        check_installed("safetensors", extra="torch")
        self.folder = make_folder(user_path(folder).absolute())

    def begin(self, job: Job, *, fitness: Mapping[str, Any], genes: list[Any]) -> Inheritance:
        """See :meth:`WeightSource.begin`."""
        return Inheritance(self.folder, job, fitness, genes=genes)

    def check_store(self, store: Store) -> None:
        """See :meth:`WeightSource.check_store`; nobody is at work yet on a run that is about to start or to go on."""
        check_weights(store, self.folder)
        _remove_torn(self.folder)

    def forget(self, ids: Sequence[int]) -> None:
        """See :meth:`WeightSource.forget`; the files are removed."""
        if len(ids) <= _FEW:
            paths = [weights_file(self.folder, number) for number in ids]
        else:  # of a run that goes on, most of which are gone: the folder is looked through once
            dead = set(ids)
            paths = [path for number, path in _numbered(self.folder) if number in dead]
        for path in paths:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                reason = f"{path} cannot be removed: {error.strerror}"
                raise StorageError(f"{reason}; allow it, and resume the run, whose file holds all") from error

    def renew(self, store: Store) -> None:
        """See :meth:`WeightSource.renew`."""
        remove_dead_weights(store, self.folder)

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`WeightSource.to_dict`."""
        return {"inherits_weights": True}


class Inheritance:
    """The weights that the repeats of an evaluation start from, and those that they leave to its children.

    Repeat r starts from the weights of repeat r of the parent. A parent without a file leaves nothing: one that failed,
    or that took the fitness of another.

    Args:
        folder: of the run; all workers see it.
        job: the evaluation.
        fitness: what describes the fitness, as JSON can hold it.
        genes: row of the genotype, as JSON can hold it.
        take: gives a network what it inherits of its parent's tensors, and of the row of its parent's genotype; by
            default :func:`take_over` does. It gives the names of what was used.

    Raises:
        SettingsError: the folder holds weights of this evaluation in another run.
        StorageError: the folder is not there, or the weights cannot be read.
    """

    def __init__(
        self, folder: Path, job: Job, fitness: Mapping[str, Any], *, genes: list[Any], take: Take | None = None
    ) -> None:
        """See the class."""
        if not folder.is_dir():
            raise StorageError(f"weights_dir {folder} is not there: it must be a folder that all workers see")
        labels = {"fitness": fitness, "genes": genes, "seed": job.seed, "parent": job.parent}
        self._labels = json.loads(json.dumps(labels))  # as a file gives them back, with lists for tuples
        self._path = weights_file(folder, job.id)
        self._parent = weights_file(folder, job.parent)
        self._take = _take_over if take is None else take
        self._networks: list[nn.Module] = []
        self._lacks_parent = False
        self._normalisation: dict[str, list[float]] | None = None
        if self._path.exists():  # left by an earlier try of this evaluation
            _load(self._path, self._labels)

    def given(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """Give the candidates, one a repeat, each with what it inherits.

        Raises:
            SettingsError: the parent's weights are of another fitness.
            StorageError: they cannot be read.
        """
        fitness = {"fitness": self._labels["fitness"]}
        has_parent = self._parent.exists()
        tensors, found = _load(self._parent, fitness) if has_parent else ({}, {})
        self._lacks_parent = not has_parent and self._labels["parent"] >= 0
        for repeat, candidate in enumerate(candidates):
            prefix = f"{repeat}."
            parents = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            names = self._take(candidate.network, parents, found.get("genes", [])) if parents else []
            n_tensors = len(candidate.network.state_dict())
            _log.debug("%s, repeat %d: %d of %d tensors inherited", self._path, repeat, len(names), n_tensors)
            self._networks.append(candidate.network)
            self._normalisation = self._normalisation or candidate.normalisation()
            yield candidate

    def save(self) -> None:
        """Leave the weights that the candidates have now to the children; a kill leaves all of them or none.

        Raises:
            StorageError: they cannot be written.
        """
        if self._lacks_parent and self._path.exists():  # this try came late: another had the parent's weights
            return
        from deap_nas.assembly import weight_names
        from deap_nas.training.weights.tensor_files import write_tensors

        tensors = {
            f"{repeat}.{name}": value
            for repeat, network in enumerate(self._networks)
            for name, value in weight_names(network).values()
        }
        # another worker may have been given the same job
        with replacing(self._path, shared=True, remedy=_REMEDY) as partial:
            write_tensors(partial, tensors, **self._labels, normalisation=self._normalisation)


def _take_over(network: nn.Module, tensors: Mapping[str, torch.Tensor], genes: list[Any]) -> list[str]:  # noqa: ARG001 - names say all
    return take_over(network, tensors)


def _load(path: Path, labels: Mapping[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read weights that have these labels, and all their labels."""
    from deap_nas.assembly.weights import read_tensors

    try:
        tensors, found = read_tensors(path)
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} cannot be read: {error}; without it the children start anew") from error
    if not has_labels(found, labels):
        raise SettingsError(f"{path} is of another run: give each run a weights_dir of its own, or remove that one")
    return tensors, found


def has_labels(found: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Whether a file says of its weights what is expected; a stranger's may say anything.

    Args:
        found: its labels.
        labels: those expected, as JSON gives them back; others do not count.
    """
    said = {name: found.get(name) for name in labels}
    try:
        return said == labels or not differences(said, labels)
    except (LookupError, RecursionError, TypeError, ValueError):
        return False
