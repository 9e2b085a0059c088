import math
import time

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deap_nas.errors import SettingsError
from deap_nas.evaluation import Curves, Evaluation, Status
from deap_nas.training import CurveBound, CurveExtrapolation, EarlyStopping, extrapolate
from deap_nas.training.fitness import curve_extrapolation

TENTHS = CurveExtrapolation.usual_rungs
ACCURACIES = st.floats(0, 1)
CURVES = st.lists(ACCURACIES, min_size=1, max_size=9).map(tuple)


def curve_of(shape, *, end, gain, shares=TENTHS):
    """A curve that ends with an accuracy, after it has gained so much since the first share."""
    first, last = shape(shares[0]), shape(1.0)
    return tuple(end - gain * (shape(share) - last) / (first - last) for share in shares)


def curves_of(*known):
    curves = Curves()
    for number, curve in enumerate(known):
        curves.add(Evaluation((curve[-1],), id=number, curve=curve))
    return curves


@given(st.floats(0.2, 3), st.floats(0.3, 0.95), st.floats(0.05, 0.3), st.integers(6, 9))
def test_a_power_law_is_extrapolated_to_where_it_ends(power, end, gain, n_seen):
    curve = curve_of(lambda share: share**-power, end=end, gain=gain)[:n_seen]
    found = extrapolate(TENTHS[:n_seen], curve)
    assert found.mean == pytest.approx(end, abs=0.01)
    assert found.chance(end - 0.03) > 0.9
    assert found.chance(end + 0.03) < 0.1


@pytest.mark.parametrize(
    "shape",
    [
        lambda share: math.exp(-3 * share),
        lambda share: math.exp(-((4 * share) ** 0.5)),
        lambda share: 1 / (1 + 9 * share),
    ],
)
def test_other_families_are_extrapolated_to_where_they_end(shape):
    curve = curve_of(shape, end=0.7, gain=0.4)
    for n_seen, tolerance in ((5, 0.06), (7, 0.02), (9, 0.01)):
        found = extrapolate(TENTHS[:n_seen], curve[:n_seen])
        assert found.mean == pytest.approx(0.7, abs=tolerance)
        assert abs(found.mean - 0.7) < 2 * found.deviation


def test_more_is_known_the_more_of_a_curve_is_seen():
    rng = np.random.default_rng(0)
    curve = np.array(curve_of(lambda share: share**-0.5, end=0.6, gain=0.4)) + 0.01 * rng.normal(size=9)
    deviations = [extrapolate(TENTHS[:n_seen], curve[:n_seen]).deviation for n_seen in (1, 3, 5, 7, 9)]
    assert deviations == sorted(deviations, reverse=True)
    assert deviations[0] > 0.15
    assert deviations[-1] < 0.02


def test_noise_around_a_curve_is_told_as_uncertainty():
    shape = curve_of(lambda share: share**-0.5, end=0.6, gain=0.4)
    noisy = np.array(shape) + 0.03 * np.array([1, -1, 1, -1, 1, -1, 1, -1, 1])
    assert extrapolate(TENTHS, noisy).deviation > 4 * extrapolate(TENTHS, shape).deviation


def test_the_noise_of_the_last_accuracy_is_in_its_uncertainty():
    # of so many points, the place of the curve is known much better
    noisy = [0.5 + (0.03 if number % 2 else -0.03) for number in range(99)]
    assert extrapolate([number / 100 for number in range(1, 100)], noisy).deviation == pytest.approx(0.03, rel=0.2)


@given(ACCURACIES)
def test_a_constant_curve_stays_where_it_is(accuracy):
    found = extrapolate(TENTHS, (accuracy,) * 9)
    assert found.mean == pytest.approx(accuracy, abs=0.01)
    assert found.deviation < 0.02


@given(CURVES, st.lists(st.booleans(), min_size=9, max_size=9), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_is_not_finite_is_left_out(curve, is_lost, instead):
    rungs = TENTHS[: len(curve)]
    broken = [instead if lost else score for score, lost in zip(curve, is_lost, strict=False)]
    left = [pair for pair, lost in zip(zip(rungs, curve, strict=True), is_lost, strict=False) if not lost]
    found, whole = extrapolate(rungs, broken), extrapolate([pair[0] for pair in left], [pair[1] for pair in left])
    assert (found.mean, found.deviation) == (whole.mean, whole.deviation)
    standing = CurveExtrapolation().standing(broken, rungs=rungs)
    assert standing >= max((score for _, score in left), default=-1)


def test_nothing_is_known_of_a_curve_without_a_point():
    assert extrapolate((), ()).deviation == 0.3


@given(CURVES, st.floats(-1, 2), st.floats(-1, 2))
def test_the_chance_falls_with_what_is_to_be_reached(curve, one, other):
    found = extrapolate(TENTHS[: len(curve)], curve)
    low, high = sorted((one, other))
    assert 1 >= found.chance(low) >= found.chance(high) >= 0
    assert found.chance(-math.inf) == pytest.approx(1)
    assert found.chance(math.inf) == 0


@given(CURVES, st.floats(0.01, 0.99))
def test_the_most_with_a_chance_is_reached_with_that_chance(curve, chance):
    found = extrapolate(TENTHS[: len(curve)], curve)
    assert found.chance(found.most(chance)) == pytest.approx(chance, abs=1e-6)


@given(
    st.lists(st.floats(0, 1, exclude_min=True, exclude_max=True), min_size=1, max_size=12, unique=True).map(sorted),
    st.data(),
)
def test_any_curve_at_any_shares_is_extrapolated_to_finite_numbers(shares, data):
    curve = data.draw(st.lists(ACCURACIES, min_size=len(shares), max_size=len(shares)))
    found = extrapolate(shares, curve)
    assert math.isfinite(found.mean)
    assert 0 < found.deviation < math.inf
    assert found.weights.sum() == pytest.approx(1)


def test_next_to_the_end_where_all_shapes_are_flat_a_line_is_left():
    assert extrapolate((1 - 1e-15,), (0.4,)).mean == pytest.approx(0.4, abs=0.2)


@pytest.mark.parametrize("n_seen", [1, 2, 4, 9])
def test_the_mixture_is_what_the_joint_normal_distribution_of_points_and_end_says(n_seen):
    rungs, curve = TENTHS[:n_seen], np.array((0.2, 0.31, 0.35, 0.33, 0.4, 0.41, 0.45, 0.44, 0.45))[:n_seen]
    (end, end_deviation), (gain, gain_deviation) = curve_extrapolation._END, curve_extrapolation._GAIN
    weights, means, deviations = [], [], []
    for noise in curve_extrapolation._NOISES.ravel():
        for shape in curve_extrapolation._shapes(rungs):
            # the covariance of the points, and of the end with them, once f and d are integrated out
            signals = end_deviation**2 + gain_deviation**2 * np.outer(shape, shape)
            inverse = np.linalg.inv(signals + noise**2 * np.eye(n_seen))
            away, with_end = curve - (end - gain * shape), np.full(n_seen, end_deviation**2)
            weights.append(math.exp((np.linalg.slogdet(inverse)[1] - away @ inverse @ away) / 2))
            means.append(end + with_end @ inverse @ away)
            deviations.append(math.sqrt(end_deviation**2 + noise**2 - with_end @ inverse @ with_end))
    weights, means, found = np.array(weights) / sum(weights), np.array(means), extrapolate(rungs, curve)
    assert found.mean == pytest.approx(weights @ means, abs=1e-6)
    variance = weights @ (np.array(deviations) ** 2 + (means - weights @ means) ** 2)
    assert found.deviation == pytest.approx(math.sqrt(variance), rel=1e-6)


@pytest.mark.parametrize(
    ("shares", "accuracies"),
    [((0.1, 0.2), (0.5,)), ((0.2, 0.1), (0.5, 0.5)), ((0.0,), (0.5,)), ((0.5, 1.0), (0.5, 0.5))],
)
def test_shares_that_do_not_belong_to_the_accuracies_are_refused(shares, accuracies):
    with pytest.raises(SettingsError, match=r"ascend in \(0, 1\), one each"):
        extrapolate(shares, accuracies)


def test_a_decision_takes_much_less_than_twenty_milliseconds():
    rng, rule = np.random.default_rng(0), CurveExtrapolation()
    rungs = tuple(number / 20 for number in range(1, 20))
    curves = [tuple(0.5 + 0.02 * rng.normal(size=19)) for _ in range(20)]
    begun = time.process_time()
    for curve in curves:
        rule.standing(curve, rungs=rungs)
    assert (time.process_time() - begun) / len(curves) < 0.02


@given(CURVES, st.floats(0, 1))
def test_a_training_that_has_reached_the_target_goes_on(curve, share):
    target = share * max(curve)
    assert EarlyStopping(TENTHS, CurveExtrapolation()).goes_on(curve, cutoffs=(target,) * 9)


@given(CURVES, ACCURACIES, ACCURACIES)
def test_what_goes_on_for_a_target_goes_on_for_a_lower_one(curve, one, other):
    stopping = EarlyStopping(TENTHS, CurveExtrapolation())
    low, high = sorted((one, other))
    assert stopping.goes_on(curve, cutoffs=(low,) * 9) >= stopping.goes_on(curve, cutoffs=(high,) * 9)


@given(CURVES)
def test_nothing_is_stopped_where_nothing_is_asked_and_everything_where_all_is(curve):
    stopping = EarlyStopping(TENTHS, CurveExtrapolation())
    assert stopping.goes_on(curve, cutoffs=(-math.inf,) * 9)
    assert stopping.goes_on(curve, cutoffs=(math.inf,) * (len(curve) - 1))
    assert not stopping.goes_on(curve, cutoffs=(math.inf,) * 9)


@given(CURVES, st.floats(0.001, 0.5), st.floats(0.01, 0.5))
def test_a_training_goes_on_if_and_only_if_its_chance_is_large_enough(curve, missing, chance):
    target = max(curve) + missing
    found = extrapolate(TENTHS[: len(curve)], curve).chance(target)
    assume(abs(found - chance) > 1e-6)
    stopping = EarlyStopping(TENTHS, CurveExtrapolation(chance=chance))
    assert stopping.goes_on(curve, cutoffs=(target,) * 9) == (found > chance)


def test_a_curve_that_has_come_to_rest_below_the_target_is_stopped_and_one_that_climbs_is_not():
    resting = curve_of(lambda share: share**-3, end=0.4, gain=0.3)[:5]
    climbing = curve_of(lambda share: share**-0.2, end=0.6, gain=0.5)[:5]
    assert climbing[-1] < resting[-1] + 0.1
    stopping = EarlyStopping(TENTHS, CurveExtrapolation())
    assert not stopping.goes_on(resting, cutoffs=(0.55,) * 9)
    assert stopping.goes_on(climbing, cutoffs=(0.55,) * 9)


def test_nobody_is_stopped_before_enough_points_and_enough_whole_trainings():
    rungs = (0.2, 0.4, 0.6, 0.8)
    whole, stopped = [(0.1, 0.2, 0.3, 0.4, 0.5)] * 3, [(0.1, 0.2)] * 50
    rule = CurveExtrapolation(n_points=3, n_whole=3)
    found = EarlyStopping(rungs, rule).cutoffs(curves_of(*whole, *stopped))
    assert found[:2] == (-math.inf, -math.inf)
    assert min(found[2:]) > -math.inf
    assert set(EarlyStopping(rungs, rule).cutoffs(curves_of(*whole[:2], *stopped))) == {-math.inf}
    assert set(EarlyStopping(rungs, rule).cutoffs(Curves())) == {-math.inf}


def test_nobody_is_stopped_where_no_member_is_left():
    curves = Curves()
    for number in range(3):
        curves.add(Evaluation((0.2,), id=number, curve=(0.1, 0.2), status=Status.FAILED))
    assert CurveExtrapolation(n_points=1, n_whole=3).cutoff(curves, 0, rungs=(0.5,)) == -math.inf


@pytest.mark.parametrize(("quantile", "wanted"), [(0.0, 0.2), (0.5, 0.4), (0.75, 0.5), (1.0, 0.5)])
def test_the_member_at_the_quantile_is_to_be_reached(quantile, wanted):
    flat = [(end,) * 5 for end in (0.4, 0.2, 0.5, 0.3)]
    rule = CurveExtrapolation(quantile=quantile, n_points=4, n_whole=4)
    # curves that stay where they are end where they promised to
    assert rule.cutoff(curves_of(*flat), 3, rungs=(0.2, 0.4, 0.6, 0.8)) == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize("jump", [0.1, -0.1])
def test_what_is_to_be_reached_is_lowered_by_what_others_ended_above_their_promise(jump):
    rungs = (0.2, 0.4, 0.6, 0.8)
    curves = [(end, end, end, end, end + jump) for end in (0.2, 0.3, 0.4, 0.5)]
    promised = [extrapolate(rungs, curve[:4]).mean for curve in curves]
    above = np.mean([curve[-1] - mean for curve, mean in zip(curves, promised, strict=True)])
    rule = CurveExtrapolation(quantile=1, n_points=4, n_whole=4)
    found = rule.cutoff(curves_of(*curves), 3, rungs=rungs)
    assert above * jump > 0.005
    assert found == pytest.approx(0.5 + jump - max(0.0, above))


def test_only_the_latest_curves_are_compared_with_their_promise():
    rungs = (0.2, 0.4, 0.6, 0.8)
    early, late = [(0.1, 0.1, 0.1, 0.1, 0.5)] * 50, [(0.5,) * 5] * 50
    rule = CurveExtrapolation(n_points=4)
    assert rule.cutoff(curves_of(*early), 3, rungs=rungs) == pytest.approx(0.1, abs=0.02)
    assert rule.cutoff(curves_of(*early, *late), 3, rungs=rungs) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    "fields",
    [{"quantile": 1.1}, {"quantile": -0.1}, {"chance": 0.0}, {"chance": 1.0}, {"n_points": 0}, {"n_whole": 1.5}],
)
def test_fields_out_of_their_range_are_refused(fields):
    with pytest.raises(SettingsError, match=next(iter(fields))):
        CurveExtrapolation(**fields)


def test_rungs_at_which_nobody_would_ever_be_stopped_are_refused():
    with pytest.raises(
        SettingsError, match=r"rungs must be at least 4, since .* CurveExtrapolation\(.*, found 3: give"
    ):
        EarlyStopping((0.2, 0.4, 0.6), CurveExtrapolation())
    assert EarlyStopping((0.2, 0.4, 0.6), CurveExtrapolation(n_points=3)).rungs == (0.2, 0.4, 0.6)


def test_without_rungs_of_their_own_trainings_may_end_where_it_suits_the_rule():
    assert EarlyStopping(rule=CurveExtrapolation()).rungs == CurveExtrapolation.usual_rungs
    assert EarlyStopping().rungs == EarlyStopping(rule=CurveBound()).rungs == (1 / 9, 1 / 3)
    assert len(CurveExtrapolation.usual_rungs) > CurveExtrapolation().first_rung
