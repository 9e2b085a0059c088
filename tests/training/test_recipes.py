import dataclasses

import pytest
import torch

from deap_nas.errors import SettingsError
from deap_nas.training import (
    AMOEBANET,
    AMOEBANET_EVALUATION,
    CIFAR_EVALUATION,
    EPNAS,
    EPNAS_EVALUATION,
    IMAGENET,
    SEARCH,
    Annealing,
    Recipe,
)


def test_search_recipe_is_the_papers():
    assert Recipe(5000, 256, 0.1, (0.8, 0.9), 0.9, 3e-4) == SEARCH
    assert SEARCH.milestones == [4000, 4500]


def test_evaluation_on_cifar_is_the_papers():
    assert CIFAR_EVALUATION.milestones == [40_000, 60_000, 70_000]
    assert dataclasses.replace(CIFAR_EVALUATION, steps=5000, drops=(0.8, 0.9)) == SEARCH


def test_imagenet_is_the_papers():
    assert Recipe(200_000, 1024, 0.1, (0.5, 0.75, 0.875), 0.9, 1e-4) == IMAGENET
    assert IMAGENET.milestones == [100_000, 150_000, 175_000]


def test_scaled_recipe_has_other_steps_and_drops_that_move_along():
    small = CIFAR_EVALUATION.scaled(0.001)
    assert small == dataclasses.replace(CIFAR_EVALUATION, steps=80)
    assert small.milestones == [40, 60, 70]
    assert SEARCH.scaled(1e-9).steps == 1


@pytest.mark.parametrize("factor", [0, -1, float("nan"), float("inf")])
def test_factor_that_is_no_positive_number_is_refused(factor):
    with pytest.raises(SettingsError, match="scaled by a positive number"):
        SEARCH.scaled(factor)


def test_learning_rate_drops_tenfold_after_each_milestone():
    recipe = dataclasses.replace(IMAGENET, steps=8)
    rates = [recipe.learning_rate_at(step) for step in range(1, 9)]
    assert rates == pytest.approx([0.1] * 4 + [0.01] * 2 + [0.001] + [0.0001])


@pytest.mark.parametrize("recipe", [SEARCH.scaled(0.01), CIFAR_EVALUATION.scaled(0.001)])
def test_learning_rate_is_exactly_that_of_torchs_scheduler(recipe):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, recipe.milestones, gamma=0.1)
    for step in range(1, recipe.steps + 1):
        assert recipe.learning_rate_at(step) == optimiser.param_groups[0]["lr"]
        optimiser.step()
        schedule.step()


def test_drops_scale_with_the_steps():
    assert dataclasses.replace(SEARCH, steps=120).milestones == [96, 108]


def test_recipe_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SEARCH.steps = 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("steps", -5),
        ("steps", 1.5),
        ("batch_size", 0),
        ("batch_size", 1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("momentum", 1.0),
        ("weight_decay", -1e-4),
        ("drops", (0.0,)),
        ("drops", (1.5,)),
    ],
)
def test_field_out_of_its_range_is_refused_by_name(field, value):
    with pytest.raises(SettingsError, match=field):
        Recipe(**{field: value})


@pytest.mark.parametrize(("period", "factor"), [(1, 2), (1 / 4, 1), (1 / 7, 2), (10 / 310, 2)])
def test_annealing_is_that_of_torchs_scheduler(period, factor):
    steps = 310
    recipe = Recipe(steps=steps, learning_rate=0.05, drops=(), annealing=Annealing(5e-4, period=period, factor=factor))
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.05)
    first = round(period * steps)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, first, T_mult=factor, eta_min=5e-4)
    recipe = dataclasses.replace(recipe, annealing=Annealing(5e-4, period=first / steps, factor=factor))
    for step in range(1, steps + 1):
        near_restart = any(abs((step - 1) - end) < 1e-6 for end in _ends(first, factor, steps))
        if not near_restart:  # where rounding decides on which side of a restart a step is
            assert recipe.learning_rate_at(step) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-6)
        optimiser.step()
        schedule.step()


def _ends(first, factor, steps):
    ends, length, end = [], first, 0
    while end < steps:
        end += length
        ends.append(end)
        length *= factor
    return ends


def test_the_recipes_of_epnas_fall_once_and_restart_after_10_30_70_and_150_epochs():
    assert EPNAS.learning_rate_at(1) == 0.05
    assert EPNAS.learning_rate_at(EPNAS.steps) == pytest.approx(5e-4, rel=0.01)
    epoch = EPNAS_EVALUATION.steps / 310
    for n_epochs in (10, 30, 70, 150):
        assert EPNAS_EVALUATION.learning_rate_at(round(n_epochs * epoch) - 2) < 6e-4
        assert EPNAS_EVALUATION.learning_rate_at(round(n_epochs * epoch) + 2) > 0.0499
    assert EPNAS_EVALUATION.scaled(0.01).learning_rate_at(1) == 0.05


def test_the_recipes_of_amoebanet_are_25_and_600_epochs_and_fall_to_nothing():
    assert AMOEBANET.steps == round(25 * 45_000 / 128)
    assert AMOEBANET_EVALUATION.steps == round(600 * 50_000 / 128)
    for recipe in (AMOEBANET, AMOEBANET_EVALUATION):
        assert (recipe.batch_size, recipe.momentum, recipe.weight_decay, recipe.optimiser) == (128, 0.9, 5e-4, "sgd")
        assert recipe.learning_rate_at(1) == 0.024
        assert recipe.learning_rate_at(recipe.steps // 2) == pytest.approx(0.012, rel=0.01)
        assert recipe.learning_rate_at(recipe.steps) < 1e-6


def test_a_recipe_is_described_as_before_where_it_says_nothing_new():
    assert set(SEARCH.to_dict()) == {"steps", "batch_size", "learning_rate", "drops", "momentum", "weight_decay"}
    for recipe in (EPNAS, EPNAS_EVALUATION, dataclasses.replace(SEARCH, optimiser="adam")):
        fields = recipe.to_dict()
        assert Recipe(**fields | {"drops": tuple(fields["drops"])}) == recipe


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"annealing": Annealing(0.2)}, r"falls from learning_rate 0\.1 to a smaller one, found 0\.2"),
        ({"optimiser": "lion"}, "optimiser must be one of sgd, nesterov, adam, found 'lion'"),
        ({"optimiser": "nesterov", "momentum": 0.0}, "Nesterov's momentum needs one"),
    ],
)
def test_what_no_recipe_can_be_is_refused(fields, message):
    with pytest.raises(SettingsError, match=message):
        Recipe(**fields)


@pytest.mark.parametrize(
    "fields", [{"last": -1}, {"last": 0, "period": 0}, {"last": 0, "period": 2}, {"last": 0, "factor": 0.5}]
)
def test_annealing_out_of_range_is_refused(fields):
    with pytest.raises(SettingsError, match="annealing falls to a learning rate of at least 0"):
        Annealing(**fields)
