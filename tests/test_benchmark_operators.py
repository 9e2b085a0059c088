"""The parts of ``benchmarks/operators.py``: what becomes of a child, the noise of trainings, what is kept of them."""

import importlib
import math
import random
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import t

import deap_nas
from deap_nas.errors import DivergedError, SettingsError
from deap_nas.evaluation import Evaluation, Status
from deap_nas.executors import SerialExecutor
from deap_nas.training import LARGE_SCALE
from tests.launch import ROOT

DNA, FLAT = deap_nas.DNASpace(), deap_nas.FlatSpace(nodes=4)


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


@pytest.fixture
def effects():
    return importlib.import_module("operators_effects")


def child_of(effects, **fields):
    return effects.Child("kind", None, None, **fields)


def dna(n_convolutions=1, learning_rate=0.1):
    found, rng = deap_nas.DNA(), random.Random(0)
    for _ in range(n_convolutions):
        deap_nas.mutInsertConvolution(found, DNA, rng=rng)
    found.learning_rate = learning_rate
    return found


@pytest.mark.parametrize(("recipe", "is_same"), [(None, True), (LARGE_SCALE, False)])
def test_the_learning_rate_belongs_to_the_network_where_it_is_trained(effects, recipe, is_same):
    template = DNA.default_template()
    one, other = (effects.network_of(DNA, template, dna(learning_rate=rate), recipe=recipe) for rate in (0.1, 0.05))
    assert (one == other) == is_same


def test_new_ids_make_no_other_network_and_a_convolution_does(effects):
    template, parent = DNA.default_template(), dna()
    before = effects.network_of(DNA, template, parent, recipe=LARGE_SCALE)
    (child,) = deap_nas.mutResetWeights(dna(), DNA, rng=random.Random(1))
    assert child != parent
    after = effects.network_of(DNA, template, child, recipe=LARGE_SCALE)
    assert effects.classified(child_of(effects), before, after).outcome == "neutral"
    after = effects.network_of(DNA, template, dna(2), recipe=LARGE_SCALE)
    child = effects.classified(child_of(effects), before, after)
    assert child.outcome is None
    assert child.factor == after.n_parameters / before.n_parameters > 1


def test_a_cell_without_a_path_is_not_viable(effects):
    before, after = (
        effects.network_of(FLAT, FLAT.default_template(), deap_nas.Genotype([gene] * FLAT.n_genes)) for gene in (1, 0)
    )
    assert after is None
    assert effects.classified(child_of(effects), before, after).outcome == "not viable"


@pytest.mark.parametrize(
    ("change", "outcome"),
    [(0.5, "undecided"), (-0.5, "undecided"), (0.51, "better"), (-0.51, "worse"), (None, "failed")],
)
def test_a_child_is_judged_by_the_threshold(effects, change, outcome):
    child = effects.judged(child_of(effects), change, 0.5, "undecided")
    assert child.outcome == outcome
    assert child.change == change


def test_what_is_known_of_a_child_without_a_fitness_stays(effects):
    child = child_of(effects, outcome="neutral")
    assert effects.judged(child, None, 0.5, "undecided") is child


def test_noise_is_pooled_within_groups_whose_means_differ(effects):
    noise = effects.Noise.within([[1, 3], [100, 104], [7]])
    assert noise.freedom == 2
    assert noise.deviation == pytest.approx(math.sqrt((2 + 8) / 2))
    assert noise.threshold(2) == pytest.approx(t.ppf(0.975, 2) * math.sqrt(5))
    assert noise.threshold(8) == pytest.approx(noise.threshold(2) / 2)
    assert effects.Noise.within([[1], []]).threshold(2) == math.inf


def test_one_in_twenty_pairs_of_equal_genotypes_is_beyond_the_threshold(effects):
    scores = np.random.default_rng(0).normal(size=(20_000, 2, 2))
    threshold = effects.Noise.within(scores.reshape(-1, 2)).threshold(2)
    differences = np.abs(scores[:, 0].mean(axis=1) - scores[:, 1].mean(axis=1))
    assert (differences > threshold).mean() == pytest.approx(0.05, abs=0.006)


def test_kinds_are_summed_up_one_by_one_and_together(effects):
    children = [
        replace(child_of(effects, outcome="better", factor=2.0, change=1.0), kind="b"),
        replace(child_of(effects, outcome="undecided", factor=1.0, change=-0.5), kind="b"),
        replace(child_of(effects, outcome="neutral"), kind="a"),
        replace(child_of(effects, outcome="failed", factor=3.0), kind="b"),
    ]
    found = effects.by_kind(children)
    assert list(found) == ["a", "b", "all"]
    assert found["b"].share("better")[0] == pytest.approx(100 / 3)
    assert (found["b"].n_compared, found["b"].n_higher, found["b"].change) == (2, 1, 0.25)
    assert found["b"].factors[2] == 2
    assert math.isnan(found["a"].change)
    assert math.isnan(found["a"].factors[0])
    assert found["all"].n_children == 4
    assert sum(found["all"].share(outcome)[0] for outcome in effects.TRAINED) == pytest.approx(100)


def test_shares_have_the_interval_of_wilson(effects):
    assert effects.wilson(50, 100) == pytest.approx((50, 40.383, 59.617), abs=1e-3)
    low, high = effects.wilson(0, 10)[1:]
    assert (low, high) == pytest.approx((0, 100 * 1.96**2 / (10 + 1.96**2)), abs=0.01)


def test_fewer_children_are_the_first_of_more_and_leave_their_parents_as_they_are(effects):
    representation = importlib.import_module("compared").REPRESENTATIONS["DNA"]
    parents = [effects.Parent(dna(n), SimpleNamespace(space=DNA), (n,)) for n in range(3)]
    few, many = (list(effects.children_of(parents, representation, n, seed=4)) for n in (5, 20))
    assert few == many[:5]
    assert [parent.genotype for parent in parents] == [dna(n) for n in range(3)]
    assert {child.parent.number for child in many} == {(0,), (1,), (2,)}
    assert {type(child.genotype) for child in many} == {deap_nas.DNA}


def test_all_changes_of_one_label_are_there_once_and_no_other():
    untrained = importlib.import_module("operators_untrained")
    genes = (0, 1, 2, 3, 4, 0)
    space = deap_nas.FlatSpace(nodes=4, operations=("identity", "conv_1x1", "conv_3x3", "avg_pool_3x3"))
    found = list(untrained.changed(genes, space))
    assert len(set(found)) == len(found) == 6 * 4
    assert all(sum(one != other for one, other in zip(genes, child, strict=True)) == 1 for child in found)


def test_files_of_a_representation_are_found_in_the_order_of_their_seeds(tmp_path):
    trained = importlib.import_module("operators_trained")
    for seed in (0, 2, 10):
        (tmp_path / f"seed{seed}").mkdir()
        (tmp_path / f"seed{seed}" / "DNA-inherited-weights.h5").touch()
    found = trained.population_files(tmp_path, "DNA, inherited weights")
    assert [path.parent.name for path in found] == ["seed0", "seed2", "seed10"]
    with pytest.raises(SettingsError, match=r"has no seedK/flat-limited\.h5: leave 'flat, limited' out"):
        trained.population_files(tmp_path, "flat, limited")


def test_by_default_no_two_rows_differ_only_by_where_weights_come_from():
    operators = importlib.import_module("operators")
    assert operators.default_rows() == ["hierarchical", "flat", "flat, limited", "DNA", "chain"]


class CountingFitness:
    """As AccuracyFitness to who trains; a network's accuracy is its first gene in tenths, and 9 diverges."""

    space = FLAT

    def __init__(self):
        self.n_trained = 0

    def to_dict(self):
        return {"dataset": "none"}

    def evaluate(self, genotype, *, seed):
        self.n_trained += 1
        if genotype[1] == 9:
            raise DivergedError("by the test")
        return Evaluation(values=(genotype[0] / 10,), scores=(genotype[0] / 10,), status=Status.OK)


def test_no_training_is_done_twice_also_after_a_kill(tmp_path):
    module, fitness = importlib.import_module("kept_trainings"), CountingFitness()
    genotypes = [deap_nas.Genotype([gene, second, 0, 0, 0, 0]) for gene, second in ((1, 0), (2, 0), (3, 9))]
    trainings = [module.Training(fitness, genotype, seed) for genotype in genotypes for seed in (5, 6)]
    path = tmp_path / "new" / "trainings.jsonl"
    with SerialExecutor() as executor:
        kept = module.KeptTrainings(path)
        kept.train(trainings + trainings[:3], executor)
        assert [kept.accuracy(training) for training in trainings] == [0.1, 0.1, 0.2, 0.2, None, None]
        assert fitness.n_trained == 6
        whole = path.read_text(encoding="utf-8")
        path.write_text(whole[:-9], encoding="utf-8")  # a kill has torn the last line
        again = module.KeptTrainings(path)
        again.train(trainings, executor)
    assert fitness.n_trained == 7
    assert path.read_text(encoding="utf-8") == whole
    assert [again.accuracy(training) for training in trainings] == [0.1, 0.1, 0.2, 0.2, None, None]
