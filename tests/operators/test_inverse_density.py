"""Selection by the density of cheap objectives (LEMONADE): its distribution, and whom it leaves out."""

import math
import random
from collections import Counter

import numpy as np
import pytest
from deap import base, creator
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gaussian_kde

from deap_nas import Genotype, selInverseDensity
from deap_nas.errors import SettingsError
from deap_nas.evaluation import Evaluation, Status

creator.create("DenseFitness", base.Fitness, weights=(1.0, -1.0, -1.0))
creator.create("Dense", Genotype, fitness=creator.DenseFitness)


def member(accuracy, n_parameters, flops=1.0, status=Status.OK):
    individual = creator.Dense([0])
    individual.fitness.values = accuracy, n_parameters, flops
    individual.evaluation = Evaluation((accuracy, n_parameters, flops), status)
    return individual


def shares(population, n=20_000, **settings):
    chosen = Counter(map(id, selInverseDensity(population, n, rng=random.Random(1), **settings)))
    return [chosen[id(each)] / n for each in population]


def test_the_lonely_are_selected_more_often_whatever_their_accuracy():
    crowd = [member(0.9, 1000 + number) for number in range(9)]
    found = shares([*crowd, member(0.1, 100_000)])
    assert found[-1] > 4 * max(found[:-1])


def test_probabilities_are_those_of_a_kernel_density_estimate():
    """That of SciPy with Scott's rule, in one objective."""
    rng = random.Random(3)
    sizes = [math.exp(rng.gauss(10, 1)) for _ in range(12)]
    logarithms = np.log(sizes)
    density = gaussian_kde(logarithms, bw_method=np.std(logarithms) / np.std(logarithms, ddof=1) * 12 ** (-1 / 5))
    expected = 1 / density(logarithms)
    found = shares([member(0.5, size) for size in sizes], objectives=(1,))
    assert found == pytest.approx((expected / expected.sum()).tolist(), abs=0.012)


def test_units_do_not_matter():
    rng = random.Random(3)
    sizes = [(rng.uniform(1, 9), rng.uniform(1, 9)) for _ in range(8)]
    one, other = ([member(0.5, a * factor, b) for a, b in sizes] for factor in (1.0, 1e6))
    assert shares(one) == pytest.approx(shares(other), abs=0.01)


def test_where_all_are_equal_all_are_as_likely():
    assert shares([member(0.5, 7.0) for _ in range(4)]) == pytest.approx([0.25] * 4, abs=0.02)


def test_a_wide_kernel_tells_nobody_apart_and_a_narrow_one_sees_everyone_alone():
    population = [member(0.9, 1000 + number) for number in range(9)] + [member(0.1, 100_000)]
    for bandwidth in (1e3, 1e-6):
        assert shares(population, bandwidth=bandwidth) == pytest.approx([0.1] * 10, abs=0.02)


def test_who_has_failed_or_has_no_fitness_takes_no_part():
    """The worst values of a failure would be the loneliest of all."""
    sound = [member(0.9, 1000), member(0.8, 2000)]
    population = [*sound, member(0.0, 1e15, 1e18, Status.FAILED), creator.Dense([0])]
    assert set(map(id, selInverseDensity(population, 200, rng=random.Random(1)))) == set(map(id, sound))


@given(st.lists(st.tuples(st.floats(1e-6, 1e15), st.floats(1e-6, 1e15)), min_size=1, max_size=20), st.integers(0, 5))
def test_it_gives_references_to_as_many_as_asked_for(sizes, k):
    population = [member(0.5, *size) for size in sizes]
    chosen = selInverseDensity(population, k, rng=random.Random(1))
    assert len(chosen) == k
    assert set(map(id, chosen)) <= set(map(id, population))


@pytest.mark.parametrize(
    ("population", "settings", "message"),
    [
        ([], {}, "none among 0"),
        ([member(0.5, 0.0)], {}, "logarithms"),
        ([member(0.5, 1.0)], {"objectives": ()}, "indices"),
        ([member(0.5, 1.0)], {"objectives": (3,)}, "indices"),
        ([member(0.5, 1.0)], {"bandwidth": 0}, "bandwidth"),
    ],
)
def test_what_it_cannot_select_by_is_refused(population, settings, message):
    with pytest.raises(SettingsError, match=message):
        selInverseDensity(population, 1, **settings)
