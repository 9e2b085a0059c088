"""Latency as an objective and as a limit; no test says how long anything takes."""

import random

import pytest
import torch

from deap_nas import ChainSpace, CostLimit, FlatSpace, Genotype, Status, mutChain, mutEdge
from deap_nas.errors import NotViableError, SettingsError
from deap_nas.evaluation import Job
from deap_nas.store import MemoryStore
from deap_nas.testing import EstimatorContract
from deap_nas.training import AccuracyFitness, Latency, Recipe

FLAT = FlatSpace(nodes=4)
TEMPLATE = FLAT.default_template(image_channels=1, image_size=8).with_channels(4)
QUICK = Recipe(steps=2, batch_size=16)


def make_fitness(objectives=("accuracy", "latency"), **settings):
    options = {"template": TEMPLATE, "recipe": QUICK, "repeats": 1, "n_images": 200, "device": "cpu"}
    return AccuracyFitness(FLAT, objectives=objectives, **options | settings)


class TestLatencyAsAnObjective(EstimatorContract):
    weights = (1.0, -1.0)

    def make_fitness(self):
        return make_fitness()

    def genotypes(self):
        return [Genotype([number] * FLAT.n_genes) for number in (1, 2)]

    def not_viable(self):
        return Genotype([0] * FLAT.n_genes)


def test_a_latency_is_a_positive_number_of_seconds_and_leaves_the_generator_alone():
    before = torch.random.get_rng_state()
    assert 0 < Latency(FLAT, TEMPLATE, device="cpu", repeats=3)(Genotype([1] * FLAT.n_genes)) < 60
    assert torch.equal(torch.random.get_rng_state(), before)


def test_it_is_the_median(monkeypatch):
    """One forward pass that is held up says nothing."""
    ticks, now = iter([0.1, 5, 0.2, 0.3, 0.5, 900.0, 0.4, 0.2]), [0.0]

    def clock():
        clock.calls += 1
        if clock.calls % 2 == 0:
            now[0] += next(ticks)
        return now[0]

    clock.calls = 0
    monkeypatch.setattr("deap_nas.training.fitness.latency.time.perf_counter", clock)
    assert Latency(FLAT, TEMPLATE, device="cpu", repeats=5)(Genotype([1] * FLAT.n_genes)) == pytest.approx(0.4)


def test_what_is_no_network_has_none_and_no_repeats_are_refused():
    with pytest.raises(NotViableError):
        Latency(FLAT, TEMPLATE)(Genotype([0] * FLAT.n_genes))
    with pytest.raises(SettingsError, match="repeats"):
        Latency(FLAT, TEMPLATE, repeats=0)


def test_a_fitness_of_latency_says_that_it_is_not_deterministic():
    fitness = make_fitness(("accuracy", "n_parameters", "latency"))
    assert not fitness.deterministic
    assert make_fitness(("accuracy", "flops")).deterministic
    evaluation = fitness.evaluate_job(Job(0, Genotype([1] * FLAT.n_genes), 1))
    assert evaluation.status is Status.OK
    assert evaluation.values[1] == evaluation.n_parameters
    assert evaluation.values[2] > 0
    again = AccuracyFitness.from_dict(fitness.to_dict(), device="cpu")
    assert again.to_dict() == fitness.to_dict()
    assert again.objectives[2] == "latency"
    fitness.check_store(MemoryStore(seed=1))


def limit_by(latency, **settings):
    space = ChainSpace(max_layers=6)
    return CostLimit(space, space.default_template(), latency=latency, **settings)


def layers(genotype):
    """A latency that is known: a second for each layer."""
    return float(len(genotype) // 4)


def test_a_limit_of_latency_holds_for_all_that_an_operator_gives():
    limit, rng = limit_by(layers, max_latency=3.0), random.Random(1)
    mutate, chain = limit(mutChain), Genotype([0] * 8)
    lengths = {len(mutate(chain, limit.space, rng=rng)[0]) // 4 for _ in range(200)}
    assert lengths == {1, 2, 3}


def test_it_is_measured_last():
    asked = []

    def latency(genotype):
        asked.append(genotype)
        return 1.0

    limit = limit_by(latency, max_latency=2.0, max_parameters=1000)
    small, large = Genotype([0, 0, 0, 0]), Genotype([0, 2, 2, 0] * 6)
    assert [limit.permits(each) for each in (small, large)] == [True, False]
    assert asked == [small]


def test_a_limit_of_latency_that_nothing_keeps_is_told():
    limit = limit_by(layers, max_latency=0.5, n_tries=3)
    with pytest.raises(SettingsError, match=r"max_latency=0\.5"):
        limit(mutChain)(Genotype([0] * 4), limit.space, rng=random.Random(1))


def test_a_measured_limit_can_be_kept():
    limit = CostLimit(FLAT, TEMPLATE, max_latency=60.0, latency=Latency(FLAT, TEMPLATE, device="cpu", repeats=1))
    genotype = Genotype([1] * FLAT.n_genes)
    assert limit.permits(genotype)
    limit(mutEdge)(genotype, FLAT, rng=random.Random(1))
    assert not limit.permits(Genotype([0] * FLAT.n_genes))


@pytest.mark.parametrize("settings", [{"max_latency": 1.0, "latency": None}, {"max_latency": None}, {"max_latency": 0}])
def test_halves_of_a_limit_are_refused(settings):
    with pytest.raises(SettingsError, match="latency"):
        limit_by(settings.pop("latency", layers), **settings)
