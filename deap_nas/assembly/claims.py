"""What layers from outside the package say of themselves, compared with their modules.

Cost, limits, objectives and the memory estimate believe a layer: one that is wrong about itself makes a search wrong
without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import torch
from torch import nn

from deap_nas.assembly.modules import build_layer
from deap_nas.errors import NASError, SettingsError, UnknownNameError
from deap_nas.graph import Layer, OperationValue, Shape, layers_of
from deap_nas.template import Step

__all__ = ["Verdict", "changes_its_input", "check_layers", "is_outside", "judge", "judge_operation"]

#: Layers that have been checked in this process; more are not remembered.
_CHECKED: set[Layer] = set()
_MOST_CHECKED = 10_000
#: Of a layer of the package that is built for a comparison: numbers from a stranger's file may be any.
_MOST_PARAMETERS = 10**7
#: Modules whose work is all counted: those that have none, beside convolutions and linear layers.
_PLAIN = tuple(
    f"torch.nn.modules.{name}"
    for name in (
        "activation", "batchnorm", "channelshuffle", "container", "conv", "dropout", "flatten", "instancenorm",
        "linear", "normalization", "padding", "pixelshuffle", "pooling", "upsampling",
    )
)  # fmt: skip
_NOT_PLAIN = (nn.MultiheadAttention, nn.Bilinear)
_WORKING = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip
#: Operators that only convolutions and linear layers call.
_WORK = ("convolution", "_convolution", "addmm", "mm")


class Verdict(NamedTuple):
    """What was found of a layer."""

    #: Each as the end of a sentence about the layer.
    false_claims: list[str]
    #: Why the rest could not be compared; empty if it could.
    unchecked: str = ""


def check_layers(steps: Iterable[Step]) -> None:
    """Check each layer from outside the package, the first time that one is built in this process.

    Its module is made once more for that, and computes one image; nothing is drawn from the generator of PyTorch.

    Args:
        steps: of a network.

    Raises:
        SettingsError: a layer is wrong about its parameters, its output's shape, its FLOPs or its channels.
    """
    for step in steps:
        shape = step.input_shape
        for layer in step.chain.layers:
            if is_outside(layer) and not _is_checked(layer):
                false_claims = judge(layer, shape).false_claims
                if false_claims:
                    raise SettingsError(
                        f"the layer {layer!r} {'; it '.join(false_claims)}: correct the layer; "
                        f"deap_nas.testing.LayerContract and OperationContract test all of it"
                    )
                _remember(layer)
            shape = layer.output_shape(shape)


def is_outside(layer: Layer) -> bool:
    """Whether a layer is none of the package."""
    return type(layer).__module__ != Layer.__module__


def _is_checked(layer: Layer) -> bool:
    try:
        return layer in _CHECKED
    except TypeError:  # it cannot be hashed
        return False


def _remember(layer: Layer) -> None:
    with suppress(TypeError):
        if len(_CHECKED) < _MOST_CHECKED:
            _CHECKED.add(layer)


def judge_operation(name: str | OperationValue, in_channels: int, channels: int, *, size: int) -> Verdict:
    """Compare all layers of an operation with their modules, on an image of ``size`` pixels a side.

    Raises:
        UnknownNameError: no operation has that name.
    """
    shape: Shape = (in_channels, size, size)
    false_claims, unchecked = [], []
    try:
        layers = layers_of(name, in_channels, channels)
    except UnknownNameError:
        raise
    except Exception as error:
        return Verdict([], f"it has no layers for {in_channels} channels: {type(error).__name__}: {error}")
    for layer in layers:
        if not is_outside(layer) and layer.n_parameters > _MOST_PARAMETERS:
            unchecked.append(f"its layer {layer!r} has {layer.n_parameters:,} parameters, too many to be built")
            break
        verdict = judge(layer, shape, by_operators=True)
        false_claims += [f"has the layer {layer!r}, which {claim}" for claim in verdict.false_claims]
        unchecked += [f"of the layer {layer!r}, {verdict.unchecked}"] if verdict.unchecked else []
        shape = layer.output_shape(shape)
    return Verdict(false_claims, "; ".join(unchecked))


def judge(layer: Layer, shape: Shape, *, by_operators: bool = False) -> Verdict:
    """Compare what a layer says with its module, in evaluation mode on the CPU.

    Convolutions and linear layers are counted where they are modules of PyTorch; ``by_operators`` counts those that a
    ``forward`` calls as functions as well, and takes longer. A layer whose module is made of PyTorch's own alone must
    say just that many FLOPs, any other at least as many: it may do its work by means that nothing counts.

    Args:
        layer: of any kind.
        shape: of its input.
        by_operators: see above.
    """
    with _apart():
        try:
            module = build_layer(layer).eval()
        except NASError:
            raise
        except Exception as error:
            return Verdict([], f"its module cannot be built: {type(error).__name__}: {error}")
        image = torch.rand(1, *shape)
        try:
            with _operators(module) if by_operators else _modules(module) as work:
                output = module(image.clone())  # which it may change
            said: list[str] = [*_shape(layer, shape, output), *_flops(layer, shape, module, work)]
            said += _by_channel(layer, module, image, output)
            unchecked = ""
        except Exception as error:
            said, unchecked = [], f"its module takes no {shape} on the CPU: {type(error).__name__}: {error}"
        return Verdict([*_parameters(layer, module), *said], unchecked)


@contextmanager
def _apart() -> Iterator[None]:
    """Compute without gradients, on the CPU, and leave the generator as it was."""
    with torch.random.fork_rng(devices=[]), torch.no_grad(), torch.device("cpu"):
        yield


def _parameters(layer: Layer, module: nn.Module) -> Iterator[str]:
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if any(isinstance(parameter, nn.UninitializedParameter) for parameter in parameters):
        return  # of a lazy module that could not be run
    found = sum(parameter.numel() for parameter in parameters)
    if layer.n_parameters != found:
        yield f"says it has {layer.n_parameters:,} parameters, and its module has {found:,}"


def _shape(layer: Layer, shape: Shape, output: Any) -> Iterator[str]:
    said = tuple(layer.output_shape(shape))
    found = tuple(output.shape[1:]) if isinstance(output, torch.Tensor) else type(output).__name__
    if found not in (said, said[:1] if said[1:] == (1, 1) else said):  # a vector stands for an image of one pixel
        yield f"says that {shape} becomes {said}, and its module gives {found}"


def _flops(layer: Layer, shape: Shape, module: nn.Module, work: list[tuple[int, bool]]) -> Iterator[str]:
    said = layer.flops(shape)
    least = sum(flops for flops, is_certain in work if is_certain)
    most = sum(flops for flops, _ in work)
    if said < least or (said > most and all(map(_is_plain, module.modules()))):
        yield f"says that it takes {said:,} FLOPs on {shape}, and its module takes {least:,}"


def _is_plain(module: nn.Module) -> bool:
    return type(module).__module__ in _PLAIN and not isinstance(module, _NOT_PLAIN)


def _by_channel(layer: Layer, module: nn.Module, image: torch.Tensor, output: torch.Tensor) -> Iterator[str]:
    if not layer.by_channel:
        return
    try:
        first = module(image[:, :1])
        is_true = output.shape[1] == image.shape[1] and torch.allclose(first, output[:, :1], atol=1e-5)
    except Exception:  # it takes no other number of channels
        is_true = False
    if not is_true:
        yield "says that each channel is the same function of that channel (by_channel), and its module's are not"


@contextmanager
def _modules(module: nn.Module) -> Iterator[list[tuple[int, bool]]]:
    """Count the FLOPs of the convolutions and linear layers among the modules, each time that one is called."""
    work: list[tuple[int, bool]] = []

    def note(called: Any, inputs: Any, output: torch.Tensor) -> None:
        values = inputs[0] if getattr(called, "transposed", False) else output
        positions = values.shape[:-1].numel() if isinstance(called, nn.Linear) else values.shape[2:].numel()
        work.append((2 * called.weight.numel() * positions, True))

    handles = [each.register_forward_hook(note) for each in module.modules() if isinstance(each, _WORKING)]
    try:
        yield work
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _operators(module: nn.Module) -> Iterator[list[tuple[int, bool]]]:  # noqa: ARG001 - as _modules
    """Count the FLOPs of all operators that PyTorch counts, those of convolutions and linear layers as certain."""
    from torch.utils.flop_counter import FlopCounterMode  # slow to import

    work: list[tuple[int, bool]] = []
    with FlopCounterMode(display=False) as counter:
        yield work
    for operator, flops in counter.get_flop_counts().get("Global", {}).items():
        work.append((int(flops), str(operator).rpartition(".")[2] in _WORK))


def changes_its_input(layers: Sequence[Layer], shape: Shape) -> bool:
    """Whether the modules of layers, one after the other, change what they are given, on an input of ``shape``."""
    with _apart():
        image = torch.rand(2, *shape) - 0.5
        before = image.clone()
        nn.Sequential(*map(build_layer, layers))(image)
        return not torch.equal(image, before)
