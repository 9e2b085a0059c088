"""Operations: the labels on the edges of a motif, each a chain of layers.

An operation is a function from channel counts to layers, registered under a name; or an :class:`OperationValue`, which
a genotype makes with numbers of its own, such as its channels and its stride. Everything else follows from its layers
at the channels where it stands: its parameters, its FLOPs, its module, whether it is an identity and whether two copies
of it on the same input are the same value.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import NamedTuple

from deap_nas.errors import SettingsError, UnknownNameError
from deap_nas.graph.layers import AvgPool2d, BatchNorm2d, Conv2d, Layer, MaxPool2d, ReLU, Size

__all__ = [
    "IMPORT_FIRST",
    "PAPER_OPERATIONS",
    "Effect",
    "Operation",
    "OperationValue",
    "check_operation",
    "conv_bn_relu",
    "effect_of",
    "label_of",
    "layers_of",
    "operation_names",
    "outside_operations",
    "register_operation",
    "separable_conv",
    "taking_unknown_operations",
]

#: What to do about a name that somebody else's module registers.
IMPORT_FIRST = (
    "import the module that registers it first, for the command deap-nas by --import, which takes the name of a module "
    "or the path of a .py file"
)

#: ``(in_channels, channels) -> layers``: the channels of the input, and the channel count C of the cell, to which
#: operations that choose their width set their output (Liu 2018, section 2.3).
Operation = Callable[[int, int], tuple[Layer, ...]]

#: The six primitives of Liu 2018, section 2.3, in the order of their gene values 1 to 6.
PAPER_OPERATIONS = (
    "conv_1x1",
    "depthwise_conv_3x3",
    "separable_conv_3x3",
    "max_pool_3x3",
    "avg_pool_3x3",
    "identity",
)

_RESERVED = ("none", "input", "concat", "add", "resize")
_OPERATIONS: dict[str, Operation] = {}
_takes_unknown = ContextVar("takes unknown operations", default=False)


def register_operation(name: str) -> Callable[[Operation], Operation]:
    """Register an operation under a name; use as a decorator, once for each name.

    The same function again, as of a cell of a notebook that is run twice, changes nothing.

    Example::

        @register_operation("conv_7x7")
        def conv_7x7(in_channels, channels):
            return conv_bn_relu(in_channels, channels, 7)

    Raises:
        SettingsError: the name is taken, or has a meaning of its own in a graph.
    """
    if name in _RESERVED:
        raise SettingsError(f"the operation name {name!r} is already taken; choose another")

    def decorate(operation: Operation) -> Operation:
        known = _OPERATIONS.setdefault(name, operation)
        if not _is_the_same(known, operation):
            raise SettingsError(
                f"the operation name {name!r} is already taken, by another function: choose another name; to change an "
                "operation, start Python, or the notebook's kernel, anew"
            )
        return known

    return decorate


def _is_the_same(one: Operation, other: Operation) -> bool:
    """Whether two functions are one that was defined twice, without a change."""
    facts = ("__module__", "__qualname__", "__code__", "__defaults__", "__kwdefaults__")
    same = [getattr(one, fact, None) == getattr(other, fact, None) for fact in facts]
    is_plain = getattr(one, "__code__", None) is not None and not getattr(other, "__closure__", None)
    return one == other or (is_plain and all(same))


def operation_names() -> tuple[str, ...]:
    """Names of all registered operations, in the order of their registration."""
    return tuple(_OPERATIONS)


class OperationValue(ABC):
    """An operation as a value, for spaces that need more of them than names: a frozen dataclass of plain numbers.

    Equal values are the same operation, as equal names are.
    """

    @abstractmethod
    def layers(self, in_channels: int, channels: int) -> tuple[Layer, ...]:
        """Layers for an input of ``in_channels`` channels; ``channels`` are those that its node takes as its width."""

    @property
    def label(self) -> str:
        """Text for drawings; of different operations different ones."""
        signs = repr(self).replace("-", "minus").replace(".", "point")
        return re.sub(r"\W+", "_", signs).strip("_")

    @property
    def weights_label(self) -> str:
        """Text for names of weights, by default the label.

        An operation takes over the weights of one at its place that has the same text, where the shapes are the same.
        """
        return self.label


def label_of(operation: str | OperationValue) -> str:
    """Name of an operation, or the label of one that is a value."""
    return operation if isinstance(operation, str) else operation.label


def outside_operations() -> dict[str, str]:
    """Modules that define the registered operations that are not of this package, by name of the operation."""
    modules = {name: _module_of(operation) for name, operation in _OPERATIONS.items()}
    return {name: module for name, module in modules.items() if module.partition(".")[0] != __name__.partition(".")[0]}


def _module_of(operation: Operation) -> str:
    while isinstance(operation, partial):
        operation = operation.func
    return str(getattr(operation, "__module__", ""))


def check_operation(name: object) -> None:
    """Check that an operation is registered, where that is asked for.

    Raises:
        UnknownNameError: it is not, or has a meaning of its own in a graph.
    """
    if name not in _OPERATIONS and (not _takes_unknown.get() or not isinstance(name, str) or name in _RESERVED):
        raise _unknown(name)


@contextmanager
def taking_unknown_operations() -> Iterator[None]:
    """Let :func:`check_operation` take names that are not registered, for a space that is read and not built."""
    token = _takes_unknown.set(True)
    try:
        yield
    finally:
        _takes_unknown.reset(token)


def _unknown(name: object) -> UnknownNameError:
    return UnknownNameError("operation", name, _OPERATIONS, remedy=IMPORT_FIRST)


@lru_cache(maxsize=65_536)
def layers_of(operation: str | OperationValue, in_channels: int, channels: int) -> tuple[Layer, ...]:
    """Layers of an operation for an input of ``in_channels`` channels in a cell of ``channels``.

    Raises:
        UnknownNameError: no operation has that name.
    """
    if not isinstance(operation, str):
        return tuple(operation.layers(in_channels, channels))
    try:
        function = _OPERATIONS[operation]
    except KeyError:
        raise _unknown(operation) from None
    return tuple(function(in_channels, channels))


class Effect(NamedTuple):
    """What an operation does in each cell of a network, or a merge."""

    #: Its layers in each cell.
    layers: tuple[tuple[Layer, ...], ...]
    #: Channels of its output in each cell.
    channels: tuple[int, ...]
    #: Whether two copies on one input compute one value: no layer has parameters.
    is_shareable: bool
    #: Whether each channel of the output is made of one channel of an input, without parameters.
    is_by_channel: bool


@lru_cache(maxsize=65_536)
def effect_of(operation: str | OperationValue, in_channels: tuple[int, ...], channels: tuple[int, ...]) -> Effect:
    """Effect of an operation in cells where it has these channels; see :func:`layers_of`.

    A layer without parameters is taken for a function of its input alone.
    """
    chains = tuple(layers_of(operation, *pair) for pair in zip(in_channels, channels, strict=True))
    layers = [layer for chain in chains for layer in chain]
    is_shareable = not any(layer.n_parameters for layer in layers)
    is_by_channel = is_shareable and all(layer.by_channel for layer in layers)
    return Effect(chains, tuple(map(_output_channels, chains, in_channels)), is_shareable, is_by_channel)


def _output_channels(layers: tuple[Layer, ...], in_channels: int) -> int:
    shape = (in_channels, 1, 1)
    for layer in layers:
        shape = layer.output_shape(shape)
    return shape[0]


def conv_bn_relu(in_channels: int, channels: int, kernel_size: Size, *, stride: Size = 1) -> tuple[Layer, ...]:
    """Convolution, batch normalisation, ReLU."""
    return Conv2d(in_channels, channels, kernel_size, stride=stride), BatchNorm2d(channels), ReLU()


def separable_conv(in_channels: int, channels: int, kernel_size: Size, *, stride: Size = 1) -> tuple[Layer, ...]:
    """Depthwise, then pointwise convolution, then one batch normalisation and ReLU."""
    depthwise = Conv2d(in_channels, in_channels, kernel_size, stride=stride, groups=in_channels)
    return depthwise, *conv_bn_relu(in_channels, channels, 1)


def _depthwise_conv(in_channels: int, kernel_size: int) -> tuple[Layer, ...]:
    depthwise = Conv2d(in_channels, in_channels, kernel_size, groups=in_channels)
    return depthwise, BatchNorm2d(in_channels), ReLU()


@register_operation("conv_1x1")
def _conv_1x1(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return conv_bn_relu(in_channels, channels, 1)


@register_operation("depthwise_conv_3x3")
def _depthwise_conv_3x3(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return _depthwise_conv(in_channels, 3)


@register_operation("separable_conv_3x3")
def _separable_conv_3x3(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return separable_conv(in_channels, channels, 3)


@register_operation("max_pool_3x3")
def _max_pool_3x3(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return (MaxPool2d(3),)


@register_operation("avg_pool_3x3")
def _avg_pool_3x3(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return (AvgPool2d(3),)


@register_operation("identity")
def _identity(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return ()


@register_operation("conv_3x3")
def _conv_3x3(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return conv_bn_relu(in_channels, channels, 3)


@register_operation("conv_5x5")
def _conv_5x5(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return conv_bn_relu(in_channels, channels, 5)


@register_operation("depthwise_conv_5x5")
def _depthwise_conv_5x5(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return _depthwise_conv(in_channels, 5)


@register_operation("separable_conv_5x5")
def _separable_conv_5x5(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return separable_conv(in_channels, channels, 5)
