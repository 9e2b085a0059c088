"""Chains of layers (Elsken 2019, section 2): whole networks, one layer after the other, whose length evolves."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from deap_nas.errors import GenotypeError, SettingsError, UnknownNameError
from deap_nas.genotype import Genotype
from deap_nas.graph import (
    Convolution,
    Graph,
    Node,
    OperationValue,
    Pooling,
    SeparableConvolution,
    label_of,
    operation_names,
)
from deap_nas.graph.operations import IMPORT_FIRST, check_operation
from deap_nas.search_space.chain_alignment import aligned
from deap_nas.search_space.changes import changed_layers, first_of
from deap_nas.search_space.space import SearchSpace, register_space
from deap_nas.template import Template, WholeNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ChainSpace"]

#: Kinds of layers with channels, a kernel size and a stride of their own.
_KINDS: dict[str, Callable[[int, int, int], OperationValue]] = {
    "conv": Convolution,
    "separable_conv": SeparableConvolution,
    "max_pool": lambda channels, kernel_size, stride: Pooling("max", kernel_size, stride),  # noqa: ARG005 - it keeps them
    "avg_pool": lambda channels, kernel_size, stride: Pooling("avg", kernel_size, stride),  # noqa: ARG005 - likewise
}
#: Those of them that choose their channels.
_WITH_CHANNELS = ("conv", "separable_conv")


@register_space("chain")
@dataclass(frozen=True, kw_only=True)
class ChainSpace(SearchSpace):
    """Chains of up to ``max_layers`` layers, each an operation with its own channels, kernel size and stride.

    A genotype is a list of integers, four for each layer: which operation, which channels, which kernel size and which
    stride, each counted from 0. A pooling takes no channels, and a registered operation neither channels nor kernel
    size nor stride; their genes are there all the same. A gene that no operation of the space takes is always 0: of
    chains of registered operations only the first of each four says something.

    Args:
        max_layers: most layers of a chain.
        min_layers: fewest layers; as many as ``max_layers`` for chains of one length.
        operations: out of ``"conv"`` and ``"separable_conv"``, each with batch normalisation and ReLU, ``"max_pool"``
            and ``"avg_pool"``; or names of registered operations, which take the channels of the stem as their width.
        channels: that a layer may have.
        kernel_sizes: odd heights and widths that its window may have.
        strides: by which it may divide height and width.

    Raises:
        SettingsError: an argument is out of its range.
        UnknownNameError: an operation is none of these.
    """

    max_layers: int = 10
    min_layers: int = 1
    operations: tuple[str, ...] = ("conv", "separable_conv", "max_pool", "avg_pool")
    channels: tuple[int, ...] = (16, 32, 64)
    kernel_sizes: tuple[int, ...] = (1, 3, 5)
    strides: tuple[int, ...] = (1, 2)

    #: Rows differ in length.
    n_genes = None
    is_network = True

    def __post_init__(self) -> None:
        """Check the arguments."""
        for name in ("operations", "channels", "kernel_sizes", "strides"):
            object.__setattr__(self, name, _choices(name, getattr(self, name)))
        if type(self.max_layers) is not int or type(self.min_layers) is not int:
            raise SettingsError(f"numbers of layers must be integers, found {self.min_layers} to {self.max_layers}")
        if not 1 <= self.min_layers <= self.max_layers:
            raise SettingsError(f"a chain has at least 1 layer, found {self.min_layers} to {self.max_layers}")
        _check_operations(self.operations)
        for name in ("channels", "kernel_sizes", "strides"):
            if any(type(number) is not int or number < 1 for number in getattr(self, name)):
                raise SettingsError(f"{name} must be integers of at least 1, found {getattr(self, name)}")
        if any(size % 2 == 0 for size in self.kernel_sizes):
            raise SettingsError(f"kernel_sizes must be odd, found {self.kernel_sizes}")

    @property
    def layer_up(self) -> tuple[int, int, int, int]:
        """Largest value of each of the four genes of a layer; the smallest is 0."""
        has_channels = not set(self.operations).isdisjoint(_WITH_CHANNELS)
        has_window = not set(self.operations).isdisjoint(_KINDS)
        return (
            len(self.operations) - 1,
            has_channels * (len(self.channels) - 1),
            has_window * (len(self.kernel_sizes) - 1),
            has_window * (len(self.strides) - 1),
        )

    @property
    def row_dtype(self) -> str:
        """See :attr:`SearchSpace.row_dtype`."""
        return "uint8" if max(self.layer_up) < 2**8 else "uint16"

    @property
    def token_offsets(self) -> NDArray[Any]:
        """See :attr:`SearchSpace.token_offsets`: operations, channels, windows and strides are different tokens."""
        import numpy as np

        counts = [up + 1 for up in self.layer_up]
        return np.tile(np.cumsum([0, *counts[:-1]]), self.max_layers)

    @property
    def n_tokens(self) -> int:
        """See :attr:`SearchSpace.n_tokens`."""
        return sum(up + 1 for up in self.layer_up)

    def sample_layer(self, *, rng: random.Random | ModuleType = random) -> list[int]:
        """Draw the four genes of a layer, each uniformly."""
        return [rng.randint(0, up) for up in self.layer_up]

    def sample(self, *, rng: random.Random | ModuleType = random) -> Genotype:
        """Draw a chain: its number of layers, then each of their genes, uniformly."""
        n_layers = rng.randint(self.min_layers, self.max_layers)
        return Genotype(gene for _ in range(n_layers) for gene in self.sample_layer(rng=rng))

    def validate(self, genotype: Sequence[int]) -> None:
        """See :meth:`SearchSpace.validate`."""
        n_layers, rest = divmod(len(genotype), 4)
        if rest or not self.min_layers <= n_layers <= self.max_layers:
            raise GenotypeError(
                f"expected four genes for each of {self.min_layers} to {self.max_layers} layers, "
                f"found {len(genotype)} genes"
            )
        for place, gene in enumerate(genotype):
            up = self.layer_up[place % 4]
            if type(gene) is not int or not 0 <= gene <= up:
                meaning = ("operation", "channels", "kernel size", "stride")[place % 4]
                raise GenotypeError(
                    f"gene {place} ({meaning} of layer {place // 4 + 1}) must be an integer in 0..{up}, found {gene!r}"
                )

    def layers_of(self, genotype: Sequence[int]) -> list[str | OperationValue]:
        """Give the operation of each layer.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        self.validate(genotype)
        return [self._operation(*genotype[start : start + 4]) for start in range(0, len(genotype), 4)]

    def _operation(self, operation: int, channels: int, kernel_size: int, stride: int) -> str | OperationValue:
        name = self.operations[operation]
        if name not in _KINDS:
            return name
        return _KINDS[name](self.channels[channels], self.kernel_sizes[kernel_size], self.strides[stride])

    def lower(self, genotype: Sequence[int]) -> Graph:
        """See :meth:`SearchSpace.lower`."""
        layers = self.layers_of(genotype)
        nodes = [Node(operation, (place,), 0, (place,)) for place, operation in enumerate(layers)]
        return Graph((Node("input"), *nodes), len(nodes))

    def counterparts(self, parent: Sequence[int], child: Sequence[int]) -> Mapping[tuple[int, ...], tuple[int, ...]]:
        """See :meth:`SearchSpace.counterparts`: layers move where others are inserted or removed before them."""
        pairs = aligned(self.layers_of(parent), self.layers_of(child))
        return {(place,): (before,) for place, before in pairs.items()}

    def changes(self, parent: Sequence[int], child: Sequence[int]) -> list[str]:
        """See :meth:`SearchSpace.changes`: layers that were inserted, removed or altered."""
        before, after = (list(map(label_of, self.layers_of(genotype))) for genotype in (parent, child))
        if before != after:
            return changed_layers(before, after)
        genes = zip(parent, child, strict=True)
        altered = sorted({place // 4 for place, (one, other) in enumerate(genes) if one != other})
        return first_of([f"layer {layer + 1}: a gene that {after[layer]} does not use" for layer in altered])

    def default_template(self, *, n_classes: int = 10, image_channels: int = 3, image_size: int = 32) -> Template:
        """Give a network of nothing but the chain and a linear layer; registered operations need a stem before it."""
        needs_stem = any(name not in _KINDS for name in self.operations)
        stem = ((self.channels[0], 1),) if needs_stem else ()
        return WholeNetwork(n_classes, image_channels, image_size, stem)

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`SearchSpace.to_dict`."""
        fields = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {"kind": "chain", **fields}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> ChainSpace:
        """Make the space that :meth:`to_dict` described; what is missing takes its default.

        Raises:
            TypeError: a field is unknown.
            SettingsError: a field is out of its range.
            UnknownNameError: an operation is none.
        """
        return cls(**{name: value for name, value in fields.items() if name != "kind"})


def _check_operations(names: Sequence[str]) -> None:
    for name in names:
        try:
            if name not in _KINDS:
                check_operation(name)
        except UnknownNameError:
            known = (*_KINDS, *operation_names())
            raise UnknownNameError("operation", name, known, remedy=IMPORT_FIRST) from None


def _choices(name: str, values: Any) -> tuple[Any, ...]:
    if isinstance(values, str) or not isinstance(values, Sequence) or not values or len(set(values)) < len(values):
        raise SettingsError(f"{name} must be different choices, at least one, found {values!r}")
    if len(values) > 2**16:
        raise SettingsError(f"{name} must be at most {2**16} choices, found {len(values)}")
    return tuple(values)
