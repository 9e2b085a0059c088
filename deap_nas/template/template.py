"""The fixed network around the cell, as a value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from deap_nas.errors import SettingsError

__all__ = ["NetworkTemplate"]


@dataclass(frozen=True)
class NetworkTemplate:
    """Stem, groups of cells with a separable convolution after each cell, global pooling, linear layer.

    Liu 2018, section 4.1 and figure 2. Each group but the last ends with a convolution of stride 2 to twice the
    channels; all the others keep size and channels. Another field than the constructors take is changed with
    ``dataclasses.replace``.
    """

    #: Classes; the network gives one logit for each.
    n_classes: int
    #: Channels of the input image.
    image_channels: int
    #: Height and width of the input image in pixels, for counting FLOPs; the network takes any size.
    image_size: int
    #: (channels, stride) of each 3x3 convolution before the first cell; the last one's channels are c0.
    stem: tuple[tuple[int, int], ...]
    #: Cells in each group.
    groups: tuple[int, ...]
    #: Stride of the convolution after the last cell; 2 also doubles the channels, as after the other groups.
    last_stride: int = 1

    def __post_init__(self) -> None:
        """Check the fields, and make tuples of lists.

        Raises:
            SettingsError: a count is not a positive integer, or the stem does not hold pairs.
        """
        try:
            object.__setattr__(self, "stem", tuple((channels, stride) for channels, stride in self.stem))
            object.__setattr__(self, "groups", tuple(self.groups))
        except (TypeError, ValueError):
            raise SettingsError(
                f"stem must hold pairs of channels and stride, and groups numbers of cells; found {self.stem!r} and "
                f"{self.groups!r}"
            ) from None
        counts = {
            "n_classes": (self.n_classes,),
            "image_channels": (self.image_channels,),
            "image_size": (self.image_size,),
            "stem": tuple(number for pair in self.stem for number in pair),
            "groups": self.groups,
        }
        for name, numbers in counts.items():
            if not numbers or any(not isinstance(number, int) or number < 1 for number in numbers):
                raise SettingsError(f"{name} must hold integers of at least 1, found {getattr(self, name)!r}")

        if self.last_stride not in (1, 2):
            raise SettingsError(f"last_stride must be 1 or 2, found {self.last_stride!r}")

    @classmethod
    def small_cifar(
        cls, n_classes: int = 10, channels: int = 16, *, image_channels: int = 3, image_size: int = 32, n_cells: int = 1
    ) -> Self:
        """Model of the search: 3 groups of one cell, c0 = 16 (Liu 2018, section 4.1)."""
        return cls(n_classes, image_channels, image_size, ((channels, 1),), (n_cells,) * 3)

    @classmethod
    def large_cifar(
        cls, n_classes: int = 10, channels: int = 64, *, image_channels: int = 3, image_size: int = 32, n_cells: int = 2
    ) -> Self:
        """Model of the evaluation on CIFAR: 3 groups of two cells, c0 = 64 (Liu 2018, section 4.1)."""
        return cls(n_classes, image_channels, image_size, ((channels, 1),), (n_cells,) * 3)

    @classmethod
    def imagenet(
        cls,
        n_classes: int = 1000,
        channels: int = 64,
        *,
        image_channels: int = 3,
        image_size: int = 299,
        n_cells: int = 2,
    ) -> Self:
        """Model of ImageNet: two convolutions of stride 2, then 1, 2, 2 and 2 cells (Liu 2018, section 4.1)."""
        stem = ((max(1, channels // 2), 2), (channels, 2))
        return cls(n_classes, image_channels, image_size, stem, (1, n_cells, n_cells, n_cells))

    @property
    def cell_channels(self) -> tuple[int, ...]:
        """Channels that the cells of each group take."""
        return tuple(self.stem[-1][0] * 2**group for group in range(len(self.groups)))

    def for_images(self, *, n_classes: int, image_channels: int, image_size: int) -> Self:
        """The same template for other images."""
        return replace(self, n_classes=n_classes, image_channels=image_channels, image_size=image_size)

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON can hold them."""
        return {
            "n_classes": self.n_classes,
            "image_channels": self.image_channels,
            "image_size": self.image_size,
            "stem": [list(pair) for pair in self.stem],
            "groups": list(self.groups),
            "last_stride": self.last_stride,
        }

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote.

        Raises:
            TypeError: a field is missing or unknown.
            SettingsError: a field is out of its range.
        """
        return cls(**fields)
