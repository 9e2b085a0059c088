import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from deap_nas.errors import SettingsError
from deap_nas.surrogates import kendall_tau

numbers = st.integers(-3, 3) | st.floats(allow_nan=False)


@given(st.lists(st.tuples(numbers, numbers), max_size=30))
def test_tau_is_that_of_scipy(pairs):
    one, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    expected = kendalltau(one, other).statistic if len(pairs) > 1 else math.nan
    assert kendall_tau(one, other) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("one", "other", "tau"),
    [
        ([1, 2, 3], [0.1, 0.2, 0.3], 1),
        ([1, 2, 3], [3, 2, 1], -1),
        ([1, 2, 3, 4], [1, 2, 4, 3], 4 / 6),
        ([1, 1, 2], [1, 2, 3], 2 / math.sqrt(2 * 3)),
        ([0, 1], [-math.inf, math.inf], 1),
    ],
)
def test_tau_of_a_few_numbers(one, other, tau):
    assert kendall_tau(one, other) == pytest.approx(tau)


def test_tau_of_arrays_is_a_plain_number_within_its_range():
    one = np.random.default_rng(1).random(300)
    assert type(kendall_tau(one, one)) is float
    assert kendall_tau(one, one) == 1
    assert kendall_tau(one, -one) == -1
    assert abs(kendall_tau(one, np.random.default_rng(2).random(300))) < 0.2


@pytest.mark.parametrize(("one", "other"), [([], []), ([1], [2]), ([1, 1], [1, 2]), ([1, 2], [1, 1])])
def test_tau_of_what_ranks_nothing_is_no_number(one, other):
    assert math.isnan(kendall_tau(one, other))


@pytest.mark.parametrize("other", [[1, 2], [[1, 2, 3]], 3])
def test_sequences_that_do_not_match_are_refused(other):
    with pytest.raises(SettingsError, match=r"as many numbers each can be compared, found shapes \(3,\) and"):
        kendall_tau([1, 2, 3], other)


def test_a_number_that_is_none_is_refused():
    with pytest.raises(SettingsError, match="NaN has no rank"):
        kendall_tau([1, 2], [math.nan, 1])
