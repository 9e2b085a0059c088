"""What a layer and an operation must do."""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from copy import deepcopy
from typing import Any

from deap_nas.graph import Layer, Shape, layers_of
from deap_nas.search_space import FlatSpace
from deap_nas.template import NetworkTemplate, cost

__all__ = ["LayerContract", "OperationContract"]


class LayerContract(ABC):
    """What cost, canonical key, memory estimate and assembly need of a layer; its tests need torch.

    What cannot be tested: FLOPs that a module of your own says beyond those that PyTorch counts, since it may do its
    work by other means; and that a layer without parameters is a function of its input alone while it is trained.
    """

    @abstractmethod
    def make_layer(self) -> Layer:
        """Make the layer, the same at each call."""

    @abstractmethod
    def make_shapes(self) -> list[Shape]:
        """Give shapes (channels, height, width) that it may take, of several sizes."""

    def test_it_is_a_value(self) -> None:
        """Equal to another of the same fields and to its copies, and hashable."""
        layer = self.make_layer()
        copies: list[Layer] = [self.make_layer(), deepcopy(layer), pickle.loads(pickle.dumps(layer))]
        assert all(copy == layer and hash(copy) == hash(layer) for copy in copies), (
            f"{layer!r} is not equal to its copies: make its class a frozen dataclass, at the top of a module"
        )

    def test_it_says_what_its_module_does(self) -> None:
        """Its parameters, its output's shape, its FLOPs, and whether it works channel by channel."""
        from deap_nas.assembly.claims import judge

        for shape in self.make_shapes():
            verdict = judge(self.make_layer(), shape, by_operators=True)
            assert not verdict.false_claims, f"{self.make_layer()!r} {'; it '.join(verdict.false_claims)}"
            assert not verdict.unchecked, f"{self.make_layer()!r}: {verdict.unchecked}"


class OperationContract(ABC):
    """What search spaces, cost and assembly need of an operation; most of its tests need torch."""

    #: Channels of the input, and of the cell, for which the layers are tested.
    channels: tuple[tuple[int, int], ...] = ((1, 1), (8, 8), (24, 8), (8, 16))
    #: Pixels a side of the images that it is tested on.
    sizes: tuple[int, ...] = (9, 8)

    @abstractmethod
    def make_operation(self) -> str:
        """Give the name under which :func:`deap_nas.register_operation` has registered it."""

    def test_it_is_made_of_layers_that_are_values(self) -> None:
        """Equal and hashable, so that equal parts of networks are found."""
        for channels in self.channels:
            layers, again = (layers_of.__wrapped__(self.make_operation(), *channels) for _ in range(2))
            assert all(isinstance(layer, Layer) for layer in layers), f"{layers} are not all layers"
            assert layers == again, f"{layers} are made anew as {again}"
            assert len({*layers, *again}) <= len(layers)

    def test_it_keeps_height_and_width(self) -> None:
        """As the values of a cell must, which are merged."""
        for in_channels, channels in self.channels:
            shape: Shape = (in_channels, 9, 7)
            for layer in layers_of(self.make_operation(), in_channels, channels):
                shape = layer.output_shape(shape)
            assert shape[1:] == (9, 7), f"(9, 7) becomes {shape[1:]}"

    def test_its_layers_say_what_their_modules_do(self) -> None:
        """See :class:`LayerContract`."""
        from deap_nas.assembly.claims import judge_operation

        for in_channels, channels in self.channels:
            for size in self.sizes:
                verdict = judge_operation(self.make_operation(), in_channels, channels, size=size)
                where = f"{self.make_operation()!r} on {in_channels} channels in a cell of {channels}"
                assert not verdict.false_claims, f"{where} {'; '.join(verdict.false_claims)}"
                assert not verdict.unchecked, f"{where}: {verdict.unchecked}"

    def test_it_leaves_its_input_alone(self) -> None:
        """Which other operations take as well."""
        from deap_nas.assembly.claims import changes_its_input

        for in_channels, channels in self.channels:
            layers = layers_of(self.make_operation(), in_channels, channels)
            assert not changes_its_input(layers, (in_channels, 9, 9)), "the first layers change their input in place"

    def test_a_network_of_it_costs_what_is_said_and_computes_what_its_equations_say(self) -> None:
        """Shared, pooled in parts and simplified as networks are."""
        import torch

        from deap_nas.assembly import build_network

        space = FlatSpace(nodes=4, operations=(self.make_operation(),))
        template = NetworkTemplate.small_cifar(channels=4)
        networks = [build_network(space, space.up, template, naive=naive).double().eval() for naive in (False, True)]
        n_parameters = sum(weights.numel() for weights in networks[0].parameters() if weights.requires_grad)
        assert n_parameters == cost(space, space.up, template).n_parameters
        networks[1].load_state_dict(networks[0].state_dict(), strict=False)
        images = torch.linspace(-1, 1, 2 * 3 * 16 * 16, dtype=torch.float64).reshape(2, 3, 16, 16)
        with torch.no_grad():
            outputs: list[Any] = [network(images.clone()) for network in networks]
        assert torch.allclose(outputs[0], outputs[1], rtol=1e-9, atol=1e-9), (
            "a network computes other than its equations"
        )
