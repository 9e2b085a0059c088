"""A template and the graphs of a genotype become a flat list of steps with concrete channels and shapes.

The cost model and the assembly both read what a template lays out, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence

from deap_nas.errors import SettingsError
from deap_nas.graph import Graph, Lowered, graphs_of, simplify, split_pools
from deap_nas.template.steps import Step, StepWriter
from deap_nas.template.template import Template
from deap_nas.template.value_shapes import check_paths

__all__ = ["check_fit", "expand", "lean", "simplified"]


def expand(lowered: Lowered, template: Template) -> tuple[Step, ...]:
    """Put what a genotype stands for into a template; the last step gives the logits.

    Args:
        lowered: what the genotype stands for, as it is or simplified.
        template: the fixed part of the network.

    Raises:
        SettingsError: values of different shapes are added, or values of different sizes are concatenated; operations
            share a path, unless they are equal and without parameters; or the template wants other graphs.
    """
    graphs = graphs_of(lowered)
    check_fit(graphs, template)
    layout = template.lay_out(graphs)
    for graph, values in layout.values:
        check_paths(graph, values)
    steps = StepWriter((template.image_channels, template.image_size, template.image_size))
    layout.write(steps)
    return tuple(steps.done)


def check_fit(graphs: Sequence[Graph], template: Template) -> None:
    """Check that a template has a place for each graph.

    Raises:
        SettingsError: it has not.
    """
    if len(graphs) != template.n_graphs:
        raise SettingsError(
            f"{type(template).__name__} is for genotypes of {template.n_graphs} graphs, found one of {len(graphs)}: "
            f"the search space names a template that fits, by default_template()"
        )


def simplified(graphs: Sequence[Graph], template: Template) -> tuple[Graph, ...]:
    """Simplify graphs as their operations are in a template; see :func:`~deap_nas.graph.simplify`."""
    return tuple([simplify(graph, channels=template.channels_of(number)) for number, graph in enumerate(graphs)])


def lean(graphs: Sequence[Graph], template: Template) -> tuple[Graph, ...]:
    """Simplify graphs for the quickest network that computes the same, pools of concatenations split up."""
    channels = list(map(template.channels_of, range(len(graphs))))
    pairs = zip(simplified(graphs, template), channels, strict=True)
    return tuple([split_pools(graph, channels=each) for graph, each in pairs])
