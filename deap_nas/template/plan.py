"""A genotype's network inside a template, planned once; what is asked of it before it is built follows from here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from deap_nas.graph import Graph, Lowers, viable_graphs
from deap_nas.template.costs import Cost, cost_of
from deap_nas.template.expansion import expand, lean
from deap_nas.template.floating_operations import Compute, compute_of
from deap_nas.template.memory_estimate import TrainingMemory, memory_of
from deap_nas.template.steps import Step
from deap_nas.template.template import Template

__all__ = ["Plan", "plan_network"]


@dataclass(frozen=True)
class Plan:
    """A network that has not been built: its genotype has been lowered, once, and is viable."""

    #: What the genotype stands for, dead parts included.
    graphs: tuple[Graph, ...]
    template: Template

    @cached_property
    def cost(self) -> Cost:
        """See :func:`deap_nas.cost`."""
        return cost_of(self.graphs, self.template)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """What to compute, in order, without what is dead or done twice; the last step gives the logits."""
        return expand(lean(self.graphs, self.template), self.template)

    @property
    def naive_steps(self) -> tuple[Step, ...]:
        """The same as the genotype reads, with all dead parts."""
        return expand(self.graphs, self.template)

    @cached_property
    def compute(self) -> Compute:
        """See :func:`deap_nas.template.compute`; in a template with the size of the images that it is asked for."""
        return compute_of(self.steps)

    def memory(self, *, batch_size: int, device: str = "cpu") -> TrainingMemory:
        """See :func:`~deap_nas.template.training_memory`."""
        return memory_of(self.steps, n_classes=self.template.n_classes, batch_size=batch_size, device=device)

    def within(self, template: Template) -> Plan:
        """The same genotype in another template."""
        return self if template == self.template else replace(self, template=template)


def plan_network(space: Lowers, genotype: Any, template: Template) -> Plan:
    """Plan a genotype's network.

    Args:
        space: the search space.
        genotype: of one individual.
        template: the fixed part of the network.

    Raises:
        GenotypeError: the genotype does not belong to the space.
        NotViableError: no path leads from an input to the output.
    """
    return Plan(viable_graphs(space, genotype), template)
