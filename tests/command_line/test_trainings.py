import sys

import pytest

from deap_nas import CellStack, ChainSpace, FlatSpace, HierarchicalSpace
from deap_nas.command_line import CommandLine, make_fitness
from deap_nas.errors import SettingsError
from deap_nas.training import CurveBound, CurveExtrapolation, EarlyStopping, SuccessiveHalving

SPACE = HierarchicalSpace()


@pytest.fixture
def fitness_of(monkeypatch):
    """Makes the fitness that options describe."""

    def fitness_of(*arguments, space=SPACE, **others):
        line = CommandLine(None)
        line.add_fitness_options(steps=9, batch_size=32, repeats=2, channels=4)
        line.add_stopping_options()
        line.add_cheaper_options()
        monkeypatch.setattr(sys, "argv", ["search.py", *arguments])
        return make_fitness(space, line.parse_args(), **others)

    return fitness_of


def test_options_describe_the_fitness(fitness_of):
    options = ("--images=300", "--seed=3", "--compile", "--precision=bfloat16")
    fitness = fitness_of(*options, objectives=("accuracy", "flops"))
    fields = fitness.to_dict()
    assert (fields["recipe"]["steps"], fields["recipe"]["batch_size"], fields["repeats"]) == (9, 32, 2)
    assert (fields["n_images"], fields["seed"], fields["compile"], fields["precision"]) == (300, 3, True, "bfloat16")
    assert fields["objectives"] == ["accuracy", "flops"]
    assert fields["template"]["stem"][-1][0] == 4
    assert "stopping" not in fields


class StackedSpace(FlatSpace):
    """With a template of another kind."""

    def default_template(self, *, n_classes=10, image_channels=3, image_size=32):
        return CellStack(n_classes, image_channels, image_size)


def test_channels_are_those_of_any_template_that_has_a_width(fitness_of):
    assert fitness_of("--channels=6", space=StackedSpace()).template.channels == 6
    chains = ChainSpace()
    template = fitness_of("--channels=6", space=chains).template
    assert template == chains.default_template(image_channels=template.image_channels, image_size=template.image_size)


def test_a_cheaper_estimate_has_less_of_it(fitness_of):
    less = ("--cheaper-steps=3", "--cheaper-images=200", "--cheaper-image-size=4", "--cheaper-channels=2")
    fields = fitness_of(*less, "--cheaper-repeats=1").to_dict()
    assert (fields["recipe"]["steps"], fields["n_images"], fields["image_size"], fields["repeats"]) == (3, 200, 4, 1)
    assert fields["template"]["stem"][-1][0] == 2
    assert fitness_of("--cheaper-steps=3").to_dict() == {**fitness_of().to_dict(), "recipe": fields["recipe"]}


@pytest.mark.parametrize(
    ("arguments", "stopping"),
    [
        (("--stopping=halving",), EarlyStopping()),
        (
            ("--stopping=halving", "--rungs", "1/2", "3/4", "--keep=0.5"),
            EarlyStopping((0.5, 0.75), SuccessiveHalving(0.5)),
        ),
        (("--stopping=bound",), EarlyStopping(rule=CurveBound())),
        (
            ("--stopping=bound", "--quantile=0.25", "--margin=0.1", "--whole=3"),
            EarlyStopping(rule=CurveBound(quantile=0.25, margin=0.1, n_whole=3)),
        ),
        (("--stopping=extrapolation",), EarlyStopping(tuple(n / 10 for n in range(1, 10)), CurveExtrapolation())),
        (
            ("--stopping=extrapolation", "--rungs", "1/2", "--quantile=1", "--chance=0.1", "--points=1", "--whole=3"),
            EarlyStopping((0.5,), CurveExtrapolation(quantile=1.0, chance=0.1, n_points=1, n_whole=3)),
        ),
    ],
)
def test_trainings_end_early_by_the_rule_that_is_asked_for(fitness_of, arguments, stopping):
    assert fitness_of(*arguments).stopping == stopping


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--keep=0.5",), "--keep is for --stopping halving, found --stopping none"),
        (("--stopping=halving", "--margin=0.1"), "--margin is for --stopping bound, found --stopping halving"),
        (("--rungs", "1/2"), "--rungs is for --stopping halving or bound or extrapolation, found --stopping none"),
        (("--quantile=0.5",), "--quantile is for --stopping bound or extrapolation, found --stopping none"),
        (("--stopping=bound", "--chance=0.1"), "--chance is for --stopping extrapolation, found --stopping bound"),
        (("--stopping=bound", "--quantile=1"), "--quantile must lie in"),
        (("--stopping=extrapolation", "--rungs", "1/2"), "--rungs must be at least 4, since .*, found 1: "),
        (("--stopping=bound", "--rungs", "1/2", "1/3"), "--rungs are ascending fractions of the steps"),
        (("--images=9999",), r"--images must be an integer in 1\.\.\d+, found 9999"),
        (("--device=gpu",), "--device must be one of auto, cpu"),
        (("--cheaper-images=9999",), r"--cheaper-images must be an integer in 1\.\.\d+, found 9999"),
        (("--cheaper-image-size=9",), r"--cheaper-image-size must be an integer in 1\.\.8, found 9"),
    ],
)
def test_a_mistake_names_the_option(fitness_of, arguments, message):
    with pytest.raises(SettingsError, match=message):
        fitness_of(*arguments)
