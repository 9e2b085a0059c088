"""How many seeds a difference needs, and which differences the seeds of a run can tell."""

from itertools import permutations
from math import sqrt

import numpy as np
from scipy import stats

#: Share of wrong alarms that a test may give, and share of true differences that it is to find.
LEVEL, POWER = 0.05, 0.8


def pooled_deviation(samples):
    """Sample standard deviation within groups of values, over all groups that have two or more."""
    groups = [np.asarray(values) for values in samples if len(values) > 1]
    squares = sum(((values - values.mean()) ** 2).sum() for values in groups)
    return sqrt(squares / sum(len(values) - 1 for values in groups)) if groups else float("nan")


def power_of(n_seeds, difference, deviation):
    """Probability that a two-sided t-test of two groups of so many seeds finds a difference."""
    freedom = 2 * n_seeds - 2
    shift = difference / deviation * sqrt(n_seeds / 2)
    limit = stats.t.ppf(1 - LEVEL / 2, freedom)
    return float(stats.nct.sf(limit, freedom, shift) + stats.nct.cdf(-limit, freedom, shift))


def seeds_needed(difference, deviation):
    """Seeds of each of two searches, so that a difference of their means is found with probability ``POWER``."""
    n_seeds = 2
    while power_of(n_seeds, difference, deviation) < POWER:
        n_seeds += 1
    return n_seeds


def least_difference(n_seeds, deviation):
    """Smallest difference of two means that so many seeds of each find with probability ``POWER``."""
    low, high = 0.0, deviation
    while power_of(n_seeds, high, deviation) < POWER:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if power_of(n_seeds, middle, deviation) >= POWER else (middle, high)
    return high


def told_apart(samples):
    """Pairs whose means differ by Tukey's test, of all pairs together at the level ``LEVEL``.

    It takes the deviation to be the same in all groups, as few seeds tell little of that of one.

    Args:
        samples: name -> values, two or more of each, not all the same.

    Returns:
        (better, worse, difference of the means, p) of each pair that is told apart, the largest difference first.
    """
    names, means = list(samples), [np.mean(values) for values in samples.values()]
    p_values = stats.tukey_hsd(*samples.values()).pvalue
    pairs = permutations(range(len(names)), 2)
    found = [
        (names[one], names[other], float(means[one] - means[other]), float(p_values[one, other]))
        for one, other in pairs
        if means[one] > means[other] and p_values[one, other] <= LEVEL
    ]
    return sorted(found, key=lambda pair: -pair[2])
