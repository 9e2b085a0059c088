"""The fixed part of a network, what becomes of a genotype inside it, and what that costs."""

from deap_nas.template.cells import NetworkTemplate
from deap_nas.template.costs import Cost, cost
from deap_nas.template.expansion import expand
from deap_nas.template.floating_operations import Compute, compute
from deap_nas.template.memory_estimate import TrainingMemory, training_memory
from deap_nas.template.plan import Plan, plan_network
from deap_nas.template.stack import CellStack
from deap_nas.template.steps import Chain, Step
from deap_nas.template.template import Template, register_template, template_from_dict
from deap_nas.template.whole import WholeNetwork

__all__ = [
    "CellStack",
    "Chain",
    "Compute",
    "Cost",
    "NetworkTemplate",
    "Plan",
    "Step",
    "Template",
    "TrainingMemory",
    "WholeNetwork",
    "compute",
    "cost",
    "expand",
    "plan_network",
    "register_template",
    "template_from_dict",
    "training_memory",
]
