"""Weights that all candidates of a search share: a bank of tensors by place and operation, in a folder of the run.

Pham 2018 <https://arxiv.org/abs/1802.03268>, section 2.1, and Perez-Rua 2018, section 4: two networks share the weights
of an operation that both have at the same place. Nothing here imports torch before weights are read or written.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deap_nas.errors import SettingsError, StorageError, StoreError
from deap_nas.evaluation import Job
from deap_nas.extras import check_installed
from deap_nas.files import make_folder, replacing, user_path
from deap_nas.store import Store
from deap_nas.store.hdf5.lock import WriterLock
from deap_nas.training.weights.inheritance import has_labels
from deap_nas.training.weights.ownership import Owner, check_owner
from deap_nas.training.weights.weight_sources import WeightSource

if TYPE_CHECKING:
    import torch
    from torch import nn

    from deap_nas.training.fitness.candidate import Candidate

__all__ = ["Bank", "SharedWeights", "newest_tensors", "take_from_bank"]

#: Generations of a bank.
_ANY = "bank-*.safetensors"
#: Seconds after which a worker that waits for the bank takes the one that has it for hung.
_PATIENCE_SECONDS = 300.0
_REMEDY = "make room or allow it, and resume the run, whose file holds all that was recorded"

_log = logging.getLogger(__name__)


class Bank:
    """The tensors that a search's candidates share, one file a generation; each evaluation makes a new one.

    The generation before the last is kept too: where an evaluation is made again, since its worker died before it could
    tell that it had ended, it starts from what it started from the first time.

    Args:
        folder: of the generations.
    """

    def __init__(self, folder: Path) -> None:
        """See the class."""
        self._folder = folder

    def generations(self) -> list[Path]:
        """Their files, from the oldest to the newest."""
        return sorted(self._folder.glob(_ANY))

    def read(self, job: Job, labels: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """Give the tensors that an evaluation starts from, on the CPU; none in a new bank.

        Args:
            job: the evaluation.
            labels: what the bank must say of itself.

        Raises:
            SettingsError: the bank is of another fitness.
            StorageError: it cannot be read.
        """
        with self._alone():  # a generation that is being read is not to be removed by who writes another two
            return self._before(job, labels)[1]

    def write(self, job: Job, tensors: Mapping[str, torch.Tensor], labels: Mapping[str, Any]) -> None:
        """Put the tensors of an evaluation into the bank, in the place of those of their names.

        A kill leaves the bank as it was, or with all of them.

        Raises:
            SettingsError: the bank is of another fitness.
            StorageError: it cannot be read or written.
        """
        from deap_nas.training.weights.tensor_files import write_tensors

        with self._alone():
            number, known = self._before(job, labels)
            with replacing(self._file(number + 1), remedy=_REMEDY) as partial:
                write_tensors(partial, {**known, **tensors}, evaluation=job.id, **labels)
            for path in self.generations():
                if _number(path) < number:
                    path.unlink(missing_ok=True)

    def _before(self, job: Job, labels: Mapping[str, Any]) -> tuple[int, dict[str, torch.Tensor]]:
        """The newest generation that this evaluation has not made: its number, and its tensors."""
        for path in reversed(self.generations()):
            tensors, found = _read(path)
            if not has_labels(found, labels):
                raise SettingsError(f"{path} is of another run: give each run a folder of its own, or remove that one")
            if found.get("evaluation") != job.id:
                return _number(path), tensors
        return 0, {}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other workers from reading and writing."""
        begun = time.monotonic()
        while True:
            try:
                lock = WriterLock.acquire(self._folder / "bank")
                break
            except StoreError as error:
                if time.monotonic() - begun > _PATIENCE_SECONDS:
                    raise StorageError(str(error)) from error
        try:
            yield
        finally:
            lock.release()

    def _file(self, number: int) -> Path:
        return self._folder / f"bank-{number:08d}.safetensors"


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("bank-"))


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    from deap_nas.assembly.weights import read_tensors

    try:
        return read_tensors(path)
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} cannot be read: {error}; without it the search has to begin anew") from error


class SharedWeights(WeightSource):
    """Each training starts from what the ones before have left in a bank, and leaves its weights there.

    Weights are known by their place and their operation, see :func:`~deap_nas.assembly.weight_names`, which the search
    space says: in :class:`~deap_nas.MacroSpace` the layer, in :class:`~deap_nas.MicroSpace` the operand of a block in a
    cell, whichever values these read; in hierarchical and flat genotypes the edge, in chains the layer, in DNA the id.
    Where an operation has other channels in other networks, as after a concatenation, each shape has its own weights.
    The statistics of batch normalisation are shared as the weights are: a training starts from them, and moves them to
    its own network, which it is then validated with.

    Several searches in one run, see :class:`~deap_nas.strategies.SeveralSearches`, have a bank each.

    What a training gives depends on all that came before it, so nothing is reused, and evaluations are repeated only by
    a run of one worker that goes on.

    Args:
        folder: seen by all workers; made if need be.

    Raises:
        MissingExtraError: safetensors is not installed.
        StorageError: the folder cannot be made.
    """

    is_deterministic = False
    is_reusable = False

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """See the class."""
        check_installed("safetensors", extra="torch")
        self.folder = make_folder(user_path(folder).absolute())

    def begin(self, job: Job, *, fitness: Mapping[str, Any], genes: list[Any]) -> _Share:  # noqa: ARG002 - of any
        """See :meth:`WeightSource.begin`."""
        if not self.folder.is_dir():
            raise StorageError(f"the bank of weights {self.folder} is not there: all workers must see it")
        return _Share(Bank(self._folder_of(job)), job, json.loads(json.dumps({"fitness": fitness})))

    def _folder_of(self, job: Job) -> Path:
        """Where the bank of a job's search is, the first search's in the folder itself."""
        if job.stage is None or job.stage.search == 0:
            return self.folder
        return make_folder(self.folder / f"search{job.stage.search}")

    def check_store(self, store: Store) -> None:
        """See :meth:`WeightSource.check_store`."""
        replaced = check_owner(store, self.folder)
        if (replaced or not store.n_submitted) and any(self.folder.rglob(_ANY)):
            raise SettingsError(
                f"{self.folder} is the bank of weights of another run: give each run one of its own, or let "
                f"SharedWeights.renew empty it for the store of a new run"
            )
        if (owner := Owner.of(store)) is not None:
            owner.note(self.folder)

    def renew(self, store: Store) -> None:
        """See :meth:`WeightSource.renew`."""
        replaced = check_owner(store, self.folder)
        if store.n_submitted:
            return
        for path in list(self.folder.rglob(_ANY)):
            path.unlink(missing_ok=True)
        if replaced is not None:
            replaced.remove(self.folder)

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`WeightSource.to_dict`."""
        return {"shares_weights": True}


class _Share:
    """The part of a bank that the repeats of an evaluation use; repeat r shares with repeat r of all others."""

    def __init__(self, bank: Bank, job: Job, labels: Mapping[str, Any]) -> None:
        self._bank = bank
        self._job = job
        self._labels = labels
        self._networks: list[nn.Module] = []

    def given(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        tensors = self._bank.read(self._job, self._labels)
        for repeat, candidate in enumerate(candidates):
            n_taken = take_from_bank(candidate.network, tensors, repeat)
            n_tensors = len(candidate.network.state_dict())
            _log.debug("evaluation %d: %d of %d tensors from the bank", self._job.id, n_taken, n_tensors)
            self._networks.append(candidate.network)
            yield candidate

    def save(self) -> None:
        tensors = {
            name: value
            for repeat, network in enumerate(self._networks)
            for name, value in _names_in_bank(network, repeat).values()
        }
        self._bank.write(self._job, tensors, self._labels)


def newest_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a bank, on the CPU, as they were left last; none in a new one.

    Raises:
        StorageError: it cannot be read.
    """
    generations = Bank(folder).generations()
    return _read(generations[-1])[0] if generations else {}


def take_from_bank(network: nn.Module, tensors: Mapping[str, torch.Tensor], repeat: int) -> int:
    """Copy into a network what the bank has for it; gives the number of tensors. The rest stays as it was drawn.

    Args:
        network: in place.
        tensors: of the bank.
        repeat: number of the training, from 0; each has tensors of its own.
    """
    names = {key: name for key, (name, _) in _names_in_bank(network, repeat).items()}
    taken = {key: tensors[name] for key, name in names.items() if name in tensors}
    network.load_state_dict(taken, strict=False)
    return len(taken)


def _names_in_bank(network: nn.Module, repeat: int) -> dict[str, tuple[str, torch.Tensor]]:
    """Names in a bank, and tensors, by the keys of the network: where channels differ, shapes share apart."""
    from deap_nas.assembly import weight_names

    return {
        key: (f"{repeat}.{name}.{'x'.join(map(str, value.shape))}", value)
        for key, (name, value) in weight_names(network).items()
    }
