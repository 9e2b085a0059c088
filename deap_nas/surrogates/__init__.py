"""Surrogates: quick guesses at the fitness of networks that nobody has trained, learned from those that somebody has.

Importing this package does not import torch; the first fit does.
"""

from deap_nas.surrogates.lstm_surrogate import LSTMSurrogate
from deap_nas.surrogates.rank_correlation import kendall_tau
from deap_nas.surrogates.surrogate import Genotypes, Prediction, Surrogate

__all__ = ["Genotypes", "LSTMSurrogate", "Prediction", "Surrogate", "kendall_tau"]
