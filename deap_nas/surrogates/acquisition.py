"""Acquisition functions: how much a network is worth a training, by what a surrogate expects of it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from types import ModuleType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from deap_nas.surrogates.surrogate import Prediction

__all__ = ["Acquisition", "expected_improvement", "thompson_sampling"]

#: Takes a prediction, the best value so far and a generator; gives a score of each genotype, the larger the better.
Acquisition: TypeAlias = Callable[[Prediction, float, "random.Random | ModuleType"], NDArray[np.float64]]

#: Below it the asymptote has two digits and more.
_FAR = -30.0


def expected_improvement(
    prediction: Prediction,
    best: float,
    rng: random.Random | ModuleType = random,  # noqa: ARG001 - nothing is drawn
) -> NDArray[np.float64]:
    """Give the logarithm of how much better than the best each is expected to be (Jones 1998; Ament 2023).

    The logarithm tells apart even those of which next to nothing is expected. Without a deviation it is that of the
    difference from the best, or minus infinity where there is none.

    Args:
        prediction: of some genotypes.
        best: value so far, or what else is to be surpassed.
        rng: unused.
    """
    differences, deviations = (prediction.mean - best).tolist(), prediction.deviation.tolist()
    return np.array([_log_improvement(*pair) for pair in zip(differences, deviations, strict=True)])


def _log_improvement(difference: float, deviation: float) -> float:
    if deviation <= 0:
        return math.log(difference) if difference > 0 else -math.inf
    z = difference / deviation
    log_density = -z * z / 2 - math.log(2 * math.pi) / 2
    below = math.erfc(-z / math.sqrt(2)) / 2  # chance that a standard normal variable is below z
    if z > 0:
        return math.log(deviation) + math.log(math.exp(log_density) + z * below)
    # the density is taken out, lest the two parts of a small sum cancel
    rest = 1 + z * below / math.exp(log_density) if z > _FAR else z**-2
    return math.log(deviation) + log_density + math.log(rest)


def thompson_sampling(
    prediction: Prediction,
    best: float,  # noqa: ARG001 - what is drawn does not depend on it
    rng: random.Random | ModuleType = random,
) -> NDArray[np.float64]:
    """Draw what each may come to, one by one (Thompson 1933).

    Args:
        prediction: of some genotypes.
        best: unused.
        rng: source of the draws.
    """
    means, deviations = prediction.mean.tolist(), prediction.deviation.tolist()
    return np.array([rng.gauss(*pair) for pair in zip(means, deviations, strict=True)])
