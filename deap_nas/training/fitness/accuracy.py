"""The fitness of a genotype: mean validation accuracy of several trainings of its network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from deap_nas.errors import DatasetError, NASError, SettingsError
from deap_nas.extras import check_installed
from deap_nas.files import user_path
from deap_nas.search_space import SearchSpace
from deap_nas.store import Store
from deap_nas.template import Template
from deap_nas.training.data.datasets import check_split, dataset_info, fetch
from deap_nas.training.data.image_identity import check_recorded_images, image_identity
from deap_nas.training.data.inspection import inspect_images, warn_of_missing_test_images
from deap_nas.training.data.sources import VALIDATION_SHARE, Source
from deap_nas.training.devices import check_device
from deap_nas.training.fitness.description import (
    arguments_of,
    check_known_fields,
    check_same_images,
    describe_images,
    not_described,
)
from deap_nas.training.fitness.early_stopping import EarlyStopping, check_stopping
from deap_nas.training.fitness.memory_check import check_memory_bytes
from deap_nas.training.fitness.objectives import WORST, check_objectives, check_repeats
from deap_nas.training.fitness.trained import TrainedFitness
from deap_nas.training.recipes import SEARCH, Recipe
from deap_nas.training.training_switches import Switches
from deap_nas.training.weights.inheritance import ParentWeights
from deap_nas.training.weights.weight_sources import FreshWeights, WeightSource

__all__ = ["AccuracyFitness"]


class AccuracyFitness(TrainedFitness):
    """Mean validation accuracy over several trainings from scratch (Liu 2018, section 4.1).

    A DEAP evaluate: called with an individual it returns ``(accuracy,)``. It is also a
    :class:`~deap_nas.evaluation.DetailedFitness`, so the search loop gives it seeds and records its scores. It
    pickles to a few hundred bytes; each process loads the images once.

    Args:
        space: search space of the genotypes.
        dataset: ``digits``, ``cifar10``, ``cifar100``, or ``imagefolder:PATH`` with one folder a class in PATH; or a
            :class:`~deap_nas.training.Source`, which holds all that the arguments from ``data_dir`` to
            ``validation_share`` say.
        template: the fixed part of the network, by default the space's own; its classes, image channels and image size
            become the dataset's.
        recipe: how to train.
        repeats: trainings whose accuracies are averaged; the paper's are 4.
        device: where to train, as torch names it; ``"auto"`` is a GPU if there is one.
        seed: of the split into training and validation images, and, outside the search loop, of the trainings.
        data_dir: folder in which downloaded datasets are kept.
        download: whether a dataset that is not there may be downloaded, here and now.
        n_images: use so many of the training images, always the same ones, drawn at random; by default all.
        image_size: height and width in pixels that the images are shrunk to, see :meth:`cheaper`; by default their own.
        flip: whether every second training image, at random, is mirrored; by default folders and CIFAR are, digits not.
        crop: pixels put around each training image, of the mean colour, before a random crop to its size; 0 for no
            crop. By default folders and CIFAR are cropped to three quarters of their height, digits not.
        validation_share: part of the training images that validates, in (0, 1); the others train.
        weights_dir: folder, seen by all workers, in which each evaluation of :func:`~deap_nas.eaAsync` leaves its
            weights, for its children to start from; by default every training starts anew, as in the paper.
        weights: where weights come from otherwise, a :class:`~deap_nas.training.WeightSource`.
        objectives: what the values are, in order, out of ``"accuracy"``, ``"n_parameters"``, ``"flops"`` and
            ``"latency"``, the seconds that :class:`~deap_nas.training.Latency` measures on the worker after a training;
            a fitness of measured times is not deterministic.
        stopping: ends the trainings of candidates that will not be among the best, in :func:`~deap_nas.eaAsync`; by
            default every training takes all its steps, as in the paper. With several objectives it goes by the accuracy
            alone.
        precision: ``"float32"``, or ``"bfloat16"`` or ``"float16"`` for mixed precision. Validations are in float32.
        compile: whether ``torch.compile`` makes the training step faster, or its mode, such as ``"reduce-overhead"``.
        stacked: whether the repeats are trained at once, as one network with stacked weights.
        switches: precision, compile and stacked as one :class:`~deap_nas.training.Switches`, in place of these three.
        memory_bytes: no training starts that needs more by :func:`~deap_nas.template.training_memory`, unless it is
            compiled; by default all memory of the GPU, and any on a CPU.

    Attributes:
        worst_values: fitness of an evaluation that failed.
        isolated: that MPI ranks train in a child process.
        images: what is known of the dataset; ``images.in_words()`` says which images are used.

    Raises:
        UnknownNameError: no dataset or no objective has that name.
        DatasetError: the images are missing, unreadable, or too few for a batch or for a validation.
        SettingsError: ``repeats`` or ``memory_bytes`` is no positive integer, ``device`` no device, ``stopping`` no
            ``EarlyStopping``; there are no objectives, or ``stopping`` and no accuracy among them; the dataset
            has fewer images than ``n_images``, or smaller ones than ``image_size`` or ``crop``; a switch has no such
            position, or ``stacked`` meets ``precision``.
        MissingExtraError: torch, or what reads the dataset, is not installed.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        dataset: str | Source = "digits",
        template: Template | None = None,
        recipe: Recipe = SEARCH,
        repeats: int = 4,
        device: str = "auto",
        seed: int = 0,
        data_dir: str | Path = "data",
        download: bool = False,
        n_images: int | None = None,
        image_size: int | None = None,
        flip: bool | None = None,
        crop: int | None = None,
        validation_share: float = VALIDATION_SHARE,
        weights_dir: str | Path | None = None,
        weights: WeightSource | None = None,
        objectives: Sequence[str] = ("accuracy",),
        stopping: EarlyStopping | None = None,
        precision: str = "float32",
        compile: bool | str = False,  # noqa: A002 - named as in Retraining and in torch
        stacked: bool = False,
        switches: Switches | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        """See the class."""
        self.objectives = check_objectives(objectives, stops=stopping is not None)
        self.worst_values = tuple(WORST[name] for name in self.objectives)
        self.space = space
        self.source = (
            dataset
            if isinstance(dataset, Source)
            else Source(dataset, user_path(data_dir), download, n_images, image_size, flip, crop, validation_share)
        )
        self.recipe = recipe
        self.repeats = check_repeats(repeats)
        self.device = device
        self.seed = seed
        self.weights = _weights(weights, weights_dir)
        self.stopping = check_stopping(stopping)
        self.switches = switches or Switches(precision=precision, compile=compile, stacked=stacked)
        self.memory_bytes = check_memory_bytes(memory_bytes)
        check_device(device)
        check_installed("torch", extra="torch")
        self._adapt_to_images(template or space.default_template())
        fetch(self.source)
        inspect_images(self.source)
        warn_of_missing_test_images(self.source)

    @property
    def weights_dir(self) -> Path | None:
        """Folder of inherited weights; None where there are none."""
        return self.weights.folder if isinstance(self.weights, ParentWeights) else None

    def _adapt_to_images(self, template: Template) -> None:
        """Give the template the dataset's classes and images, and check that the images are enough."""
        info = dataset_info(self.source)
        if info.size is None:
            raise DatasetError(
                f"{self.source.name} is read file by file, and a search wants its images in memory: "
                f"resize them to one small size, and give their folder as imagefolder:PATH"
            )
        check_split(self.source, info.n_images, batch_size=self.recipe.batch_size)
        self.images, self.image_identity = info, image_identity(self.source)
        self.augmentation = info.augmentation
        self.template = template.for_images(
            n_classes=info.n_classes, image_channels=info.channels, image_size=info.size
        )

    def check_store(self, store: Store) -> None:
        """Check that the run of a store can use this fitness; :func:`~deap_nas.eaAsync` does so first.

        Raises:
            SettingsError: the store has no room for the scores, or ``weights_dir`` belongs to another run.
            StorageError: ``weights_dir`` cannot be written to.
            DatasetError: the images are not those that the run has begun with.
        """
        check_recorded_images(store, self.source)
        if store.n_repeats is not None and store.n_repeats < self.repeats:
            needed = f"n_repeats={self.repeats}"
            raise SettingsError(f"the store has n_repeats={store.n_repeats}: the fitness needs one with {needed}")
        self.weights.check_store(store)

    def cheaper(
        self,
        *,
        steps: int | None = None,
        n_images: int | None = None,
        image_size: int | None = None,
        channels: int | None = None,
        repeats: int | None = None,
    ) -> Self:
        """Give an estimate of this fitness that takes less time; what is left out stays as it is.

        Args:
            steps: of a training; the learning rate drops after the same fractions of them.
            n_images: training images to use.
            image_size: height and width in pixels to which the images are shrunk: each new pixel is the mean of the
                area that it covers. The random crops shrink with them.
            channels: c0 of the template.
            repeats: trainings whose accuracies are averaged.

        Raises:
            SettingsError: one of them is out of its range.
            DatasetError: there are too few images for a batch or for a validation.
        """
        other, source = copy(self), self.source
        other.source = replace(
            source,
            n_images=source.n_images if n_images is None else n_images,
            image_size=source.image_size if image_size is None else image_size,
        )
        other.recipe = self.recipe if steps is None else replace(self.recipe, steps=steps)
        other.repeats = self.repeats if repeats is None else check_repeats(repeats)
        other._adapt_to_images(self.template if channels is None else self.template.with_channels(channels))
        return other

    @classmethod
    def from_dict(
        cls,
        fields: Mapping[str, Any],
        *,
        device: str = "auto",
        data_dir: str | Path = "data",
        download: bool = False,
        weights_dir: str | Path | None = None,
        dataset: str | None = None,
    ) -> Self:
        """Make the fitness that :meth:`to_dict` described, such as the one in a population file's settings.

        Args:
            fields: what it gave.
            device: where to train.
            data_dir: folder in which downloaded datasets are kept.
            download: whether a dataset that is not there may be downloaded, here and now.
            weights_dir: folder of the weights, where the fitness inherits them.
            dataset: where the images are, if no more where they were.

        Raises:
            SettingsError: a field is missing, unknown, or makes no sense.
            UnknownNameError: there is no such dataset, objective, operation, search space or stopping rule.
            DatasetError: the images are missing, or not those that were described.
            MissingExtraError: torch, or what reads the dataset, is not installed.
        """
        arguments = arguments_of(fields if dataset is None else {**fields, "dataset": dataset}, weights_dir)
        try:
            fitness = cls(**arguments, device=device, data_dir=data_dir, download=download)
        except (TypeError, ValueError) as error:
            if isinstance(error, NASError):
                raise
            raise not_described(error) from error
        check_known_fields(fields, fitness.to_dict())
        check_same_images(fields, fitness.to_dict(), fitness.source)
        return fitness

    def to_dict(self) -> dict[str, Any]:
        """Everything that decides what a fitness means, as JSON can hold it."""
        options = {
            "stopping": None if self.stopping is None else self.stopping.to_dict(),
            "memory_bytes": self.memory_bytes,
            "deterministic": None if self.deterministic else False,
        }
        return {
            "space": self.space.to_dict(),
            "template": self.template.to_dict(),
            "recipe": self.recipe.to_dict(),
            "repeats": self.repeats,
            "objectives": list(self.objectives),
            "seed": self.seed,
            **describe_images(self.source, self.augmentation, self.image_identity),
            **{name: value for name, value in options.items() if value is not None},
            **self.switches.to_dict(),
            **self.weights.to_dict(),
        }


def _weights(weights: WeightSource | None, weights_dir: str | Path | None) -> WeightSource:
    if weights is not None and weights_dir is not None:
        raise SettingsError("weights come from one source: give weights or weights_dir, found both")
    if weights_dir is not None:
        return ParentWeights(weights_dir)
    return weights or FreshWeights()
