"""Search strategies: who is evaluated next."""

from deap_nas.strategies.pair_tournaments import PairTournaments
from deap_nas.strategies.proposals import END, Proposal, Strategy
from deap_nas.strategies.tournaments import Tournaments

__all__ = ["END", "PairTournaments", "Proposal", "Strategy", "Tournaments"]
