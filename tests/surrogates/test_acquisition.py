"""How much a network is worth a training."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from deap_nas.surrogates import Prediction, expected_improvement, thompson_sampling


def prediction(means, deviations):
    return Prediction(np.array(means, dtype=float), np.array(deviations, dtype=float))


@given(st.floats(-5, 5), st.floats(0.01, 10), st.floats(-5, 5))
def test_the_improvement_is_what_it_is_on_average(mean, deviation, best):
    z = (mean - best) / deviation
    if z < -6:  # where the textbook's formula cancels
        return
    expected = deviation * (z * norm.cdf(z) + norm.pdf(z))
    (found,) = expected_improvement(prediction([mean], [deviation]), best)
    assert math.exp(found) == pytest.approx(expected, rel=1e-4)


def test_the_improvement_falls_all_the_way_down():
    differences = np.concatenate([np.arange(-1000, -40), np.arange(-40, 40, 0.01), np.arange(40, 1000)])
    found = expected_improvement(prediction(differences, np.ones(len(differences))), 0.0)
    assert np.isfinite(found).all()
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize("z", [-29.99, -30.01])
def test_the_asymptote_goes_on_where_the_sum_ends(z):
    (found,) = expected_improvement(prediction([z], [1]), 0.0)
    assert found == pytest.approx(norm.logpdf(z) - 2 * math.log(-z), abs=0.01)


def test_without_a_deviation_the_difference_counts():
    found = expected_improvement(prediction([0.5, 0.7, 0.9], [0, 0, 0]), 0.6)
    assert found[0] == -math.inf
    assert np.exp(found[1:]) == pytest.approx([0.1, 0.3])


def test_samples_have_the_mean_and_the_deviation_that_are_predicted():
    draws = thompson_sampling(prediction([0.3] * 4000, [0.1] * 4000), 1.0, random.Random(0))
    assert draws.mean() == pytest.approx(0.3, abs=0.01)
    assert draws.std() == pytest.approx(0.1, abs=0.01)
    again = thompson_sampling(prediction([0.3] * 4000, [0.1] * 4000), 0.0, random.Random(0))
    assert draws.tolist() == again.tolist()
