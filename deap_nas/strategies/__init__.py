"""Search strategies: who is evaluated next."""

from deap_nas.strategies.proposals import Proposal, Strategy
from deap_nas.strategies.tournaments import Tournaments

__all__ = ["Proposal", "Strategy", "Tournaments"]
