"""The parts of the search loops: what is to be evaluated next, who evaluates it, what has been evaluated."""

from deap_nas.engine.agenda import Agenda, split_population
from deap_nas.engine.crew import Crew

__all__ = ["Agenda", "Crew", "split_population"]
