"""Training: the fitness of a search, and the retraining of the cell it has found. Needs the extra ``torch``.

Importing this package does not import torch; the first training does.
"""

from deap_nas.training.data import dataset_info, dataset_names
from deap_nas.training.fitness import AccuracyFitness
from deap_nas.training.inheritance import ParentWeights, remove_dead_weights
from deap_nas.training.recipes import CIFAR_EVALUATION, IMAGENET, SEARCH, Recipe
from deap_nas.training.results import RetrainingProgress, RetrainingResult, RunResult
from deap_nas.training.retraining import Retraining
from deap_nas.training.sources import Augmentation, DatasetInfo, Source
from deap_nas.training.stopping import CurveBound, EarlyStopping, StoppingRule, SuccessiveHalving
from deap_nas.training.switches import Switches
from deap_nas.training.weight_sources import FreshWeights, WeightSource

__all__ = [
    "CIFAR_EVALUATION",
    "IMAGENET",
    "SEARCH",
    "AccuracyFitness",
    "Augmentation",
    "CurveBound",
    "DatasetInfo",
    "EarlyStopping",
    "FreshWeights",
    "ParentWeights",
    "Recipe",
    "Retraining",
    "RetrainingProgress",
    "RetrainingResult",
    "RunResult",
    "Source",
    "StoppingRule",
    "SuccessiveHalving",
    "Switches",
    "WeightSource",
    "dataset_info",
    "dataset_names",
    "remove_dead_weights",
]
