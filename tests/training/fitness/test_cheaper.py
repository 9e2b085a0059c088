import json
import pickle
from dataclasses import replace

import pytest

from deap_nas import Genotype, NetworkTemplate
from deap_nas.errors import DatasetError, SettingsError
from deap_nas.training import SEARCH, AccuracyFitness
from tests.toolboxes import SPACE

GENES = Genotype([1, 0, 3, 0, 0, 2])
RECIPE = replace(SEARCH, steps=6, batch_size=32)


@pytest.fixture
def fitness():
    template = NetworkTemplate.small_cifar(channels=4)
    return AccuracyFitness(SPACE, template=template, recipe=RECIPE, repeats=2, device="cpu", seed=3)


def test_without_changes_it_is_the_same_fitness(fitness):
    assert fitness.cheaper().to_dict() == fitness.to_dict()


@pytest.mark.parametrize(
    "changes", [{"steps": 3}, {"n_images": 200}, {"image_size": 4}, {"channels": 2}, {"repeats": 1}]
)
def test_it_is_the_fitness_that_would_have_been_made_so(fitness, changes):
    cheaper = fitness.cheaper(**changes)
    options = {
        "template": NetworkTemplate.small_cifar(channels=changes.get("channels", 4)),
        "recipe": replace(RECIPE, steps=changes.get("steps", 6)),
        "repeats": changes.get("repeats", 2),
        "n_images": changes.get("n_images"),
        "image_size": changes.get("image_size"),
    }
    made = AccuracyFitness(SPACE, device="cpu", seed=3, **options)
    assert cheaper.to_dict() == made.to_dict() != fitness.to_dict()
    assert cheaper.evaluate(GENES, seed=1) == made.evaluate(GENES, seed=1)


def test_the_first_fitness_stays_as_it_was(fitness):
    before = fitness.to_dict()
    fitness.cheaper(steps=3, n_images=200, image_size=4, channels=2, repeats=1)
    assert fitness.to_dict() == before


def test_it_can_be_made_cheaper_again_described_and_sent(fitness):
    cheaper = fitness.cheaper(image_size=4).cheaper(n_images=200)
    fields = json.loads(json.dumps(cheaper.to_dict()))
    assert (fields["image_size"], fields["n_images"], fields["template"]["image_size"]) == (4, 200, 4)
    expected = cheaper.evaluate(GENES, seed=1)
    for again in (AccuracyFitness.from_dict(fields, device="cpu"), pickle.loads(pickle.dumps(cheaper))):
        assert again.to_dict() == cheaper.to_dict()
        assert again.evaluate(GENES, seed=1) == expected


@pytest.mark.parametrize("name", ["steps", "n_images", "image_size", "channels", "repeats"])
def test_nothing_of_something_is_refused(fitness, name):
    with pytest.raises(SettingsError, match="stem" if name == "channels" else name):
        fitness.cheaper(**{name: 0})


def test_too_few_images_for_a_batch_are_refused(fitness):
    with pytest.raises(DatasetError, match="fewer than a batch of 32"):
        fitness.cheaper(n_images=30)
