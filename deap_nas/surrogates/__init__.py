"""Surrogates: quick guesses at the fitness of networks that nobody has trained, learned from those that somebody has.

Importing this package imports neither torch nor scikit-learn; the first fit does.
"""

from deap_nas.surrogates.acquisition import Acquisition, expected_improvement, thompson_sampling
from deap_nas.surrogates.forest_surrogate import ForestSurrogate
from deap_nas.surrogates.gp_surrogate import GPSurrogate
from deap_nas.surrogates.graph_features import GraphFeatures
from deap_nas.surrogates.lstm_surrogate import LSTMSurrogate
from deap_nas.surrogates.rank_correlation import kendall_tau
from deap_nas.surrogates.surrogate import Genotypes, Prediction, Surrogate

__all__ = [
    "Acquisition",
    "ForestSurrogate",
    "GPSurrogate",
    "Genotypes",
    "GraphFeatures",
    "LSTMSurrogate",
    "Prediction",
    "Surrogate",
    "expected_improvement",
    "kendall_tau",
    "thompson_sampling",
]
