import json
import math
from dataclasses import replace

import pytest

from deap_nas import FlatSpace, Genotype, NetworkTemplate
from deap_nas.errors import SettingsError, UnknownNameError
from deap_nas.evaluation import Curves, Evaluation, Job, Status
from deap_nas.training import SEARCH, AccuracyFitness, CurveBound, CurveExtrapolation, EarlyStopping, SuccessiveHalving

SPACE = FlatSpace(nodes=3, operations=("conv_1x1", "identity"))
GENES = Genotype([1, 1, 0])


def curves_of(*known):
    curves = Curves()
    for number, curve in enumerate(known):
        curves.add(Evaluation((curve[-1],), id=number, curve=curve))
    return curves


def make_fitness(stopping=None, **changes):
    recipe = replace(SEARCH, steps=9, batch_size=32)
    template = NetworkTemplate.small_cifar(channels=2)
    options = {"recipe": recipe, "template": template, "repeats": 2, "device": "cpu", "n_images": 300} | changes
    return AccuracyFitness(SPACE, stopping=stopping, **options)


def test_halving_lets_all_go_on_until_one_of_the_best_is_known():
    rule = SuccessiveHalving(fraction=0.25)
    assert rule.cutoff(curves_of((0.1,), (0.2,), (0.3,)), 0, rungs=(0.2, 0.5)) == -math.inf
    assert rule.cutoff(curves_of((0.1,), (0.2,), (0.3,), (0.4,)), 0, rungs=(0.2, 0.5)) == 0.4


def test_halving_asks_for_the_best_share_of_those_that_reached_the_rung():
    curves = curves_of(*[(0.1 * n,) for n in range(6)], (0.6, 0.1), (0.7, 0.9), (0.8, 0.5))
    rule = SuccessiveHalving(fraction=1 / 3)
    assert rule.cutoff(curves, 0, rungs=(0.2, 0.5)) == 0.6
    assert rule.cutoff(curves, 1, rungs=(0.2, 0.5)) == 0.9
    assert rule.cutoff(curves, 2, rungs=(0.2, 0.5)) == -math.inf


def test_bound_stops_nobody_before_enough_were_trained_whole():
    curves = curves_of(*[(0.1, 0.2)] * 3, *[(0.1,)] * 50)
    assert CurveBound(n_whole=4).cutoff(curves, 0, rungs=(0.5,)) == -math.inf
    assert CurveBound(n_whole=3).cutoff(curves, 0, rungs=(0.5,)) > -math.inf


def test_bound_asks_for_what_comes_up_to_the_population_with_the_largest_gain_and_the_margin():
    curves = curves_of((0.1, 0.3), (0.3, 0.8), (0.5, 0.6), (0.2, 0.5))
    members = [0.3, 0.5, 0.6, 0.8]
    assert list(curves.members) == members
    for quantile, wanted in ((0.0, 0.3), (0.5, 0.6), (0.75, 0.8), (0.99, 0.8)):
        rule = CurveBound(quantile=quantile, margin=0.02, n_whole=4)
        assert rule.cutoff(curves, 0, rungs=(0.5,)) == pytest.approx(wanted - 0.5 - 0.02)


def test_rungs_are_rounded_steps_and_at_least_one():
    assert EarlyStopping((1 / 9, 1 / 3)).steps(5000) == [556, 1667]
    assert EarlyStopping((0.01, 0.5)).steps(9) == [1, 4]


@pytest.mark.parametrize("rungs", [[], (0.0,), (0.5, 0.5), (0.5, 0.2), (0.5, 1.0), (math.nan,), 0.5, None])
def test_rungs_that_are_no_fractions_that_ascend_to_the_end_are_refused(rungs):
    with pytest.raises(SettingsError, match="rungs are ascending fractions"):
        EarlyStopping(rungs)


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        (SuccessiveHalving, {"fraction": 0.0}),
        (SuccessiveHalving, {"fraction": 1.0}),
        (CurveBound, {"quantile": 1.0}),
        (CurveBound, {"margin": -0.1}),
        (CurveBound, {"n_whole": 0}),
    ],
)
def test_rules_refuse_what_is_out_of_range(rule, fields):
    with pytest.raises(SettingsError, match=next(iter(fields))):
        rule(**fields)


@pytest.mark.parametrize(
    "rule",
    [
        SuccessiveHalving(fraction=0.2),
        CurveBound(quantile=0.7, margin=0.1, n_whole=5),
        CurveExtrapolation(quantile=1.0, chance=0.2, n_points=2, n_whole=5),
    ],
)
def test_stopping_is_made_again_from_its_description(rule):
    stopping = EarlyStopping((0.2, 0.6), rule)
    assert EarlyStopping.from_dict(json.loads(json.dumps(stopping.to_dict()))) == stopping


def test_an_unknown_rule_is_refused():
    fields = EarlyStopping().to_dict() | {"rule": {"kind": "by_lot"}}
    with pytest.raises(UnknownNameError, match="by_lot"):
        EarlyStopping.from_dict(fields)


def test_a_training_that_is_not_stopped_gives_the_scores_of_one_without_rungs():
    plain = make_fitness().evaluate(GENES, seed=4)
    seen = make_fitness(EarlyStopping((0.3, 0.7))).evaluate(GENES, seed=4)
    assert plain.curve == ()
    assert len(seen.curve) == 3
    assert seen.curve[-1] == seen.values[0]
    assert replace(seen, curve=()) == plain


def test_a_training_is_stopped_at_the_first_rung_whose_cutoff_it_does_not_reach():
    fitness = make_fitness(EarlyStopping((1 / 3, 2 / 3)))
    whole = fitness.evaluate(GENES, seed=4)
    passed, missed = whole.curve[0], math.nextafter(whole.curve[1], 1)
    stopped = fitness.evaluate_job(Job(0, GENES, seed=4, cutoffs=(passed, missed)))
    assert stopped.curve == whole.curve[:2]
    assert stopped.values == whole.curve[1:2]
    assert stopped.status is Status.OK
    assert len(stopped.scores) == 2
    short = make_fitness(recipe=replace(SEARCH, steps=6, batch_size=32, drops=()))
    assert short.evaluate(GENES, seed=4).scores == stopped.scores


def test_a_training_is_stopped_by_what_its_own_curve_promises():
    rule = CurveExtrapolation(n_points=2)
    fitness = make_fitness(EarlyStopping((1 / 3, 2 / 3), rule))
    whole = fitness.evaluate(GENES, seed=4)
    promised = rule.standing(whole.curve[:2], rungs=(1 / 3, 2 / 3))
    assert promised > max(whole.curve)
    kept, stopped = (
        fitness.evaluate_job(Job(0, GENES, seed=4, cutoffs=(-math.inf, wanted)))
        for wanted in (promised, math.nextafter(promised, 2))
    )
    assert kept.curve == whole.curve
    assert stopped.curve == whole.curve[:2]


def test_a_child_inherits_from_a_parent_that_was_stopped(tmp_path):
    fitness = make_fitness(EarlyStopping((1 / 3, 2 / 3)), weights_dir=tmp_path)
    stopped = fitness.evaluate_job(Job(0, GENES, seed=4, cutoffs=(math.inf, math.inf)))
    assert len(stopped.curve) == 1
    child = Job(1, GENES, seed=5, parent=0)
    heir, stopped_heir = (fitness.evaluate_job(replace(child, cutoffs=cutoffs)) for cutoffs in ((), (0.0, math.inf)))
    assert heir.curve != fitness.evaluate(GENES, seed=5).curve
    assert stopped_heir.curve == heir.curve[:2]


def test_a_training_that_diverges_on_the_way_to_a_rung_has_no_curve_there():
    recipe = replace(SEARCH, steps=9, batch_size=32, learning_rate=1e30)
    ended = make_fitness(EarlyStopping((2 / 3,)), recipe=recipe).evaluate(GENES, seed=4)
    assert ended.status is Status.DIVERGED
    assert (ended.values, ended.scores, ended.curve) == ((), (), ())


@pytest.mark.parametrize("objectives", [("accuracy", "n_parameters", "flops"), ("n_parameters", "accuracy", "flops")])
def test_with_several_objectives_the_accuracy_decides_and_sizes_are_those_of_the_whole_network(objectives):
    """Wherever it stands among them: a small network is stopped as any other."""
    fitness = make_fitness(EarlyStopping((1 / 3, 2 / 3)), objectives=objectives)
    stopped = fitness.evaluate_job(Job(0, GENES, 4, cutoffs=(0.0, 2.0)))
    passed = fitness.evaluate_job(Job(0, GENES, 4, cutoffs=(0.0, 0.0)))
    for evaluation, n_scores in ((stopped, 2), (passed, 3)):
        assert evaluation.status is Status.OK
        assert len(evaluation.curve) == n_scores
        found = dict(zip(objectives, evaluation.values, strict=True))
        sizes = {"n_parameters": evaluation.n_parameters, "flops": evaluation.flops}
        assert found == {"accuracy": evaluation.curve[-1], **sizes}
    assert stopped.curve == passed.curve[:2]


def test_rules_compare_accuracies_whatever_the_objectives():
    """Curves and members are known by their accuracies, not by the first of their values."""
    accuracies = [(0.09 * place, 0.1 * place) for place in range(9)]
    curves = Curves()
    for number, curve in enumerate(accuracies):
        curves.add(Evaluation((float(10**6 - number), curve[-1]), id=number, curve=curve))
    for rule in (SuccessiveHalving(), CurveBound(n_whole=3)):
        stopping = EarlyStopping((0.5,), rule)
        assert stopping.cutoffs(curves) == stopping.cutoffs(curves_of(*accuracies))
        assert 0.2 < stopping.cutoffs(curves)[0] < 0.8


def test_stopping_by_an_accuracy_that_is_no_objective_is_refused():
    with pytest.raises(SettingsError, match="stopping is by the accuracy"):
        make_fitness(EarlyStopping(), objectives=("flops",))


@pytest.mark.parametrize("rule", ["halving", SuccessiveHalving])
def test_what_is_no_rule_is_refused(rule):
    with pytest.raises(SettingsError, match=r"rule must be a rule such as SuccessiveHalving\(\), found"):
        EarlyStopping(rule=rule)


def test_a_rule_without_rungs_is_refused():
    with pytest.raises(
        SettingsError, match=r"stopping must be an EarlyStopping, which has rungs and a rule, found Suc"
    ):
        make_fitness(SuccessiveHalving())


def test_a_fitness_that_stops_is_made_again_from_its_description():
    fitness = make_fitness(EarlyStopping((0.3,), CurveBound()))
    assert "stopping" not in make_fitness().to_dict()
    again = AccuracyFitness.from_dict(json.loads(json.dumps(fitness.to_dict())), device="cpu")
    assert again.to_dict() == fitness.to_dict()
    assert again.evaluate(GENES, seed=1) == fitness.evaluate(GENES, seed=1)
