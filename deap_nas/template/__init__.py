"""The network around the cell, its expansion into steps, and what the result costs."""

from deap_nas.template.costs import Cost, cost
from deap_nas.template.expansion import Chain, Step, expand
from deap_nas.template.memory import TrainingMemory, training_memory
from deap_nas.template.template import NetworkTemplate

__all__ = ["Chain", "Cost", "NetworkTemplate", "Step", "TrainingMemory", "cost", "expand", "training_memory"]
