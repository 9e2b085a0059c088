import json
import random
from dataclasses import replace

import pytest
import torch

from deap_nas import FlatSpace, Genotype, HierarchicalSpace, NetworkTemplate, initDiversified
from deap_nas.errors import SettingsError
from deap_nas.evaluation import Job, Status
from deap_nas.training import SEARCH, AccuracyFitness, EarlyStopping
from deap_nas.training.training_switches import PLAIN, Switches

SPACE = HierarchicalSpace()
GENES = initDiversified(Genotype, SPACE, rng=random.Random(0))
RECIPE = replace(SEARCH, steps=5, batch_size=32)
TEMPLATE = NetworkTemplate.small_cifar(channels=2)


def make_fitness(space=SPACE, **changes):
    settings = {"template": TEMPLATE, "recipe": RECIPE, "repeats": 2, "device": "cpu"}
    return AccuracyFitness(space, **(settings | changes))


@pytest.fixture
def in_float64(monkeypatch):
    """Training and validation in float64, where the order of operations decides no score."""
    monkeypatch.setattr("deap_nas.training.trainer.assemble", _double_network)
    normalised = "deap_nas.training.data.batches.DeviceImages.normalised"
    monkeypatch.setattr(normalised, lambda self, p: ((p - self.mean.double()) * self.scale).permute(0, 3, 1, 2))


def _double_network(*args):
    from deap_nas.assembly import assemble

    return assemble(*args).double()


@pytest.mark.parametrize("space", [SPACE, FlatSpace(nodes=6)], ids=["hierarchical", "flat"])
def test_stacked_repeats_have_the_scores_of_those_trained_one_by_one(space, in_float64):
    genes = initDiversified(Genotype, space, rng=random.Random(0))
    one_by_one = make_fitness(space, repeats=3).evaluate(genes, seed=3)
    assert len(set(one_by_one.scores)) > 1
    assert make_fitness(space, repeats=3, stacked=True).evaluate(genes, seed=3) == one_by_one


def test_stacked_repeats_that_diverge_are_reported_as_those_trained_one_by_one():
    recipe = replace(RECIPE, learning_rate=1e30)
    one_by_one = make_fitness(recipe=recipe).evaluate(GENES, seed=0)
    assert one_by_one.status is Status.DIVERGED
    assert make_fitness(recipe=recipe, stacked=True).evaluate(GENES, seed=0) == one_by_one


def test_stacked_repeats_are_stopped_at_the_rungs_of_those_trained_one_by_one(in_float64):
    stopping = EarlyStopping(rungs=(0.4, 0.8))
    for cutoffs, n_measured in (((0.0, 0.0), 3), ((0.0, 1.1), 2), ((1.1, 0.0), 1)):
        job = Job(0, GENES, 3, cutoffs=cutoffs)
        one_by_one = make_fitness(stopping=stopping).evaluate_job(job)
        assert len(one_by_one.curve) == n_measured
        assert make_fitness(stopping=stopping, stacked=True).evaluate_job(job) == one_by_one


def test_stacked_repeats_inherit_and_leave_the_weights_of_those_trained_one_by_one(in_float64, tmp_path):
    found = []
    for name, stacked in (("stacked", True), ("one_by_one", False)):
        (tmp_path / name).mkdir()
        fitness = make_fitness(weights_dir=tmp_path / name, stacked=stacked)
        fitness.evaluate_job(Job(0, GENES, 3))
        child = initDiversified(Genotype, SPACE, n_mutations=3, rng=random.Random(2))
        found.append(fitness.evaluate_job(Job(1, child, 4, parent=0)))
    assert found[0].status is Status.OK
    assert found[0] == found[1]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_learns(precision):
    template, recipe = NetworkTemplate.small_cifar(channels=8), replace(RECIPE, steps=40)
    fitness = make_fitness(FlatSpace(nodes=4), template=template, recipe=recipe, repeats=1, precision=precision)
    evaluation = fitness.evaluate(Genotype([1, 4, 5, 3, 2, 6]), seed=0)
    assert evaluation.status is Status.OK
    assert evaluation.values[0] > 0.5


@pytest.fixture
def compiled(monkeypatch):
    """Modes in which networks were compiled, and their number, by a compiler that only traces."""
    modes, graphs, torch_compile = [], [], torch.compile

    def backend(module, inputs):
        graphs.append(module)
        return module.forward

    def tracing(module, *, mode):
        modes.append(mode)
        return torch_compile(module, backend=backend)

    monkeypatch.setattr(torch, "compile", tracing)
    return modes, graphs


def test_compiled_repeats_are_compiled_once_and_score_as_plain_ones(compiled):
    modes, graphs = compiled
    space, genes = FlatSpace(nodes=3), Genotype([3, 4, 5])
    plain = make_fitness(space).evaluate(genes, seed=0)
    assert make_fitness(space, compile="reduce-overhead").evaluate(genes, seed=0) == plain
    assert set(modes) == {"reduce-overhead"}
    assert len(graphs) == 1


def test_compiled_stacked_repeats_score_as_stacked_ones(compiled):
    modes, graphs = compiled
    space, genes = FlatSpace(nodes=3), Genotype([3, 4, 5])
    stacked = make_fitness(space, stacked=True).evaluate(genes, seed=0)
    assert make_fitness(space, stacked=True, compile=True).evaluate(genes, seed=0) == stacked
    assert set(modes) == {None}
    assert len(graphs) == 1


def test_every_genotype_of_a_long_search_is_compiled(compiled):
    _, graphs = compiled
    space = FlatSpace(nodes=3)
    fitness = make_fitness(space, compile=True, repeats=1, recipe=replace(RECIPE, steps=1))
    genotypes = [Genotype([a, 0, b]) for a in (1, 2, 3, 4, 5) for b in (1, 3)]  # PyTorch keeps eight
    for genes in genotypes:
        fitness.evaluate(genes, seed=0)
    assert len(graphs) == len(genotypes)


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"precision": "float8"}, "precision must be one of float32, bfloat16, float16, found 'float8'"),
        ({"compile": "fast"}, "compile must be True, False or one of default, .*found 'fast'"),
        ({"compile": 1}, "found 1"),
        ({"stacked": True, "precision": "bfloat16"}, "stacked repeats train in float32, found precision 'bfloat16'"),
    ],
)
def test_switch_in_no_such_position_is_refused_when_the_fitness_is_made(switches, message):
    with pytest.raises(SettingsError, match=message):
        make_fitness(**switches)


def test_switches_are_described_where_they_are_on_and_nowhere_else():
    plain = make_fitness().to_dict()
    assert not {"precision", "compile", "stacked"} & set(plain)
    for on in ({"precision": "bfloat16", "compile": "default"}, {"compile": True, "stacked": True}):
        described = make_fitness(**on).to_dict()
        assert described == plain | on
        read = AccuracyFitness.from_dict(json.loads(json.dumps(described)), device="cpu")
        assert read.switches == Switches(**on)
    assert AccuracyFitness.from_dict(plain, device="cpu").switches == PLAIN
