"""Images of ImageNet's kind: too many for the memory, of any size, read and augmented by processes of their own.

What a batch holds follows from the seed and the number of its step alone, so a training goes on after a kill as if
nothing had been, however many processes read ahead.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Generator, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from deap_nas.errors import DatasetError, SettingsError
from deap_nas.evaluation import derive_seed
from deap_nas.extras import require
from deap_nas.training.data.decoding import open_image
from deap_nas.training.data.image_folders import test_files, used_files
from deap_nas.training.data.sources import Augmentation, Source
from deap_nas.training.retraining.process_group import Ranks
from deap_nas.training.seeding import seeded_draws

__all__ = ["StreamBatches", "StreamedImages"]

#: Mean and standard deviation of the pixels of ImageNet's training images, for values in 0..255.
_MEAN = (123.675, 116.28, 103.53)
_DEVIATION = (58.395, 57.12, 57.375)
#: Height and width of the central crop that is tested, as a share of the shorter side of the image.
_CENTRAL = 0.875
_MOST_READERS = 16
#: Batches that a reader works on, or has read and nobody has taken.
_MOST_BATCHES_OF_A_READER = 4
#: Bytes of such batches on one machine; a batch of 1024 images of 299 pixels a side has 275 million.
_MOST_BYTES_AHEAD = 4 * 2**30


class StreamedImages:
    """The images of a retraining, read file by file.

    Args:
        source: ``imagenet:PATH``.
        augmentation: of the training images.
        batch_size: images in a batch, of all ranks together.
        size: height and width in pixels of the images that the network takes.
        ranks: where the images shall be, and which share of a batch.

    Raises:
        DatasetError: the dataset is missing.
    """

    def __init__(self, source: Source, augmentation: Augmentation, batch_size: int, *, size: int, ranks: Ranks) -> None:
        """See the class."""
        self._training = _ImageFiles(used_files(source), _training_transform(augmentation, size), size)
        self._source = source
        self._size = size
        self._batch_size = batch_size
        self._ranks = ranks

    def batches(self, seed: int) -> StreamBatches:
        """Batches of all training images, in an order that the seed decides."""
        return StreamBatches(self._training, self._batch_size, seed=seed, ranks=self._ranks)

    def normalisation(self) -> dict[str, list[float]]:
        """Mean and scale of each channel, those of ImageNet."""
        return {"mean": list(_MEAN), "scale": [1 / deviation for deviation in _DEVIATION]}

    def test_batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The central crop of each test image once; reads them now.

        Raises:
            DatasetError: they are missing or unreadable.
        """
        files = test_files(self._source)
        images = _ImageFiles(files, _test_transform(self._size), self._size)
        n_images = self._batch_size // self._ranks.size  # of a batch; what is trained with fits into memory
        parts = torch.arange(len(files)).split(n_images)  # type: ignore[no-untyped-call]
        plan = [[(number, 0) for number in part.tolist()] for part in parts]
        for pixels, labels in _loaded(images, plan, n_images):
            yield _normalised(pixels, self._ranks.device), labels.to(self._ranks.device)


class StreamBatches:
    """Whole batches, each epoch in an order of its own; what is left of an epoch is dropped.

    Args:
        images: at least one batch of them.
        batch_size: images in a batch, of all ranks together.
        seed: of the order of the images and of their augmentation.
        ranks: where the batches shall be, and which share of each.
    """

    def __init__(self, images: _ImageFiles, batch_size: int, *, seed: int, ranks: Ranks) -> None:
        """See the class."""
        self.device = ranks.device
        self._images = images
        self._n_images = batch_size // ranks.size
        self._plan = _Plan(len(images), batch_size, ranks.share(batch_size), seed)
        self._loaded: Generator[tuple[torch.Tensor, torch.Tensor]] | None = None

    def next(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the next batch: images and labels."""
        if self._loaded is None:
            self._loaded = _loaded(self._images, self._plan, self._n_images)
        pixels, labels = next(self._loaded)
        return _normalised(pixels, self.device), labels.to(self.device, non_blocking=True)

    def state(self) -> dict[str, torch.Tensor]:
        """Nothing: the step says it all."""
        return {}

    def restore(self, state: Mapping[str, torch.Tensor], step: int) -> None:  # noqa: ARG002 - see state
        """Go on after so many batches."""
        self._plan.first_step = step
        self.close()

    def close(self) -> None:
        """End the readers; :meth:`next` would begin where :meth:`restore` has put it."""
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = None


class _Plan:
    """Which images a rank reads in each step, and the seed of each image's augmentation; endless."""

    def __init__(self, n_images: int, batch_size: int, share: slice, seed: int) -> None:
        self.first_step = 0
        self._n_images = n_images
        self._batch_size = batch_size
        self._share = share
        self._seed = seed

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        steps_of_an_epoch = self._n_images // self._batch_size
        epoch, step = divmod(self.first_step, steps_of_an_epoch)
        while True:
            generator = torch.Generator().manual_seed(derive_seed(self._seed, epoch))
            order = torch.randperm(self._n_images, generator=generator)
            seeds = torch.randint(2**62, (self._n_images,), generator=generator)
            for batch in range(step, steps_of_an_epoch):
                wanted = slice(batch * self._batch_size, (batch + 1) * self._batch_size)
                numbers, own_seeds = order[wanted][self._share], seeds[wanted][self._share]
                yield list(zip(numbers.tolist(), own_seeds.tolist(), strict=True))
            epoch, step = epoch + 1, 0


class _ImageFiles(Dataset[tuple[torch.Tensor, int]]):
    """Image files with their labels; an index is the number of an image and the seed of its augmentation."""

    def __init__(self, files: list[tuple[Path, int]], transform: Any, size: int) -> None:
        #: Bytes of an image as it is given.
        self.n_bytes = 3 * size * size
        self._paths = np.array([os.fsencode(path) for path, _ in files])  # small, when it is sent to the readers
        self._labels = np.array([label for _, label in files])
        self._transform = transform

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: tuple[int, int]) -> tuple[torch.Tensor, int]:
        number, seed = index
        image = open_image(Path(os.fsdecode(self._paths[number])))
        with seeded_draws(seed):  # torchvision's draws
            return self._transform(image), int(self._labels[number])


def _loaded(images: _ImageFiles, plan: Any, batch_size: int) -> Generator[tuple[torch.Tensor, torch.Tensor]]:
    """Read the batches of a plan; closing it ends the readers."""
    n_readers, n_batches = _readers(batch_size * images.n_bytes)
    loader = DataLoader(
        images,
        batch_sampler=plan,
        generator=torch.Generator(),  # instead of a draw from the global one, for the readers
        num_workers=n_readers,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_ignore_interrupts if n_readers else None,
        multiprocessing_context="forkserver" if n_readers else None,  # no fork of a process that has threads
        prefetch_factor=n_batches,
    )
    try:
        yield from loader
    except DatasetError as error:  # a reader's, whose message holds the traceback there
        raise DatasetError(str(error).rpartition("DatasetError: ")[2].strip()) from error
    except OSError as error:  # of the socket by which readers are started
        if "AF_UNIX path too long" not in str(error):
            raise
        raise SettingsError(
            f"no process can be started to read images, since the folder of temporary files is too long for a socket: "
            f"{tempfile.gettempdir()}; set TMPDIR to a shorter one, such as /tmp"
        ) from error


def _readers(n_bytes: int) -> tuple[int, int | None]:
    """Processes that read batches of so many bytes for this one, and how many batches each may be ahead."""
    most_batches = max(1, _MOST_BYTES_AHEAD // (n_bytes * _n_neighbours()))
    n_readers = min(_n_readers(), most_batches)
    return n_readers, min(_MOST_BATCHES_OF_A_READER, most_batches // n_readers) if n_readers else None


def _n_readers() -> int:
    """Processes that may read for this one: a core each, one core left for the training."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(0, min(_MOST_READERS, n_cores // _n_neighbours() - 1))


def _n_neighbours() -> int:
    """Processes on this machine that train, this one included."""
    return int(os.environ.get("LOCAL_WORLD_SIZE") or 1)


def _ignore_interrupts(number: int) -> None:  # noqa: ARG001 - the loader's interface
    """Leave Ctrl-C to the process that reads are made for; it ends the readers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _normalised(pixels: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Float images of about zero mean and unit deviation, in channels-last order, from bytes."""
    images = pixels.to(device, non_blocking=True, memory_format=torch.channels_last)
    mean, deviation = _statistics(device)
    return (images - mean) / deviation


@lru_cache
def _statistics(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of each channel, (3, 1, 1), sent to the device once."""
    mean, deviation = (torch.tensor(values, device=device)[:, None, None] for values in (_MEAN, _DEVIATION))
    return mean, deviation


def _training_transform(augmentation: Augmentation, size: int) -> Any:
    """From a Pillow image to (3, size, size) bytes, at random."""
    transforms = require("torchvision.transforms.v2", extra="torch")
    steps = [
        *_random_crops(augmentation, size),
        transforms.RandomHorizontalFlip(0.5 if augmentation.flip else 0.0),
        transforms.ColorJitter(brightness=augmentation.brightness, contrast=augmentation.contrast),
        transforms.PILToTensor(),
    ]
    return transforms.Compose(steps)


def _random_crops(augmentation: Augmentation, size: int) -> list[Any]:
    """What gives (size, size) pixels of an image: a random part of it, or the middle, around which it may be moved."""
    transforms = require("torchvision.transforms.v2", extra="torch")
    if augmentation.area is not None:
        area, aspect = augmentation.area, augmentation.aspect
        return [transforms.RandomResizedCrop(size, scale=area, ratio=aspect, antialias=True)]
    whole = [transforms.Resize(size, antialias=True), transforms.CenterCrop(size)]
    fill = tuple(map(round, _MEAN))
    return (
        [*whole, transforms.RandomCrop(size, padding=augmentation.padding, fill=fill)]
        if augmentation.padding
        else whole
    )


def _test_transform(size: int) -> Any:
    """From a Pillow image to the (3, size, size) bytes of its central crop."""
    transforms = require("torchvision.transforms.v2", extra="torch")
    steps = [
        transforms.Resize(round(size / _CENTRAL), antialias=True),
        transforms.CenterCrop(size),
        transforms.PILToTensor(),
    ]
    return transforms.Compose(steps)
