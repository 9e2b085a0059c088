import random
from collections import Counter
from functools import partial

import pytest
from deap import tools
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from deap_nas import eaAsync, killLoser, killOldest, killUnselected
from deap_nas.errors import SettingsError
from deap_nas.evaluation import Evaluation
from deap_nas.executors import SerialExecutor
from deap_nas.store import MemoryStore
from tests.toolboxes import MaxIndividual, PairIndividual, evaluated, make_toolbox

RULES = {
    "oldest": killOldest,
    "loser": killLoser,
    "unselected": partial(killUnselected, select=tools.selBest),
}
values = st.lists(st.integers(0, 5), min_size=1, max_size=30)


def members_with(*fitness):
    members = evaluated(MaxIndividual, *fitness)
    for number, member in enumerate(members):
        member.evaluation = Evaluation(id=number)
        member[:] = [number]  # so that members are equal only to themselves
    return members


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@given(values=values, size=st.integers(1, 30))
def test_as_many_die_as_there_are_too_many_and_nobody_twice(rule, values, size):
    members = members_with(*values)
    dead = list(rule(members, size=size))
    assert len(dead) == len({id(member) for member in dead}) == max(0, len(members) - size)
    assert {id(member) for member in dead} <= {id(member) for member in members}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("size", [0, -1])
def test_a_size_that_is_not_positive_is_refused(rule, size):
    with pytest.raises(SettingsError, match=f"size must be at least 1, found {size}"):
        rule(members_with(1.0, 2.0), size=size)


def test_the_oldest_joined_first():
    members = members_with(5, 1, 4, 2)
    assert list(killOldest(members, size=3)) == members[:1]


@given(values)
def test_the_unique_best_is_never_the_loser_of_a_pair(values):
    members = members_with(*values, 9)
    random.Random(len(values)).shuffle(members)
    dead = killLoser(members, size=1)
    assert all(member.fitness.values != (9.0,) for member in dead)


def test_the_dead_of_a_pair_depend_on_the_seed_and_the_newest_member_only():
    members = members_with(*range(50))
    assert killLoser(members, size=45, seed=1) == killLoser(list(members), size=45, seed=1)
    assert (
        len({tuple(map(tuple, [m.fitness.values for m in killLoser(members, size=45, seed=s)])) for s in range(9)}) > 5
    )


def test_each_newest_member_draws_other_pairs():
    members = members_with(*range(50))
    dead = set()
    for newest in range(49, 58):
        members[-1].evaluation = Evaluation(id=newest)
        dead.add(tuple(member[0] for member in killLoser(members, size=45, seed=1)))
    assert len(dead) > 5


def test_the_loser_is_worse_of_a_uniform_pair():
    members = members_with(0, 1, 2, 3)
    deaths = Counter(int(killLoser(members, size=3, seed=seed)[0].fitness.values[0]) for seed in range(3000))
    # of six pairs the least fit is in three, the next in two more, the next in one more
    assert stats.chisquare([deaths[0], deaths[1], deaths[2]], [1500, 1000, 500]).pvalue > 1e-4
    assert deaths[3] == 0


def test_of_equally_fit_ones_the_first_drawn_stays():
    members = members_with(1.0, 1.0)
    survivors = {id(members[0]) == id(killLoser(members, size=1, seed=seed)[0]) for seed in range(20)}
    assert survivors == {True, False}


def test_nsga2_keeps_the_first_front():
    members = evaluated(PairIndividual, (1.0, 1.0), (2.0, 2.0), (0.5, 3.0), (3.0, 4.0))
    dead = killUnselected(members, size=3, select=tools.selNSGA2)
    assert [member.fitness.values for member in dead] == [(0.5, 3.0)]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_in_the_loop_the_population_keeps_its_size_and_the_store_everybody(rule):
    store = MemoryStore()
    rng = random.Random(3)
    toolbox = make_toolbox(rng=rng)
    with SerialExecutor() as executor:
        population, _ = eaAsync(
            toolbox.population(8), toolbox, executor, n_evaluations=40, store=store, rng=rng,
            survival=partial(rule, size=8),
        )  # fmt: skip
    assert len(population) == 8
    assert store.n_evaluated == 40
    alive = [record.evaluation.id for record in store.records() if record.alive]
    assert alive == [member.evaluation.id for member in population]
    if rule is killOldest:
        assert alive == list(range(32, 40))
