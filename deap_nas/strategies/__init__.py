"""Search strategies: who is evaluated next."""

from deap_nas.strategies.hill_climbing import HillClimbing
from deap_nas.strategies.pair_tournaments import PairTournaments
from deap_nas.strategies.preselection import Preselect
from deap_nas.strategies.progressive import ProgressiveSearch, temperatures
from deap_nas.strategies.proposals import END, Proposal, Strategy
from deap_nas.strategies.random_search import RandomSearch
from deap_nas.strategies.several_searches import SeveralSearches
from deap_nas.strategies.tournaments import Tournaments

__all__ = [
    "END",
    "HillClimbing",
    "PairTournaments",
    "Preselect",
    "ProgressiveSearch",
    "Proposal",
    "RandomSearch",
    "SeveralSearches",
    "Strategy",
    "Tournaments",
    "temperatures",
]
