"""The cost of a genotype's network, without building it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deap_nas.graph import Graph, Lowers, living, viable_graphs
from deap_nas.template.expansion import check_fit, simplified
from deap_nas.template.template import Template

__all__ = ["Cost", "cost", "cost_of"]


@dataclass(frozen=True)
class Cost:
    """What a network costs."""

    #: Trainable parameters.
    n_parameters: int
    #: Multiply-adds of convolutions and linear layers for one image, times two.
    flops: int


def cost(space: Lowers, genotype: Any, template: Template) -> Cost:
    """Parameters and FLOPs of a genotype's network, without building it.

    Args:
        space: the search space.
        genotype: of one individual.
        template: the fixed part of the network.

    Raises:
        GenotypeError: the genotype does not belong to the space.
        NotViableError: no path leads from an input to the output.
        SettingsError: values of different shapes are added, or values of different sizes are concatenated; or the
            template wants other graphs.
    """
    return cost_of(viable_graphs(space, genotype), template)


def cost_of(graphs: Sequence[Graph], template: Template) -> Cost:
    """Cost of the network that some graphs are in a template; see :func:`cost`."""
    check_fit(graphs, template)
    layout = template.lay_out(graphs, among=list(map(living, graphs)))
    if any(value.may_be_saved for _, values in layout.values for value in values):
        layout = template.lay_out(simplified(graphs, template))
    return Cost(layout.n_parameters, layout.flops)
