"""Training: the fitness of a search, and the retraining of the cell it has found. Needs the extra ``torch``.

Importing this package does not import torch; the first training does.
"""

from deap_nas.training.data.datasets import dataset_info, dataset_names
from deap_nas.training.data.sources import Augmentation, DatasetInfo, Source
from deap_nas.training.fitness.accuracy import AccuracyFitness
from deap_nas.training.fitness.curve_extrapolation import CurveExtrapolation, Extrapolation, extrapolate
from deap_nas.training.fitness.early_stopping import EarlyStopping
from deap_nas.training.fitness.latency import Latency
from deap_nas.training.fitness.one_shot import OneShotFitness
from deap_nas.training.fitness.stopping_rules import CurveBound, StoppingRule, SuccessiveHalving
from deap_nas.training.recipes import (
    AMOEBANET,
    AMOEBANET_EVALUATION,
    CIFAR_EVALUATION,
    EPNAS,
    EPNAS_EVALUATION,
    HILL_CLIMBING,
    IMAGENET,
    LARGE_SCALE,
    RECIPES,
    SEARCH,
    Annealing,
    Recipe,
)
from deap_nas.training.retraining.results import RetrainingProgress, RetrainingResult, RunResult
from deap_nas.training.retraining.retraining import Retraining
from deap_nas.training.searched_networks import (
    SearchedAccuracies,
    SearchedNetwork,
    searched_accuracies,
    searched_network,
)
from deap_nas.training.training_switches import Switches
from deap_nas.training.weights.inheritance import ParentWeights, remove_dead_weights
from deap_nas.training.weights.morphed_weights import MorphedWeights
from deap_nas.training.weights.shared_weights import SharedWeights
from deap_nas.training.weights.weight_sources import FreshWeights, WeightSource

__all__ = [
    "AMOEBANET",
    "AMOEBANET_EVALUATION",
    "CIFAR_EVALUATION",
    "EPNAS",
    "EPNAS_EVALUATION",
    "HILL_CLIMBING",
    "IMAGENET",
    "LARGE_SCALE",
    "RECIPES",
    "SEARCH",
    "AccuracyFitness",
    "Annealing",
    "Augmentation",
    "CurveBound",
    "CurveExtrapolation",
    "DatasetInfo",
    "EarlyStopping",
    "Extrapolation",
    "FreshWeights",
    "Latency",
    "MorphedWeights",
    "OneShotFitness",
    "ParentWeights",
    "Recipe",
    "Retraining",
    "RetrainingProgress",
    "RetrainingResult",
    "RunResult",
    "SearchedAccuracies",
    "SearchedNetwork",
    "SharedWeights",
    "Source",
    "StoppingRule",
    "SuccessiveHalving",
    "Switches",
    "WeightSource",
    "dataset_info",
    "dataset_names",
    "extrapolate",
    "remove_dead_weights",
    "searched_accuracies",
    "searched_network",
]
