"""The network around the cell, its expansion into steps, and the cost of the result."""

from deap_nas.template.costs import Cost, cost
from deap_nas.template.expansion import Chain, Step, expand
from deap_nas.template.template import NetworkTemplate

__all__ = ["Chain", "Cost", "NetworkTemplate", "Step", "cost", "expand"]
