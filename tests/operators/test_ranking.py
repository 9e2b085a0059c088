import copy
import pickle
import random
from collections import Counter
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from deap_nas import selTournamentFraction
from deap_nas.operators import RankedPopulation
from tests.toolboxes import MaxIndividual, MinIndividual, PairIndividual, evaluated


def ranked(*values, icls=MaxIndividual):
    members = evaluated(icls, *values)
    for number, member in enumerate(members):
        member[:] = [number]  # so that members are equal only to themselves
    return RankedPopulation(members)


@pytest.mark.parametrize(("n", "tournsize"), [(12, 3), (40, 2), (9, 9), (5, 1), (60, 20)])
def test_each_rank_wins_as_often_as_the_best_of_a_sample_without_replacement(n, tournsize):
    values = list(range(n))
    random.Random(3).shuffle(values)
    population, rng = ranked(*values), random.Random(1)
    wins = Counter(int(population.winner(tournsize, rng).fitness.values[0]) for _ in range(6000))
    expected = [6000 * comb(value, tournsize - 1) / comb(n, tournsize) for value in range(n)]
    assert all(wins[value] == 0 for value in range(n) if expected[value] == 0)
    often = [value for value in range(n) if expected[value] >= 5]
    rest = 6000 - sum(expected[value] for value in often)
    observed, wanted = [wins[value] for value in often], [expected[value] for value in often]
    if rest > 1:
        observed, wanted = [*observed, 6000 - sum(observed)], [*wanted, rest]
    if len(observed) > 1:
        assert chisquare(observed, wanted).pvalue > 1e-4


def test_equally_fit_ones_win_equally_often():
    population, rng = ranked(1.0, 0.0, 1.0, 1.0, 0.0), random.Random(2)
    wins = Counter(population.winner(2, rng)[0] for _ in range(4000))
    # the pair of the two less fit is one of ten; else one of the three others wins
    assert chisquare([wins[n] for n in range(5)], [1200, 200, 1200, 1200, 200]).pvalue > 1e-4


def test_minimised_and_several_objectives_are_ranked_as_deap_compares_them():
    assert ranked(3.0, 1.0, 2.0, icls=MinIndividual).winner(3).fitness.values == (1.0,)
    assert ranked((1.0, 5.0), (1.0, 2.0), (0.0, 0.0), icls=PairIndividual).winner(3).fitness.values == (1.0, 2.0)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=20), st.data())
def test_it_stays_in_the_order_of_joining_and_forgets_who_leaves(values, data):
    population = ranked(*values)
    members = list(population)
    leaving = data.draw(st.lists(st.sampled_from(range(len(members))), max_size=len(members) - 1, unique=True))
    population.discard([members[number] for number in leaving])
    assert [member[0] for member in population] == [n for n in range(len(members)) if n not in leaving]
    (newcomer,) = evaluated(MaxIndividual, 2, genes=[99])
    population.append(newcomer)
    assert population[-1] is newcomer
    fittest = max(member.fitness.values for member in population)
    assert population.winner(len(population)).fitness.values == fittest
    winners = {population.winner(1, random.Random(seed))[0] for seed in range(300)}
    assert winners == {member[0] for member in population}


def test_selection_draws_from_it_as_from_a_list():
    rng = random.Random(5)
    values = [rng.randint(0, 6) for _ in range(30)]
    population = ranked(*values)
    wins = Counter(w.fitness.values for w in selTournamentFraction(population, 5000, fraction=0.1, rng=rng))
    same = Counter(w.fitness.values for w in selTournamentFraction(list(population), 5000, fraction=0.1, rng=rng))
    keys = [key for key in same if same[key] > 20]
    total = [wins[key] + same[key] for key in keys]
    assert (
        chisquare([wins[key] for key in keys], [n * sum(wins[k] for k in keys) / sum(total) for n in total]).pvalue
        > 1e-4
    )


def test_a_copy_is_a_plain_list_and_changes_that_would_leave_the_ranking_behind_are_refused():
    population = ranked(1.0, 2.0)
    for twin in (copy.copy(population), copy.deepcopy(population), pickle.loads(pickle.dumps(population))):
        assert type(twin) is list
        assert twin == [[0], [1]]
    assert copy.copy(population)[0] is population[0]
    assert copy.deepcopy(population)[0] is not population[0]
    for name, *arguments in (("pop",), ("remove", population[0]), ("sort",), ("extend", []), ("__setitem__", 0, None)):
        with pytest.raises(TypeError, match="changes by append and discard only"):
            getattr(population, name)(*arguments)
    assert len(population) == 2
