import random
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deap_nas.evaluation import Curves, Evaluation, Guard, Status
from deap_nas.evaluation.adapter import AdaptedFitness

SCORES = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


def evaluation(curve, **fields):
    return Evaluation((0.0,), curve=tuple(curve), **fields)


@given(st.lists(st.lists(SCORES, max_size=3)))
def test_every_question_is_answered_as_by_looking_at_all_curves(known):
    curves = Curves()
    for curve in known:
        curves.add(evaluation(curve))
    for rung in range(4):
        assert list(curves.at(rung)) == sorted(curve[rung] for curve in known if len(curve) > rung)
        assert list(curves.latest(rung)) == [tuple(curve) for curve in known if len(curve) == rung]
    assert list(curves.members) == sorted(curve[-1] for curve in known if curve)
    for first, last in ((0, 1), (0, 2), (1, 2)):
        gains = [curve[last] - curve[first] for curve in known if len(curve) > last]
        if gains:
            assert curves.largest_gain(first, last) == max(gains)
        else:
            with pytest.raises(KeyError):
                curves.largest_gain(first, last)


@given(st.lists(st.lists(SCORES, max_size=3)), st.randoms(use_true_random=False))
def test_those_who_leave_are_no_members_and_their_curves_stay(known, rng):
    evaluations = [evaluation(curve) for curve in known]
    leaving = rng.sample(evaluations, len(evaluations) // 2)
    left, never = Curves(), Curves()
    for each in evaluations:
        left.add(each)
        never.add(each, is_member=not any(each is other for other in leaving))
    for each in leaving:
        left.discard(each)
    assert left.members == never.members
    assert left.at(0) == never.at(0)


def test_the_latest_curves_are_kept_whole_up_to_fifty():
    curves = Curves()
    for number in range(60):
        curves.add(evaluation([0.0, float(number)]))
    assert [last for _, last in curves.latest(2)] == list(range(10, 60))


def test_a_reused_or_failed_evaluation_counts_once_at_most():
    curves = Curves()
    curves.add(evaluation([0.2, 0.4], id=0))
    curves.add(evaluation([0.2, 0.4], id=1, reused=0))
    curves.add(evaluation([0.3], id=2, status=Status.DIVERGED))
    curves.add(evaluation([], id=3, status=Status.NOT_VIABLE))
    assert list(curves.at(0)) == [0.2, 0.3]
    assert list(curves.members) == [0.4, 0.4]


class Stopped:
    stopping = object()

    def __call__(self, genotype):
        return (0.0,)


def test_how_a_fitness_stops_is_found_behind_a_partial_and_a_guard():
    fitness = Stopped()
    assert AdaptedFitness(partial(partial(fitness))).stopping is fitness.stopping
    assert AdaptedFitness(Guard(partial(fitness), worst_values=(0.0,))).stopping is fitness.stopping
    assert AdaptedFitness(random.random).stopping is None
