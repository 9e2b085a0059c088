import random
from collections import Counter
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from deap_nas import selTournamentCrowded, selTournamentFraction
from deap_nas.errors import SettingsError
from tests.strategies import seeds
from tests.toolboxes import MaxIndividual, MinIndividual, PairIndividual, evaluated

#: Individuals by the size of their tournament for the paper's fraction of 0.05.
SIZES = [(1, 1), (2, 2), (3, 2), (40, 2), (49, 2), (59, 3), (61, 3), (100, 5), (200, 10), (7000, 350)]


def ranks_won(population, k, *, best_first, **settings):
    """How often each rank wins; rank 0 is the best."""
    rank = {id(individual): place for place, individual in enumerate(best_first)}
    return Counter(rank[id(winner)] for winner in selTournamentFraction(population, k, **settings))


@pytest.mark.parametrize(("n", "fraction"), [(12, 0.25), (40, 0.05), (40, 0.1), (100, 0.05), (10, 0.5)])
def test_each_rank_wins_as_often_as_the_best_of_a_sample_without_replacement(n, fraction):
    population = evaluated(MaxIndividual, *range(n))
    tournsize = max(2, round(fraction * n))
    random.Random(1).shuffle(population)
    best_first = sorted(population, key=lambda individual: individual.fitness, reverse=True)
    k = 20_000
    counts = ranks_won(population, k, best_first=best_first, fraction=fraction, rng=random.Random(2))
    expected = [k * comb(n - 1 - rank, tournsize - 1) / comb(n, tournsize) for rank in range(n)]
    assert all(counts[rank] == 0 for rank in range(n) if expected[rank] == 0)
    common = [rank for rank in range(n) if expected[rank] >= 5]
    rare = [rank for rank in range(n) if 0 < expected[rank] < 5]
    observed = [counts[rank] for rank in common] + [sum(counts[rank] for rank in rare)]
    shares = [expected[rank] for rank in common] + [sum(expected[rank] for rank in rare)]
    cut = len(shares) if shares[-1] > 0 else -1
    assert chisquare(observed[:cut], shares[:cut]).pvalue > 1e-3


@pytest.mark.parametrize(("n", "size"), SIZES)
def test_a_tournament_has_five_percent_of_the_evaluated_and_at_least_two(n, size):
    population = evaluated(MaxIndividual, *range(n, 0, -1))
    counts = ranks_won(population, 2000, best_first=population, rng=random.Random(3))
    assert max(counts) <= n - size
    mean = sum(rank * count for rank, count in counts.items()) / 2000
    expected = (n + 1) / (size + 1) - 1  # mean of the smallest of a sample without replacement
    assert mean == pytest.approx(expected, rel=0.15, abs=0.1)


def test_the_whole_population_as_a_tournament_gives_the_best():
    population = evaluated(MaxIndividual, 1, 5, 3)
    assert selTournamentFraction(population, 4, fraction=1, rng=random.Random(4)) == [population[1]] * 4


@pytest.mark.parametrize("fraction", [0.01, 0.5, 1.0])
def test_minimising_weights_make_the_smallest_value_win(fraction):
    population = evaluated(MinIndividual, 2, 1)
    winners = selTournamentFraction(population, 50, fraction=fraction, rng=random.Random(5))
    assert all(winner is population[1] for winner in winners)


def test_several_objectives_compare_as_deap_compares_them():
    population = evaluated(PairIndividual, (1.0, 5.0), (1.0, 2.0), (0.5, 0.0))
    assert selTournamentFraction(population, 1, fraction=1)[0] is population[1]


@given(seeds, st.integers(2, 60))
def test_among_equals_the_first_drawn_wins(seed, n):
    population = evaluated(MaxIndividual, *[1.0] * n)
    winners = selTournamentFraction(population, 3, fraction=0.5, rng=random.Random(seed))
    rng, tournsize = random.Random(seed), max(2, round(0.5 * n))
    assert all(winner is rng.sample(population, tournsize)[0] for winner in winners)


def test_equals_win_equally_often_wherever_they_stand():
    population = evaluated(MaxIndividual, *[1.0] * 20)
    counts = ranks_won(population, 10_000, best_first=population, fraction=0.2, rng=random.Random(6))
    assert chisquare([counts[place] for place in range(20)]).pvalue > 1e-3


@given(seeds, st.lists(st.floats(-10, 10), min_size=1, max_size=30), st.integers(0, 5))
def test_selection_gives_k_references_and_changes_nobody(seed, values, k):
    population = evaluated(MaxIndividual, *values)
    winners = selTournamentFraction(population, k, rng=random.Random(seed))
    assert len(winners) == k
    assert all(any(winner is member for member in population) for winner in winners)
    assert [individual.fitness.values[0] for individual in population] == values


def test_members_without_a_fitness_take_no_part():
    population = [MaxIndividual([0]), *evaluated(MaxIndividual, -3.0), MaxIndividual([0])]
    winners = selTournamentFraction(population, 20, fraction=1, rng=random.Random(7))
    assert all(winner is population[1] for winner in winners)


def test_the_fitness_may_have_another_name():
    population = evaluated(MaxIndividual, 1, 2)
    for individual in population:
        individual.accuracy = individual.fitness
        del individual.fitness
    winner = selTournamentFraction(population, 1, fraction=1, fit_attr="accuracy")[0]
    assert winner is population[1]


def test_the_global_generator_is_the_default():
    population = evaluated(MaxIndividual, *range(50))
    random.seed(8)
    first = selTournamentFraction(population, 10)
    random.seed(8)
    assert [id(winner) for winner in selTournamentFraction(population, 10)] == [id(winner) for winner in first]


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, float("nan")])
def test_a_fraction_out_of_its_range_is_refused(fraction):
    with pytest.raises(SettingsError, match=r"fraction must lie in \(0, 1\]"):
        selTournamentFraction(evaluated(MaxIndividual, 1), 1, fraction=fraction)


@pytest.mark.parametrize("population", [[], [MaxIndividual([0])]])
def test_a_tournament_of_nobody_is_refused(population):
    with pytest.raises(SettingsError, match="needs an evaluated individual"):
        selTournamentFraction(population, 1)


def crowded(*pairs, distances):
    members = evaluated(PairIndividual, *pairs)
    for member, distance in zip(members, distances, strict=True):
        member[:] = [len(member), id(member)]  # equal to itself only
        if distance is not None:
            member.fitness.crowding_dist = distance
    return members


def test_of_a_pair_the_dominating_one_wins_then_the_lonelier_one():
    rng = random.Random(0)
    better, worse = crowded((2.0, 1.0), (1.0, 2.0), distances=(0.1, 9.0))
    assert selTournamentCrowded([better, worse], 20, rng=rng) == [better] * 20
    lonely, packed = crowded((2.0, 2.0), (1.0, 1.0), distances=(2.0, 0.5))
    assert {id(winner) for winner in selTournamentCrowded([packed, lonely], 20, rng=rng)} == {id(lonely)}


def test_a_newcomer_without_a_crowding_distance_counts_as_lonely():
    newcomer, packed = crowded((2.0, 2.0), (1.0, 1.0), distances=(None, 0.5))
    assert {id(winner) for winner in selTournamentCrowded([packed, newcomer], 20)} == {id(newcomer)}


def test_of_pairs_alike_the_first_drawn_wins_so_both_do():
    members = crowded((1.0, 1.0), (1.0, 1.0), distances=(1.0, 1.0))
    assert {id(winner) for winner in selTournamentCrowded(members, 60, rng=random.Random(1))} == set(map(id, members))


def test_one_individual_wins_alone_and_nobody_is_refused():
    (member,) = crowded((1.0, 1.0), distances=(1.0,))
    assert selTournamentCrowded([member], 2) == [member, member]
    with pytest.raises(SettingsError, match="needs an individual"):
        selTournamentCrowded([], 1)
