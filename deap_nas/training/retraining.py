"""Retraining as the paper evaluates a cell it has found: a larger network, all training images, the test images.

Liu 2018 <https://arxiv.org/abs/1711.00436>, sections 4.1 and 4.3. Nothing here imports torch before a training starts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from deap_nas.errors import DatasetError, DivergedError, SettingsError, StoreError
from deap_nas.evaluators import Status, derive_seed
from deap_nas.extras import check_installed
from deap_nas.search_space import SearchSpace
from deap_nas.store.lock import WriterLock
from deap_nas.store.provenance import provenance
from deap_nas.store.settings import check_same
from deap_nas.template import NetworkTemplate, cost
from deap_nas.training.data import dataset_info, fetch, n_test_images
from deap_nas.training.devices import check_device, choose_device
from deap_nas.training.files import save_json
from deap_nas.training.recipes import CIFAR_EVALUATION, Recipe
from deap_nas.training.results import RetrainingProgress, RetrainingResult, RunResult
from deap_nas.training.sources import Source

if TYPE_CHECKING:
    from deap_nas.training.ranks import Ranks
    from deap_nas.training.runs import RetrainingImages

__all__ = ["Retraining"]

_PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Retraining:
    """Training of a found cell from scratch in a larger network, several times (Liu 2018, sections 4.1 and 4.3).

    It trains on all training images, those that validated in the search included, and normalises by them. The test
    images are first read when a run has ended. Nothing is chosen by them: each run is measured once, after its last
    step.

    Under ``torchrun`` all its processes train each network together, each with its share of every batch. Batch
    normalisation then takes its statistics from a process's share, so more processes are a slightly different training.

    None of this has been run on a GPU: neither mixed precision and ``compile``, nor several processes over NCCL.

    Args:
        space: search space of the genes.
        genes: of the cell.
        dataset: ``digits``, ``cifar10``, ``cifar100``; ``imagefolder:PATH`` with one folder a class in PATH/train and
            in PATH/test or PATH/val; ``imagenet:PATH`` with PATH/train and PATH/val, images of any size, which are
            read file by file.
        template: the network around the cell; its classes and image channels become the dataset's, and its image
            size, unless that is ``imagenet:PATH``.
        recipe: how to train.
        runs: trainings, each from a seed of its own; a later call may ask for more.
        seed: of everything random; that of each run derives from it.
        device: where to train, as torch names it; ``"auto"`` is a GPU if there is one.
        precision: ``"float32"``, or ``"bfloat16"`` or ``"float16"`` for mixed precision. Tests are in float32.
        compile: whether ``torch.compile`` makes the training step faster.
        data_dir: folder in which downloaded datasets are kept.
        download: whether a dataset that is not there may be downloaded.
        n_images: train on so many of the training images, always the same ones, drawn at random; by default on all.
        checkpoint_seconds: least time between two checkpoints.

    Raises:
        GenotypeError: the genes do not belong to the space.
        NotViableError: no path leads from the cell's input to its output.
        UnknownNameError: no dataset has that name.
        DatasetError: there are no test images, or too few training images for a batch.
        SettingsError: an argument is out of its range.
        MissingExtraError: torch, or what reads the dataset, is not installed.
    """

    space: SearchSpace
    genes: Sequence[int]
    _: KW_ONLY
    dataset: str
    template: NetworkTemplate
    recipe: Recipe = CIFAR_EVALUATION
    runs: int = 5
    seed: int = 0
    device: str = "auto"
    precision: str = "float32"
    compile: bool = False
    data_dir: str | Path = "data"
    download: bool = False
    n_images: int | None = None
    checkpoint_seconds: float = 300.0
    #: MPI ranks train in a child process.
    isolated: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the fields, and take over the dataset's classes and images."""
        if not isinstance(self.runs, int) or self.runs < 1:
            raise SettingsError(f"runs must be an integer of at least 1, found {self.runs!r}")
        if self.precision not in _PRECISIONS:
            raise SettingsError(f"precision must be one of {', '.join(_PRECISIONS)}, found {self.precision!r}")
        check_device(self.device)
        for module in ("torch", "safetensors"):
            check_installed(module, extra="torch")
        info = dataset_info(self.source)
        n_test_images(self.source)
        if info.n_images < self.recipe.batch_size:
            raise DatasetError(
                f"{self.dataset} has {info.n_images} training images, fewer than a batch of {self.recipe.batch_size}; "
                f"choose a smaller batch"
            )
        template = self.template.for_images(
            n_classes=info.n_classes, image_channels=info.channels, image_size=info.size or self.template.image_size
        )
        object.__setattr__(self, "genes", tuple(map(int, self.genes)))
        object.__setattr__(self, "template", template)
        self.space.validate(self.genes)
        cost(self.space, self.genes, template)

    @property
    def source(self) -> Source:
        """Where the images are read from."""
        return Source(self.dataset, Path(self.data_dir), self.download, self.n_images)

    def to_dict(self) -> dict[str, Any]:
        """Everything that decides what a result means, as JSON can hold it."""
        return {
            "space": self.space.to_dict(),
            "genes": list(self.genes),
            "dataset": self.dataset,
            "n_images": self.n_images,
            "augmentation": asdict(dataset_info(self.source).augmentation),
            "template": self.template.to_dict(),
            "recipe": self.recipe.to_dict(),
            "runs": self.runs,
            "seed": self.seed,
            "precision": self.precision,
        }

    def run(
        self, folder: str | Path, *, observer: Callable[[RetrainingProgress], None] | None = None
    ) -> RetrainingResult:
        """Train and measure, or go on where an earlier call in the same folder was ended.

        The folder holds ``retraining.json``, the settings; of each run K from 0 ``runK.csv``, its curve,
        ``runK.checkpoint.safetensors`` while it goes on, and ``runK.safetensors``, the trained network; and
        ``result.json`` with the runs that have ended.

        Args:
            folder: made if need be; under ``torchrun`` one that all processes see.
            observer: called with the progress some hundred times a run, by the first process.

        Raises:
            DifferentRunError: the folder holds a retraining with other settings.
            StoreError: another process is writing there, or a file cannot be read.
            DatasetError: images are missing or unreadable.
            SettingsError: there is no such device, or the batch cannot be divided among the processes.
        """
        folder = Path(folder)
        done = self._done(folder)
        if len(done.runs) >= self.runs:
            return done
        from deap_nas.training.ranks import join_ranks

        ranks = join_ranks(choose_device(self.device))
        ranks.share(self.recipe.batch_size)  # raises, before anything is written
        with self._begun(folder, ranks):
            done = self._done(folder)  # what another process may have finished meanwhile
            images = self._images(ranks)
            for number in range(len(done.runs), self.runs):
                run = self._run(number, folder, images, ranks, observer)
                done = replace(done, runs=(*done.runs, run))
                if ranks.is_first:
                    save_json(folder / "result.json", done.to_dict() | {"provenance": provenance()})
                    (folder / f"run{number}.checkpoint.safetensors").unlink(missing_ok=True)
        return done

    def _done(self, folder: Path) -> RetrainingResult:
        """Those of the wanted runs that have ended, after a look at the settings in the folder."""
        settings, results = folder / "retraining.json", folder / "result.json"
        if settings.exists():
            check_same(str(folder), _read(settings)["settings"], self.to_dict(), free=("runs",))
        runs = _read(results)["runs"][: self.runs] if results.exists() else []
        n_parameters = cost(self.space, self.genes, self.template).n_parameters
        return RetrainingResult(tuple(map(RunResult.from_dict, runs)), n_parameters)

    @contextmanager
    def _begun(self, folder: Path, ranks: Ranks) -> Iterator[None]:
        """Let the first process be the folder's only writer, and write the settings."""
        if not ranks.is_first:
            ranks.wait()
            yield
            return
        path = folder / "retraining.json"
        lock = WriterLock.acquire(path)
        try:
            fetch(self.source)
            if not path.exists():
                fields = {"format": "deap_nas retraining", "format_version": 1, "settings": self.to_dict()}
                save_json(path, fields | {"provenance": provenance()})
            ranks.wait()
            yield
        finally:
            lock.release()

    def _images(self, ranks: Ranks) -> RetrainingImages:
        from deap_nas.training.runs import LoadedImages
        from deap_nas.training.streams import StreamedImages

        info = dataset_info(self.source)
        if info.size is None:
            size = self.template.image_size
            return StreamedImages(self.source, info.augmentation, self.recipe.batch_size, size=size, ranks=ranks)
        return LoadedImages(self.source, info.augmentation, self.recipe.batch_size, ranks=ranks)

    def _run(
        self,
        number: int,
        folder: Path,
        images: RetrainingImages,
        ranks: Ranks,
        observer: Callable[[RetrainingProgress], None] | None,
    ) -> RunResult:
        """Train a network, keep it, and measure it."""
        from deap_nas.training.runs import Run, forward_of
        from deap_nas.training.trainer import Trainer, seeded_network

        def observe(row: Mapping[str, Any]) -> None:
            if observer is not None:
                observer(RetrainingProgress(run=number, runs=self.runs, steps=self.recipe.steps, **row))

        seed = derive_seed(self.seed, number)
        network = seeded_network(self.space, self.genes, self.template, seed=seed, device=ranks.device)
        forward = forward_of(network, ranks=ranks, compiled=self.compile)
        batches = images.batches(seed)
        trainer = Trainer(network, batches, self.recipe, forward=forward, precision=self.precision, ranks=ranks)
        run = Run(trainer, folder, number, ranks=ranks)
        try:
            run.train(checkpoint_seconds=self.checkpoint_seconds, observe=observe)
        except DivergedError as error:
            return RunResult(Status.DIVERGED, 0.0, 0.0, run.seconds, str(error))
        finally:
            batches.close()
        top1, top5 = run.test(images)
        run.keep(**self.to_dict(), run=number, accuracy=top1)
        return RunResult(Status.OK, top1, top5, run.seconds)


def _read(path: Path) -> dict[str, Any]:
    """Read one of the folder's JSON files.

    Raises:
        StoreError: it is no JSON.
    """
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StoreError(f"{path} cannot be read: {error}; remove its folder, or choose another") from error
    return fields
