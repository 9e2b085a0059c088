import pickle
import random
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from deap import algorithms, tools

from deap_nas import (
    FlatSpace,
    Genotype,
    HierarchicalSpace,
    NetworkTemplate,
    cost,
    eaAsync,
    initDiversified,
    initTrivial,
    register_operation,
)
from deap_nas.assembly import build_network
from deap_nas.errors import DatasetError, DivergedError, GenotypeError, SettingsError, UnknownNameError
from deap_nas.evaluation import DetailedFitness, Status, derive_seed
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store
from deap_nas.training import SEARCH, AccuracyFitness, Source
from deap_nas.training.data.batches import search_sets
from deap_nas.training.fitness.candidate import Candidate
from deap_nas.training.trainer import accuracy
from tests import lying
from tests.toolboxes import MaxIndividual, make_toolbox
from tests.training.data.test_datasets import make_folder

SPACE = HierarchicalSpace()
GENES = initDiversified(Genotype, SPACE, rng=random.Random(0))
QUICK = replace(SEARCH, steps=5, batch_size=32)
TEMPLATE = NetworkTemplate.small_cifar(channels=4)


def make_fitness(**changes):
    return AccuracyFitness(SPACE, **({"template": TEMPLATE, "recipe": QUICK, "repeats": 2, "device": "cpu"} | changes))


def test_training_on_digits_reaches_nine_tenths():
    recipe = replace(SEARCH, steps=120, batch_size=128)
    fitness = AccuracyFitness(SPACE, template=NetworkTemplate.small_cifar(channels=8), recipe=recipe, repeats=1)
    (value,) = fitness(GENES)
    assert 0.9 <= value <= 1.0


def test_same_seed_gives_the_same_scores_and_leaves_torchs_generator_alone():
    fitness = make_fitness()
    torch.manual_seed(1)
    first = fitness.evaluate(GENES, seed=3)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = fitness.evaluate(GENES, seed=3)
    assert torch.equal(before, torch.get_rng_state())
    assert first == second


def test_evaluation_reports_mean_scores_and_cost():
    fitness = make_fitness(repeats=3)
    evaluation = fitness.evaluate(GENES, seed=0)
    size = cost(SPACE, GENES, fitness.template)
    assert evaluation.status is Status.OK
    assert len(evaluation.scores) == 3
    assert evaluation.values == (sum(evaluation.scores) / 3,)
    assert (evaluation.n_parameters, evaluation.flops) == (size.n_parameters, size.flops)


def test_a_store_without_room_for_the_scores_is_refused_before_anything_is_evaluated(tmp_path):
    toolbox = make_toolbox(partial(make_fitness()), space=SPACE, rng=random.Random(0))
    with HDF5Store.create(tmp_path / "run.h5", space=SPACE, settings={}, seed=3, n_repeats=1) as store:
        with pytest.raises(SettingsError, match="has n_repeats=1: the fitness needs one with n_repeats=2"):
            eaAsync(toolbox.population(2), toolbox, SerialExecutor(), n_evaluations=2, store=store)
        assert store.n_submitted == 0


def test_objectives_put_the_size_of_the_network_beside_its_accuracy():
    fitness = make_fitness(objectives=("accuracy", "n_parameters", "flops"))
    size = cost(SPACE, GENES, fitness.template)
    evaluation = fitness.evaluate(GENES, seed=0)
    assert evaluation.values == (sum(evaluation.scores) / 2, size.n_parameters, size.flops)
    worst = fitness(Genotype([0] * SPACE.n_genes))
    assert worst == fitness.worst_values
    assert worst[0] == 0
    assert min(worst[1:]) > 1e12
    assert fitness.to_dict()["objectives"] == ["accuracy", "n_parameters", "flops"]


@pytest.mark.parametrize(
    ("objectives", "error", "message"),
    [
        (
            ("accuracy", "speed"),
            UnknownNameError,
            "unknown objective 'speed'; known: accuracy, flops, latency, n_parameters",
        ),
        ((), SettingsError, "at least one name"),
        ("accuracy", SettingsError, "must be a sequence"),
    ],
)
def test_objectives_that_make_no_sense_are_refused(objectives, error, message):
    with pytest.raises(error, match=message):
        make_fitness(objectives=objectives)


def test_template_takes_the_images_of_the_dataset():
    assert make_fitness().template == TEMPLATE.for_images(n_classes=10, image_channels=1, image_size=8)


def test_fitness_is_a_detailed_fitness_that_pickles_small():
    fitness = make_fitness()
    assert isinstance(fitness, DetailedFitness)
    pickled = pickle.dumps(fitness)
    assert len(pickled) < 4000
    assert pickle.loads(pickled)(GENES) == fitness(GENES)


def test_unpickling_in_a_fresh_process_imports_no_torch():
    code = "import pickle, sys; pickle.loads(sys.stdin.buffer.read()); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], input=pickle.dumps(make_fitness()), check=True)


def test_genotype_without_a_path_is_not_viable_and_not_trained():
    evaluation = make_fitness().evaluate(Genotype([0] * SPACE.n_genes), seed=0)
    assert evaluation.status is Status.NOT_VIABLE
    assert evaluation.scores == ()
    assert make_fitness()([0] * SPACE.n_genes) == (0.0,)


def test_divergence_is_a_status_and_keeps_the_cost():
    fitness = make_fitness(recipe=replace(QUICK, learning_rate=1e30))
    evaluation = fitness.evaluate(GENES, seed=0)
    assert evaluation.status is Status.DIVERGED
    assert "after 5 of 5 steps" in evaluation.error
    assert evaluation.n_parameters > 0
    assert fitness(GENES) == (0.0,)


def test_genes_of_another_space_are_an_error():
    with pytest.raises(GenotypeError):
        make_fitness()(Genotype([0] * 3))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"repeats": 0}, SettingsError, "repeats must be an integer of at least 1, found 0"),
        ({"repeats": -1}, SettingsError, "found -1"),
        ({"device": "gpu"}, SettingsError, "device must be one of auto, cpu, cuda"),
        ({"recipe": replace(QUICK, batch_size=1151)}, DatasetError, "leaves 1150 training images, fewer than a batch"),
    ],
)
def test_bad_argument_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        make_fitness(**changes)


def test_images_from_a_folder_train(tmp_path):
    folder = make_folder(tmp_path, n_images=20, size=(8, 8))
    fitness = make_fitness(dataset=f"imagefolder:{folder}")
    assert fitness.template.n_classes == 3
    assert fitness.evaluate(GENES, seed=0).status is Status.OK


def test_dataset_too_small_to_validate_is_refused(tmp_path):
    dataset = f"imagefolder:{make_folder(tmp_path, n_classes=2, n_images=1)}"
    with pytest.raises(DatasetError, match="has 2 images, too few to keep some for validation"):
        make_fitness(dataset=dataset, recipe=replace(QUICK, batch_size=2))


def test_settings_that_decide_the_fitness_are_described():
    described = make_fitness(repeats=3).to_dict()
    assert described["repeats"] == 3
    assert described["recipe"]["steps"] == 5
    assert described["space"] == SPACE.to_dict()


def test_part_of_the_images_is_another_fitness_and_all_of_them_the_fitness_of_old():
    few, whole = make_fitness(n_images=200), make_fitness()
    assert few.to_dict() == whole.to_dict() | {"n_images": 200}
    assert few.evaluate(GENES, seed=0) != whole.evaluate(GENES, seed=0)
    with pytest.raises(DatasetError, match="leaves 16 training images, fewer than a batch of 32"):
        make_fitness(n_images=20)


def test_deaps_own_algorithms_take_it_as_evaluate():
    rng = random.Random(0)
    space = FlatSpace(nodes=3)
    fitness = AccuracyFitness(space, template=TEMPLATE, recipe=QUICK, repeats=1)
    toolbox = make_toolbox(fitness, rng=rng, space=space)
    toolbox.register("mate", tools.cxTwoPoint)
    random.seed(0)  # DEAP's loops draw from the module's generator
    population, _ = algorithms.eaMuPlusLambda(toolbox.population(n=4), toolbox, 4, 4, 0.3, 0.5, 2, verbose=False)
    assert all(0 <= individual.fitness.values[0] <= 1 for individual in population)
    assert isinstance(population[0], MaxIndividual)


def test_learning_rate_drops_tenfold_twice_and_all_of_an_epoch_is_seen(monkeypatch):
    rates, seen = [], []
    original = torch.optim.SGD.step

    def step(self, *args):
        rates.append(self.param_groups[0]["lr"])
        return original(self, *args)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    fitness = make_fitness()
    training, _ = search_sets(Source("digits"), 0, torch.device("cpu"))
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    recipe = replace(SEARCH, steps=20, batch_size=230)
    Candidate(network, training, training, fitness.augmentation, recipe, seed=0).train()
    assert rates == pytest.approx([0.1] * 16 + [0.01] * 2 + [0.001] * 2)
    epoch = torch.cat(seen[:5]).flatten(1)
    everything = training.normalised(training.pixels).flatten(1)
    assert torch.equal(epoch.sum(dim=1).sort().values, everything.sum(dim=1).sort().values)


def test_accuracy_is_the_share_of_right_classes():
    _, validation = search_sets(Source("digits"), 0, torch.device("cpu"))

    class Always(torch.nn.Module):
        def forward(self, images):
            logits = torch.zeros(len(images), 10)
            logits[:, 3] = 1.0
            return logits

    assert accuracy(Always(), validation, batch_size=64) == pytest.approx(
        float((validation.labels == 3).float().mean())
    )


def test_accuracy_leaves_the_statistics_of_batch_normalisation_alone():
    _, validation = search_sets(Source("digits"), 0, torch.device("cpu"))
    network = build_network(SPACE, GENES, make_fitness().template)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    accuracy(network, validation, batch_size=64)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_infinite_loss_stops_a_training_early():
    training, _ = search_sets(Source("digits"), 0, torch.device("cpu"))
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    torch.nn.init.constant_(network[1].weight, float("nan"))
    recipe = replace(SEARCH, batch_size=32)
    candidate = Candidate(network, training, training, make_fitness().augmentation, recipe, seed=0)
    with pytest.raises(DivergedError, match="after 100 of 5000 steps"):
        candidate.train()


def test_each_repeat_has_a_seed_of_its_own_that_derives_from_the_evaluations(monkeypatch):
    seeds = []
    make = AccuracyFitness._candidate

    def note(self, *arguments, seed):
        seeds.append(seed)
        return make(self, *arguments, seed=seed)

    monkeypatch.setattr(AccuracyFitness, "_candidate", note)
    make_fitness(repeats=4).evaluate(GENES, seed=3)
    assert seeds == [derive_seed(3, repeat) for repeat in range(4)]
    assert len(set(seeds)) == 4


def test_trivial_flat_genotype_trains():
    space = FlatSpace()
    fitness = AccuracyFitness(space, template=TEMPLATE, recipe=QUICK, repeats=1)
    assert fitness.evaluate(initTrivial(Genotype, space), seed=0).status is Status.OK


def test_a_layer_that_is_wrong_about_itself_ends_the_search():
    register_operation("biased of the fitness")(lambda in_channels, channels: (lying.WithBias(in_channels),))
    space = FlatSpace(nodes=2, operations=("biased of the fitness",))
    toolbox = make_toolbox(AccuracyFitness(space, template=TEMPLATE, recipe=QUICK, device="cpu"), space=space)
    with SerialExecutor() as executor, pytest.raises(SettingsError, match=r"the layer WithBias.* says it has 36 param"):
        eaAsync([MaxIndividual([1])], toolbox, executor, n_evaluations=1)
