"""Retraining as the paper evaluates a cell it has found: a larger network, all training images, the test images.

Liu 2018 <https://arxiv.org/abs/1711.00436>, sections 4.1 and 4.3. Nothing here imports torch before a training starts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from deap_nas.errors import DatasetError, DivergedError, SettingsError
from deap_nas.evaluation import Status, derive_seed
from deap_nas.extras import check_installed
from deap_nas.files import user_path
from deap_nas.genotype import content_of
from deap_nas.search_space import SearchSpace
from deap_nas.template import Template, cost, plan_network
from deap_nas.training.data.datasets import dataset_info, fetch, n_test_images
from deap_nas.training.data.image_identity import image_identity
from deap_nas.training.data.inspection import inspect_images
from deap_nas.training.data.sources import Source
from deap_nas.training.devices import check_device, choose_device
from deap_nas.training.recipes import CIFAR_EVALUATION, Recipe
from deap_nas.training.retraining.records import Records
from deap_nas.training.retraining.results import RetrainingProgress, RetrainingResult, RunResult
from deap_nas.training.tensor_memory import release_freed_memory
from deap_nas.training.training_switches import Switches

if TYPE_CHECKING:
    from deap_nas.training.retraining.process_group import Ranks
    from deap_nas.training.retraining.runs import RetrainingImages

__all__ = ["Retraining"]


@dataclass(frozen=True)
class Retraining:
    """Training of a found cell from scratch in a larger network, several times (Liu 2018, sections 4.1 and 4.3).

    It trains on all training images, those that validated in the search included, and normalises by them. The test
    images are first read when a run has ended. Nothing is chosen by them: each run is measured once, after its last
    step.

    Under ``torchrun`` all its processes train each network together, each with its share of every batch. Batch
    normalisation then takes its statistics from a process's share, so more processes are a slightly different training:
    all runs of a folder are by the same number of them.

    None of this has been run on a GPU: neither mixed precision and ``compile``, nor several processes over NCCL.

    Args:
        space: search space of the genes.
        genes: of the cell, or another genotype of the space.
        dataset: ``digits``, ``cifar10``, ``cifar100``; ``imagefolder:PATH`` with one folder a class in PATH/train and
            in PATH/test or PATH/val; ``imagenet:PATH`` with PATH/train and PATH/val, images of any size, which are
            read file by file.
        template: the fixed part of the network; its classes and image channels become the dataset's, and its image
            size, unless that is ``imagenet:PATH``.
        recipe: how to train.
        runs: trainings, each from a seed of its own; a later call may ask for more.
        seed: of everything random; that of each run derives from it.
        device: where to train, as torch names it; ``"auto"`` is a GPU if there is one.
        precision: ``"float32"``, or ``"bfloat16"`` or ``"float16"`` for mixed precision. Tests are in float32.
        compile: whether ``torch.compile`` makes the training step faster, or its mode, such as ``"reduce-overhead"``.
        data_dir: folder in which downloaded datasets are kept.
        download: whether a dataset that is not there may be downloaded.
        n_images: train on so many of the training images, always the same ones, drawn at random; by default on all.
        image_size: height and width in pixels that all images are shrunk to; by default their own.
        flip: whether every second training image, at random, is mirrored; by default all datasets but digits are.
        crop: pixels put around each training image, of the mean colour, before a random crop to its size; 0 for no
            crop. By default folders and CIFAR are cropped to three quarters of their height, ImageNet to random parts.
        checkpoint_seconds: least time between two checkpoints.
        origin: where the genes came from, as JSON can hold it; it decides nothing, and is written beside the results.

    Raises:
        GenotypeError: the genes do not belong to the space.
        NotViableError: no path leads from the cell's input to its output.
        UnknownNameError: no dataset has that name.
        DatasetError: there are no test images, or too few training images for a batch.
        SettingsError: an argument is out of its range.
        MissingExtraError: torch, or what reads the dataset, is not installed.
    """

    space: SearchSpace
    genes: Any
    _: KW_ONLY
    dataset: str
    template: Template
    recipe: Recipe = CIFAR_EVALUATION
    runs: int = 5
    seed: int = 0
    device: str = "auto"
    precision: str = "float32"
    compile: bool | str = False
    data_dir: str | Path = "data"
    download: bool = False
    n_images: int | None = None
    image_size: int | None = None
    flip: bool | None = None
    crop: int | None = None
    checkpoint_seconds: float = 300.0
    origin: Mapping[str, Any] | None = None
    #: MPI ranks train in a child process.
    isolated: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the fields, and take over the dataset's classes and images."""
        if not isinstance(self.runs, int) or self.runs < 1:
            raise SettingsError(f"runs must be an integer of at least 1, found {self.runs!r}")
        Switches(precision=self.precision, compile=self.compile)  # checks them
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
        object.__setattr__(self, "genes", content_of(self.genes))
        object.__setattr__(self, "template", template)
        self.space.validate(self.genes)
        cost(self.space, self.genes, template)

    @property
    def source(self) -> Source:
        """Where the images are read from."""
        folder = user_path(self.data_dir)
        return Source(self.dataset, folder, self.download, self.n_images, self.image_size, self.flip, self.crop)

    def to_dict(self) -> dict[str, Any]:
        """Everything that decides what a result means, but for the number of processes, as JSON can hold it."""
        return {
            "space": self.space.to_dict(),
            "genes": self.space.encode(self.genes).tolist(),
            "dataset": self.source.name,
            "n_images": self.n_images,
            "images": image_identity(self.source, tested=True),
            "augmentation": dataset_info(self.source).augmentation.to_dict(),
            "template": self.template.to_dict(),
            "recipe": self.recipe.to_dict(),
            "runs": self.runs,
            "seed": self.seed,
            "precision": self.precision,
            **({} if self.image_size is None else {"image_size": self.image_size}),
        }

    def run(
        self, folder: str | Path, *, observer: Callable[[RetrainingProgress], None] | None = None
    ) -> RetrainingResult:
        """Train and measure, or go on where an earlier call in the same folder was ended.

        The folder holds ``retraining.json``, the settings; of each run K from 0 ``runK.csv``, its curve,
        ``runK.checkpoint.safetensors`` while it goes on, and ``runK.safetensors``, the trained network with the
        normalisation of its images; and ``result.json`` with the runs that have ended, each with where and by what
        means it was trained.

        Args:
            folder: made if need be; under ``torchrun`` one that all processes see.
            observer: called with the progress some hundred times a run, by the first process.

        Raises:
            DifferentRunError: something in the folder was trained with other settings, or by another number of
                processes.
            StoreError: another process is writing there, or a file cannot be read.
            StorageError: a file cannot be written, such as on a full disk; the same call goes on when it can.
            DatasetError: images are missing or unreadable.
            SettingsError: there is no such device, the batch cannot be divided among the processes, or these see
                different folders.
            KeyboardInterrupt: it was stopped; after Ctrl-C in a training, once, a checkpoint of its last step is there.
        """
        folder = user_path(folder)
        records = Records(folder, self.to_dict(), origin=self.origin)
        done = self._done(records)
        has_ended = len(done.runs) >= self.runs
        if has_ended and not os.environ.get("RANK"):
            return done
        from deap_nas.training.retraining.process_group import join_ranks

        ranks = join_ranks(choose_device(self.device))
        ranks.check_folder(folder, len(done.runs))
        if has_ended:
            return done
        ranks.share(self.recipe.batch_size)  # raises, before anything is written
        with self._begun(records, ranks):
            done = self._done(records)  # what another process may have finished meanwhile
            images = self._images(ranks)
            for number in range(len(done.runs), self.runs):
                run = self._run(number, folder, images, ranks, observer)
                release_freed_memory()
                done = replace(done, runs=(*done.runs, run))
                if ranks.is_first:
                    records.save(done)
                    (folder / f"run{number}.checkpoint.safetensors").unlink(missing_ok=True)
        return done

    def _done(self, records: Records) -> RetrainingResult:
        """Those of the wanted runs that have ended."""
        return RetrainingResult(records.ended()[: self.runs], cost(self.space, self.genes, self.template).n_parameters)

    @contextmanager
    def _begun(self, records: Records, ranks: Ranks) -> Iterator[None]:
        """Let the first process be the folder's only writer, and fetch the images before the others read them."""
        if not ranks.is_first:
            ranks.wait()
            yield
            return
        with records.writing(processes=ranks.size):
            fetch(self.source)
            inspect_images(self.source)
            ranks.wait()
            yield

    def _images(self, ranks: Ranks) -> RetrainingImages:
        from deap_nas.training.data.streams import StreamedImages
        from deap_nas.training.retraining.runs import LoadedImages

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
        from deap_nas.training.retraining.runs import Run, environment_of, forward_of
        from deap_nas.training.trainer import Trainer, seeded_network

        def observe(row: Mapping[str, Any]) -> None:
            if observer is not None:
                observer(RetrainingProgress(run=number, runs=self.runs, steps=self.recipe.steps, **row))

        seed = derive_seed(self.seed, number)
        plan = plan_network(self.space, self.genes, self.template)
        network = seeded_network(plan, seed=seed, device=ranks.device)
        recipe = self.space.adapt_recipe(self.genes, self.recipe)
        forward = forward_of(network, ranks=ranks, compiled=self.compile)
        batches = images.batches(seed)
        trainer = Trainer(network, batches, recipe, forward=forward, precision=self.precision, ranks=ranks, seed=seed)
        environment = environment_of(ranks, precision=self.precision, compiled=self.compile)
        run = Run(trainer, folder, number, ranks=ranks, environment=environment)
        try:
            with closing(batches):
                run.train(checkpoint_seconds=self.checkpoint_seconds, observe=observe)
            top1, top5 = run.test(images)
        except DivergedError as error:
            return RunResult(Status.DIVERGED, 0.0, 0.0, run.seconds, str(error), tuple(run.environments))
        facts = {"run": number, "accuracy": top1, "environments": run.environments, "origin": self.origin}
        run.keep(**self.to_dict(), **facts, normalisation=images.normalisation())
        return RunResult(Status.OK, top1, top5, run.seconds, environments=tuple(run.environments))
