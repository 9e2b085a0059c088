"""What the rules for stopping would have done to recorded curves, by the benchmark that replays them."""

from importlib import import_module

import numpy as np
import pytest

from deap_nas.training import CurveBound, CurveExtrapolation, SuccessiveHalving
from tests.launch import ROOT


@pytest.fixture
def curves(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return import_module("curves")


def recorded(curves, rows, rungs=(0.25, 0.75)):
    return curves.Recorded(rungs, np.array(rows), "")


def test_without_a_rule_all_are_trained_whole(curves):
    replay = curves.Replay(None, recorded(curves, [(0.1, 0.2, 0.3), (0.0, 0.0, 0.1)]))
    lengths, is_wrong = replay.in_order([1, 0])
    assert lengths.tolist() == [3, 3]
    assert not is_wrong.any()


def test_who_is_stopped_depends_on_those_before_it(curves):
    rows = [(0.5, 0.5, 0.5), (0.4, 0.4, 0.4), (0.3, 0.9, 0.9)]
    replay = curves.Replay(SuccessiveHalving(fraction=0.5), recorded(curves, rows))
    assert replay.in_order([0, 1, 2])[0].tolist() == [3, 3, 1]
    # by the first rung the last to come is the best, and by the second the first to come was
    assert replay.in_order([2, 1, 0])[0].tolist() == [2, 3, 3]


def test_what_a_stopped_training_would_have_reached_is_not_known_to_the_rule(curves):
    rows = [(0.5, 0.5, 0.5), (0.4, 0.4, 0.4), (0.3, 0.9, 0.9), (0.5, 0.6, 0.6)]
    replay = curves.Replay(SuccessiveHalving(fraction=0.5), recorded(curves, rows))
    # the last is the best that has come to the second rung, since the third has not
    assert replay.in_order([0, 1, 2, 3])[0].tolist() == [3, 3, 1, 3]


def test_wrongly_stopped_is_who_would_have_ended_as_high_as_was_asked_for(curves):
    # halving is to keep the best half, here who ends as high as the second of two
    rows = [(0.5, 0.5, 0.5), (0.4, 0.4, 0.4), (0.3, 0.9, 0.9), (0.3, 0.3, 0.3)]
    replay = curves.Replay(SuccessiveHalving(fraction=0.5), recorded(curves, rows))
    lengths, is_wrong = replay.in_order([0, 1, 2, 3])
    assert lengths.tolist() == [3, 3, 1, 1]
    assert is_wrong.tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("rule", "quantile"),
    [
        (SuccessiveHalving(fraction=0.25), 0.75),
        (CurveBound(quantile=0.6), 0.6),
        (CurveExtrapolation(quantile=1.0, n_points=2), 1.0),
    ],
)
def test_what_a_rule_asks_for_is_a_share_of_those_before(curves, rule, quantile):
    assert curves.Replay(rule, recorded(curves, [(0.1, 0.1, 0.1)])).quantile == quantile


def test_extrapolation_stops_a_curve_that_rests_below_the_best(curves):
    rungs = CurveExtrapolation.usual_rungs
    rising = [[0.5 + 0.4 * share for share in (*rungs, 1.0)]] * 3
    resting = [[0.4] * 10]
    replay = curves.Replay(CurveExtrapolation(n_whole=3), recorded(curves, rising + resting, rungs))
    lengths, is_wrong = replay.in_order([0, 1, 2, 3])
    assert lengths.tolist() == [10, 10, 10, 4]
    assert not is_wrong.any()


def test_only_the_rungs_nearest_to_those_asked_for_are_left(curves):
    found = recorded(curves, [(0.1, 0.2, 0.3, 0.4)], rungs=(0.1, 0.4, 0.8)).at((0.35, 0.9))
    assert found.rungs == (0.4, 0.8)
    assert found.curves.tolist() == [[0.2, 0.3, 0.4]]
