"""Weights of a network that its parent's weights are made into, so that it computes what the parent computes.

Chen 2016 <https://arxiv.org/abs/1511.05641>, Wei 2016 <https://arxiv.org/abs/1603.01670>, Elsken 2017
<https://arxiv.org/abs/1711.04528>. What has changed is told from the steps of both networks, whatever search space they
are of: a layer that both have is continued, one that only the child has is made an identity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from deap_nas.graph import RESIZE, BatchNorm2d, Conv2d, Layer, Linear
from deap_nas.template import Step

__all__ = ["Counterpart", "function_change", "morph"]

#: Gives the name that a step of the child has in the parent.
Counterpart = Callable[[Step], str | None]
#: Origin of a channel that the parent has not.
_NEW = -1


class _Value(NamedTuple):
    """A value of the child, and what of the parent it stands for."""

    #: Channel of the parent's value that each channel is, or ``_NEW``.
    origins: list[int]
    #: Channels of the parent's value.
    width: int


def morph(
    network: nn.Module, tensors: Mapping[str, torch.Tensor], parent: Sequence[Step], counterpart: Counterpart
) -> list[str]:
    """Give a network the weights of its parent, changed so that it computes the same, as far as it can.

    In evaluation mode nothing is changed by: a convolution that is inserted, if its ReLU, where it has one, gets no
    negative numbers; more channels; a larger window; a skip with a gate; any number of these at once. New channels have
    the weights that were drawn for them, and those who take them weights of 0 for them. In training mode the batch
    normalisations of what was inserted normalise, and no weights could keep them from it.

    What is narrower keeps the filters of largest absolute weights, or the first ones where values are added, which
    others rely on; what came after a layer that is gone takes what came before it. Both change the function.

    Args:
        network: with the steps of the child and weights that were drawn; changed in place.
        tensors: the parent's, by name: see :func:`~deap_nas.assembly.weight_names`.
        parent: steps of the parent.
        counterpart: gives the name of the parent's step that a step of the child was, or None.

    Returns:
        The names of the parent's tensors that were used; none, and nothing is changed, where the classifier is new.
    """
    steps = cast("Sequence[Step]", network.steps)
    known = {step.name: step for step in parent if not step.merge}
    before = [known.get(counterpart(step) or "") for step in steps]
    if before[-1] is None:
        return []
    change = _Morphism(network, tensors, keeps_order=any(step.merge == "add" for step in steps))
    image = steps[0].input_shape[0]
    values = [_Value(list(range(image)), image)]
    for step, old in zip(steps, before, strict=True):
        values.append(change.value(step, old, [values[index] for index in step.inputs]))
    network.load_state_dict(change.made, strict=False)
    return change.used


class _Morphism:
    """The tensors of a child in the making, step by step."""

    def __init__(self, network: nn.Module, tensors: Mapping[str, torch.Tensor], *, keeps_order: bool) -> None:
        self._network: Any = network
        self._drawn = network.state_dict()
        self._tensors = tensors
        self._keeps_order = keeps_order
        #: Tensors by their keys, and names of those of the parent that they are made of.
        self.made: dict[str, torch.Tensor] = {}
        self.used: list[str] = []

    def value(self, step: Step, old: Step | None, inputs: Sequence[_Value]) -> _Value:
        """What of the parent a step's value stands for; its tensors are made on the way."""
        if step.merge:
            return _joined(step, inputs)
        layers = step.chain.layers
        if old is None or not _are_alike(layers, old.chain.layers):
            value = inputs[0]
            for number, layer in enumerate(layers):
                value = self._inserted(step, number, layer, value)
            return value
        origins = inputs[0].origins
        for number, (layer, former) in enumerate(zip(layers, old.chain.layers, strict=True)):
            origins = self._continued(_Place(step, old, number), layer, former, origins)
        return _Value(origins, old.shape[0])

    def _continued(self, place: _Place, layer: Layer, former: Layer, origins: list[int]) -> list[int]:
        """Tensors of a layer that the parent has; gives the origins of its output's channels."""
        if isinstance(layer, Conv2d) and isinstance(former, Conv2d):
            drawn, weight = self._pair(place, "weight")
            if weight is None:
                return [_NEW] * layer.out_channels
            if layer.groups > 1:
                self._make(place, "weight", _by_channel(drawn, _fitted(weight, drawn.shape[2:]), origins))
                return origins
            rows = self._rows(weight, layer.out_channels)
            self._make(place, "weight", _dense(drawn, _fitted(weight, drawn.shape[2:]), rows, origins))
            return rows
        if isinstance(layer, BatchNorm2d):
            for name in ("weight", "bias", "running_mean", "running_var"):
                self._make_from(place, name, lambda drawn, given: _by_channel(drawn, given, origins))
            self._make_from(place, "num_batches_tracked", lambda _, given: given)
            return origins
        if isinstance(layer, Linear) and layer.in_features == len(origins):
            rows = list(range(layer.out_features))
            self._make_from(place, "1.weight", lambda drawn, given: _dense(drawn, given, rows, origins))
            self._make_from(place, "1.bias", lambda _, given: given)
            return rows
        self._copy(place)
        n_channels, before = (each.output_shape((len(origins), 1, 1))[0] for each in (layer, former))
        return origins if n_channels == len(origins) else _first(n_channels, before)

    def _inserted(self, step: Step, number: int, layer: Layer, value: _Value) -> _Value:
        """Tensors that make a layer an identity, where there are such; gives what its output stands for."""
        place = _Place(step, None, number)
        if isinstance(layer, Conv2d):
            drawn = self._drawn[place.key("weight")]
            if layer.groups > 1:
                self._make(place, "weight", _centred(torch.zeros_like(drawn), range(len(drawn)), [0] * len(drawn)))
                return value
            known = [(origin, channel) for channel, origin in enumerate(value.origins) if origin != _NEW]
            fits = all(origin < layer.out_channels for origin, _ in known)
            rows = [origin if fits else row for row, (origin, _) in enumerate(known)][: layer.out_channels]
            self._make(place, "weight", _centred(drawn, rows, [channel for _, channel in known[: len(rows)]]))
            origins = [_NEW] * layer.out_channels
            for row, (origin, _) in zip(rows, known, strict=False):
                origins[row] = origin
            return _Value(origins, value.width)
        if isinstance(layer, BatchNorm2d):
            variance = torch.full_like(self._drawn[place.key("running_var")], 1.0)
            self._make(place, "running_var", variance - self._network.layers[step.name][number].eps)
            return value
        n_channels = layer.output_shape((len(value.origins), 1, 1))[0]
        return value if n_channels == len(value.origins) else _Value(_first(n_channels, value.width), value.width)

    def _rows(self, weight: torch.Tensor, n_channels: int) -> list[int]:
        """Filters of the parent that so many of the child are: all, or those of the largest absolute weights."""
        if n_channels >= len(weight) or self._keeps_order:
            return _first(n_channels, len(weight))
        norms = weight.abs().flatten(1).sum(1)
        return sorted(norms.argsort(descending=True, stable=True)[:n_channels].tolist())

    def _pair(self, place: _Place, name: str) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self._drawn[place.key(name)], self._tensors.get(place.name(name))

    def _make(self, place: _Place, name: str, tensor: torch.Tensor) -> None:
        self.made[place.key(name)] = tensor
        if place.old is not None:
            self.used.append(place.name(name))

    def _make_from(self, place: _Place, name: str, make: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        drawn, given = self._pair(place, name)
        if given is not None:
            self._make(place, name, make(drawn, given))

    def _copy(self, place: _Place) -> None:
        """Take the tensors of any other layer as they are, where they fit."""
        start = place.key("")
        for key in self._drawn:
            if key.startswith(start):
                drawn, given = self._pair(place, key.removeprefix(start))
                if given is not None and given.shape == drawn.shape:
                    self._make(place, key.removeprefix(start), given)


class _Place(NamedTuple):
    """A layer of a step of the child, and the step of the parent that it is in."""

    step: Step
    old: Step | None
    number: int

    def key(self, name: str) -> str:
        """Key of one of its tensors in the child."""
        return f"layers.{self.step.name}.{self.number}.{name}"

    def name(self, name: str) -> str:
        """Name of the parent's tensor."""
        step = cast("Step", self.old)
        operation = f":{step.operation}" if step.operation else ""
        return f"layers.{step.name}{operation}.{self.number}.{name}"


def _are_alike(layers: Sequence[Layer], others: Sequence[Layer]) -> bool:
    """Whether two operations are of one form: their layers are of the same kinds."""
    forms = [[(type(layer), getattr(layer, "groups", 1) > 1) for layer in chain] for chain in (layers, others)]
    return forms[0] == forms[1]


def _joined(step: Step, inputs: Sequence[_Value]) -> _Value:
    if step.merge == "concat":
        origins, width = [], 0
        for value in inputs:
            origins += [_NEW if origin == _NEW else width + origin for origin in value.origins]
            width += value.width
        return _Value(origins, width)
    if step.merge == RESIZE:
        width = inputs[1].width
        kept = [origin if origin < width else _NEW for origin in inputs[0].origins[: step.shape[0]]]
        return _Value(kept + [_NEW] * (step.shape[0] - len(kept)), width)
    return inputs[0]  # what is added has the form of the first


def _first(n_channels: int, n_known: int) -> list[int]:
    return [channel if channel < n_known else _NEW for channel in range(n_channels)]


def _known(origins: Sequence[int], n_known: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Channels that the parent has too, and which of its they are."""
    pairs = [(channel, origin) for channel, origin in enumerate(origins) if 0 <= origin < n_known]
    channels, found = zip(*pairs, strict=True) if pairs else ((), ())
    return torch.tensor(channels, dtype=torch.long), torch.tensor(found, dtype=torch.long)


def _by_channel(drawn: torch.Tensor, given: torch.Tensor, origins: Sequence[int]) -> torch.Tensor:
    """The numbers of each channel of the parent's; as drawn for new ones."""
    channels, known = _known(origins, len(given))
    made = drawn.clone()
    made[channels] = given[known].to(made)
    return made


def _dense(drawn: torch.Tensor, given: torch.Tensor, rows: Sequence[int], columns: Sequence[int]) -> torch.Tensor:
    """Weights, (out, in, ...), by the origins of both: known outputs take nothing of new inputs."""
    outputs, known_outputs = _known(rows, given.shape[0])
    inputs, known_inputs = _known(columns, given.shape[1])
    made = drawn.clone()
    made[outputs] = 0
    made[outputs[:, None], inputs] = given[known_outputs[:, None], known_inputs].to(made)
    return made


def _fitted(weight: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Windows, (out, in, height, width), with zeros around them, or without what is around their middle."""
    margins = [(new - old) // 2 for new, old in zip(size, weight.shape[2:], strict=True)]
    return nn.functional.pad(weight, (margins[1], margins[1], margins[0], margins[0]))


def _centred(drawn: torch.Tensor, rows: Iterable[int], columns: Sequence[int]) -> torch.Tensor:
    """Weights, (out, in, height, width), whose rows give one input each, as it is."""
    made = drawn.clone()
    for row, column in zip(rows, columns, strict=True):
        made[row] = 0
        made[row, column, made.shape[2] // 2, made.shape[3] // 2] = 1
    return made


@torch.no_grad()
def function_change(parent: nn.Module, child: nn.Module, images: torch.Tensor) -> float:
    """How far the logits of a child are from those of its parent, in evaluation mode: 0 for the same function.

    Args:
        parent: a network; left in evaluation mode.
        child: likewise.
        images: (batch, channels, height, width).

    Returns:
        The root of the mean square of the difference, divided by that of the parent's logits about their means of all
        images; 1 is as far as a child that always answers by those means. Infinity where the parent does so itself and
        the child does not.
    """
    before, after = (network.eval()(images) for network in (parent, child))
    spread = (before - before.mean(0)).square().mean().sqrt()
    difference = (after - before).square().mean().sqrt()
    return float(difference / spread) if difference else 0.0
