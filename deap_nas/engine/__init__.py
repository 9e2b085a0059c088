"""The parts of the search loops: what they start with, what is to be evaluated next, and who evaluates it."""

from deap_nas.engine.agenda import Agenda, split_population
from deap_nas.engine.crew import Crew
from deap_nas.engine.starting import check_population, check_settings, check_store, check_toolbox, n_first

__all__ = [
    "Agenda",
    "Crew",
    "check_population",
    "check_settings",
    "check_store",
    "check_toolbox",
    "n_first",
    "split_population",
]
