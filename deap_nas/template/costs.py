"""The cost of a genotype's network, without building it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deap_nas.graph import Lowers, check_viable, living, simplify
from deap_nas.template.expansion import lay_out
from deap_nas.template.template import NetworkTemplate

__all__ = ["Cost", "cost"]


@dataclass(frozen=True)
class Cost:
    """What a network costs."""

    #: Trainable parameters.
    n_parameters: int
    #: Multiply-adds of convolutions and linear layers for one image, times two.
    flops: int


def cost(space: Lowers, genes: Sequence[int], template: NetworkTemplate) -> Cost:
    """Parameters and FLOPs of a genotype's network, without building it.

    Args:
        space: the search space.
        genes: the genes of one individual.
        template: the network around the cell.

    Raises:
        GenotypeError: the genes do not belong to the space.
        NotViableError: no path leads from the cell's input to its output.
        SettingsError: the cell adds values of different shapes, or concatenates values of different sizes.
    """
    graph = space.lower(genes)
    check_viable(graph)
    layout = lay_out(graph, template, among=living(graph))
    if any(value.flops and not value.n_parameters for value in layout.values):
        # work without weights is done once where it is the same
        layout = lay_out(simplify(graph, channels=template.cell_channels), template)
    return Cost(
        layout.frame.n_parameters + sum([value.n_parameters for value in layout.values]),
        layout.frame.flops + sum([value.flops for value in layout.values]),
    )
