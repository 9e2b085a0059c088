"""Training as a fitness: recipes, datasets, and the mean validation accuracy of a genotype. Needs the extra ``torch``.

Importing this package does not import torch; the first training does.
"""

from deap_nas.training.data import Augmentation, DatasetInfo, Source, dataset_info, dataset_names
from deap_nas.training.fitness import AccuracyFitness
from deap_nas.training.recipes import SEARCH, Recipe

__all__ = [
    "SEARCH",
    "AccuracyFitness",
    "Augmentation",
    "DatasetInfo",
    "Recipe",
    "Source",
    "dataset_info",
    "dataset_names",
]
