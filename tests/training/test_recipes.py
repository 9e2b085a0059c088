import dataclasses

import pytest

from deap_nas.errors import SettingsError
from deap_nas.training import SEARCH, Recipe


def test_search_recipe_is_the_papers():
    assert Recipe(5000, 256, 0.1, (0.8, 0.9), 0.9, 3e-4) == SEARCH
    assert SEARCH.milestones == [4000, 4500]


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
