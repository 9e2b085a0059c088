import logging
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from deap_nas import (
    FlatSpace,
    Genotype,
    HierarchicalSpace,
    NetworkTemplate,
    eaAsync,
    initDiversified,
    killOldest,
    mutEdge,
)
from deap_nas.assembly import build_network, weight_names
from deap_nas.errors import NotViableError, SettingsError, StorageError
from deap_nas.evaluation import Evaluation, Guard, Job, Runner, Status, derive_seed
from deap_nas.executors import ProcessExecutor, SerialExecutor
from deap_nas.graph import prune
from deap_nas.store import MemoryStore, resume_population
from deap_nas.template import cost, expand
from deap_nas.training import SEARCH, AccuracyFitness, remove_dead_weights
from deap_nas.training.weights.inheritance import Inheritance, take_over, weights_file
from tests.launch import ROOT, environment
from tests.strategies import genes_of, seeds, spaces
from tests.toolboxes import MaxIndividual, make_toolbox

TEMPLATE = NetworkTemplate.small_cifar(channels=3, image_channels=1, image_size=8)


def double_network(space, genes):
    """A network in double precision, whose statistics are as random as its weights; None if there is none."""
    try:
        if cost(space, genes, TEMPLATE).n_parameters > 2e5:
            return None
    except NotViableError:
        return None
    network = build_network(space, genes, TEMPLATE).double()
    with torch.no_grad():
        for value in network.state_dict().values():
            value.copy_(torch.rand(value.shape, dtype=torch.float64) * 9 + 1)
    return network


def named(network):
    """Copies of a network's tensors by the names that hold their operation."""
    return {name: value.clone() for name, value in weight_names(network).values()}


@st.composite
def parents_and_children(draw):
    """A space, a parent, and a child: some mutations away, or anybody."""
    space = draw(spaces())
    parent, rng = draw(genes_of(space)), random.Random(draw(seeds))
    child = Genotype(draw(genes_of(space)) if draw(st.booleans()) else parent)
    for _ in range(draw(st.integers(0, 3))):
        (child,) = mutEdge(child, space, rng=rng)
    return space, Genotype(parent), child


@given(parents_and_children())
def test_a_child_takes_what_has_the_path_the_operation_and_the_shape_of_its_own_and_keeps_the_rest(family):
    space, parent_genes, child_genes = family
    parent, child = double_network(space, parent_genes), double_network(space, child_genes)
    if parent is None or child is None:
        return
    theirs, before = named(parent), named(child)
    taken = take_over(child, theirs)
    for name, value in weight_names(child).values():
        fits = name in theirs and theirs[name].shape == value.shape
        assert (name in taken) == fits
        assert torch.equal(value, theirs[name] if fits else before[name])


@given(parents_and_children())
def test_a_child_takes_every_layer_that_is_as_in_its_parent(family):
    space, parent_genes, child_genes = family
    parent, child = double_network(space, parent_genes), double_network(space, child_genes)
    if parent is None or child is None:
        return
    chains = [
        {
            step.name: (step.chain.layers, step.operation)
            for step in expand(prune(space.lower(genes)), TEMPLATE)
            if not step.merge
        }
        for genes in (parent_genes, child_genes)
    ]
    same = {name for name in child.layers if chains[0].get(name) == chains[1][name]}
    taken = take_over(child, named(parent))
    names = {key: name for key, (name, _) in weight_names(child).items()}
    for name in same:
        layer = child.layers[name].state_dict()
        assert {names[f"layers.{name}.{part}"] for part in layer} <= set(taken)
        assert all(torch.equal(value, parent.layers[name].state_dict()[part]) for part, value in layer.items())
    assert "stem1" in same


@given(spaces().flatmap(lambda space: st.tuples(st.just(space), genes_of(space))))
def test_a_child_with_its_parents_genes_takes_everything_and_computes_the_same(space_and_genes):
    space, genes = space_and_genes
    parent, child = double_network(space, genes), double_network(space, genes)
    if parent is None:
        return
    assert set(take_over(child, named(parent))) == set(named(parent))
    images = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    assert torch.equal(child.eval()(images), parent.eval()(images))


def test_another_operation_at_the_same_place_takes_nothing_even_of_the_same_shape():
    space = FlatSpace(nodes=2, operations=("depthwise_conv_3x3", "separable_conv_3x3"))
    parent, child = double_network(space, [1]), double_network(space, [2])
    key = "layers.group1_cell1_0.0.weight"  # the depthwise convolution of either
    assert parent.state_dict()[key].shape == child.state_dict()[key].shape
    taken = take_over(child, named(parent))
    assert not [name for name in taken if name.startswith("layers.group1_cell1_0:")]
    assert not torch.equal(parent.state_dict()[key], child.state_dict()[key])


def test_a_file_of_before_names_held_the_operation_is_read():
    space = FlatSpace(nodes=3)
    parent, child = double_network(space, [1, 2, 3]), double_network(space, [1, 2, 3])
    assert set(take_over(child, parent.state_dict())) == set(parent.state_dict())
    assert all(torch.equal(value, parent.state_dict()[key]) for key, value in child.state_dict().items())


SPACE = HierarchicalSpace()


def make_fitness(folder=None, **changes):
    options = {"template": TEMPLATE, "recipe": replace(SEARCH, steps=3, batch_size=32), "repeats": 2, "device": "cpu"}
    return AccuracyFitness(SPACE, **(options | {"n_images": 300, "weights_dir": folder} | changes))


def family(seed=0):
    """A job, and one of its children."""
    rng = random.Random(seed)
    parent = initDiversified(Genotype, SPACE, rng=rng)
    (child,) = mutEdge(Genotype(parent), SPACE, must_change=True, rng=rng)
    return Job(4, parent, seed=11), Job(7, child, seed=12, parent=4)


def test_a_child_starts_each_repeat_from_that_repeat_of_its_parent(tmp_path):
    parent, child = family()
    fitness = make_fitness(tmp_path)
    fitness.evaluate_job(parent)
    fresh = (fitness.candidate(child.genes, seed=seed) for seed in (0, 1))
    first, second = Inheritance(tmp_path, child, fitness.to_dict(), genes=list(child.genes)).given(fresh)
    theirs = load_file(weights_file(tmp_path, parent.id))
    for repeat, candidate in enumerate((first, second)):
        own = named(candidate.network)
        taken = [name for name, value in own.items() if shape_of(theirs, f"{repeat}.{name}") == value.shape]
        assert len(taken) > len(own) / 2
        assert all(torch.equal(own[name], theirs[f"{repeat}.{name}"]) for name in taken)
    stem = "layers.stem1.0.weight"
    assert not torch.equal(first.network.state_dict()[stem], second.network.state_dict()[stem])


def shape_of(tensors, name):
    return tensors[name].shape if name in tensors else None


def test_a_child_of_a_parent_without_weights_and_a_first_genotype_start_anew(tmp_path):
    parent, child = family()
    fresh = make_fitness().evaluate_job(child)
    assert make_fitness(tmp_path).evaluate_job(child) == fresh
    assert make_fitness(tmp_path).evaluate_job(parent) == make_fitness().evaluate_job(parent)
    assert make_fitness(tmp_path).evaluate_job(child) != fresh


def test_a_guard_and_the_partial_of_a_toolbox_let_it_inherit(tmp_path):
    parent, child = family()
    fitness = make_fitness(tmp_path)
    fitness.evaluate_job(parent)
    expected = fitness.evaluate_job(child)
    guarded = Runner(partial(Guard(fitness, worst_values=(0.0,))))
    assert guarded(child).scores == expected.scores


def test_how_much_is_inherited_is_logged(tmp_path, caplog):
    parent, _ = family()
    fitness = make_fitness(tmp_path)
    n_tensors = len(build_network(SPACE, parent.genes, TEMPLATE).state_dict())
    fitness.evaluate_job(parent)
    with caplog.at_level(logging.DEBUG, logger="deap_nas.training.weights.inheritance"):
        fitness.evaluate_job(replace(parent, id=5, parent=4))
    assert [record.getMessage() for record in caplog.records] == [
        f"{weights_file(tmp_path, 5)}, repeat {repeat}: {n_tensors} of {n_tensors} tensors inherited"
        for repeat in range(2)
    ]


def test_without_a_job_it_starts_anew_and_leaves_nothing(tmp_path):
    _, child = family()
    assert make_fitness(tmp_path)(child.genes) == make_fitness()(child.genes)
    assert make_fitness(tmp_path).evaluate(child.genes, seed=3) == make_fitness().evaluate(child.genes, seed=3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("genes", [[0] * SPACE.n_genes, None])
def test_an_evaluation_that_fails_leaves_nothing(genes, tmp_path):
    recipe = replace(SEARCH, steps=3, batch_size=32, learning_rate=1e30)
    job = Job(0, family()[0].genes if genes is None else Genotype(genes), seed=1)
    assert make_fitness(tmp_path, recipe=recipe).evaluate_job(job).status is not Status.OK
    assert list(tmp_path.iterdir()) == []


def test_files_of_another_run_or_fitness_are_refused(tmp_path):
    parent, child = family()
    make_fitness(tmp_path).evaluate_job(parent)
    make_fitness(tmp_path).evaluate_job(parent)  # another try of the same evaluation
    for fitness, job in [
        (make_fitness(tmp_path), replace(parent, seed=12)),
        (make_fitness(tmp_path), replace(parent, genes=child.genes)),
        (make_fitness(tmp_path, repeats=1), parent),
        (make_fitness(tmp_path, seed=1), child),
    ]:
        with pytest.raises(SettingsError, match=r"4\.safetensors is of another run: give each run a weights_dir"):
            fitness.evaluate_job(job)


def test_a_description_with_tuples_is_known_again_from_the_file(tmp_path):
    parent, child = (Job(number, family()[0].genes, seed=1, parent=number - 1) for number in (0, 1))
    fitness = {"stopping": {"levels": (0.1, 0.2)}}
    genes = list(parent.genes)
    Inheritance(tmp_path, parent, fitness, genes=genes).save()
    Inheritance(tmp_path, parent, fitness, genes=genes)  # another try of the same evaluation
    assert list(Inheritance(tmp_path, child, fitness, genes=genes).given([])) == []
    with pytest.raises(SettingsError, match="is of another run"):
        list(Inheritance(tmp_path, child, {"stopping": {"levels": (0.1, 0.3)}}, genes=genes).given([]))


def test_a_damaged_file_and_a_folder_that_is_gone_are_clear_errors(tmp_path):
    parent, child = family()
    fitness = make_fitness(tmp_path / "weights")
    fitness.evaluate_job(parent)
    path = weights_file(tmp_path / "weights", parent.id)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StorageError, match=r"4\.safetensors cannot be read: .*; without it the children start anew"):
        fitness.evaluate_job(child)
    (tmp_path / "weights").rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match=r"weights_dir .*weights is not there: it must be a folder that all"):
        fitness.evaluate_job(parent)


def test_only_that_it_inherits_is_described_and_where_the_weights_are_is_given_anew(tmp_path):
    fitness = make_fitness(tmp_path)
    described = fitness.to_dict()
    assert described == make_fitness().to_dict() | {"inherits_weights": True}
    again = AccuracyFitness.from_dict(described, device="cpu", weights_dir=tmp_path)
    assert again.to_dict() == described
    with pytest.raises(SettingsError, match=r"the fitness keeps weights in a folder: give weights_dir"):
        AccuracyFitness.from_dict(described, device="cpu")


N_EVALUATIONS = 10


def evolve(folder, store, *, executor=None, **settings):
    """A search, or the rest of it."""
    rng = random.Random(1)
    toolbox = make_toolbox(make_fitness(folder, repeats=1), rng=rng, space=SPACE)
    population = resume_population(store, MaxIndividual, rng=rng) or toolbox.population(4)
    with executor or SerialExecutor() as workers:
        eaAsync(population, toolbox, workers, n_evaluations=N_EVALUATIONS, store=store, rng=rng, **settings)
    return store.records()


def guarded(fitness):
    return partial(Guard(partial(fitness), worst_values=(0.0,)))


@pytest.mark.parametrize("wrapped", [lambda fitness: fitness, guarded])
def test_a_new_run_refuses_the_weights_of_another_until_they_are_removed(tmp_path, wrapped):
    first = evolve(tmp_path, MemoryStore(seed=3))
    store, toolbox = MemoryStore(seed=3), make_toolbox(wrapped(make_fitness(tmp_path)), rng=random.Random(1))
    with pytest.raises(SettingsError, match=r"0\.safetensors is of no evaluation of this run: give each run"):
        eaAsync(toolbox.population(4), toolbox, SerialExecutor(), n_evaluations=4, store=store)
    assert store.n_submitted == 0
    remove_dead_weights(store, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert evolve(tmp_path, store) == first


def interrupted(observe, *numbers):
    """An observer that also interrupts the search, after these numbers of evaluations."""
    seen = []

    def observer(individual, n_running):
        observe()
        seen.append(individual)
        if len(seen) in numbers:
            raise KeyboardInterrupt

    return observer


def nothing():
    pass


def test_a_search_that_is_interrupted_goes_on_as_if_it_had_not_been_and_inherits(tmp_path):
    whole = evolve(tmp_path / "whole", MemoryStore(seed=3))
    assert whole != evolve(None, MemoryStore(seed=3))
    store, observer = MemoryStore(seed=3), interrupted(nothing, 3, 6, 8)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            evolve(tmp_path / "parts", store, observer=observer)
    assert evolve(tmp_path / "parts", store) == whole
    for record in whole:
        expected = weights_file(tmp_path / "whole", record.evaluation.id)
        assert expected.exists() == (record.evaluation.status is Status.OK)
        if expected.exists():
            parts = load_file(weights_file(tmp_path / "parts", record.evaluation.id))
            assert all(torch.equal(parts[name], value) for name, value in load_file(expected).items())


def test_processes_leave_weights_to_each_other(tmp_path):
    records = evolve(tmp_path / "run", MemoryStore(seed=3), executor=ProcessExecutor(2))
    inheriting = 0
    for genes, evaluation in ((record.genes, record.evaluation) for record in records):
        number, parent = evaluation.id, evaluation.parent
        (tmp_path / str(number)).mkdir()
        if weights_file(tmp_path / "run", parent).exists():
            inheriting += 1
            shutil.copy(weights_file(tmp_path / "run", parent), tmp_path / str(number))
        job = Job(number, Genotype(genes), derive_seed(3, number), parent)
        again = make_fitness(tmp_path / str(number), repeats=1).evaluate_job(job)
        assert (again.status, again.scores) == (evaluation.status, evaluation.scores)
    assert inheriting > 0


def test_weights_of_removed_members_are_removed_and_the_search_is_the_same(tmp_path):
    survival = partial(killOldest, size=3)
    whole = evolve(tmp_path / "whole", MemoryStore(seed=3), survival=survival)
    store = MemoryStore(seed=3)
    remove = partial(remove_dead_weights, store, tmp_path / "few")
    observer = interrupted(remove, 5)
    with pytest.raises(KeyboardInterrupt):
        evolve(tmp_path / "few", store, survival=survival, observer=observer)
    assert evolve(tmp_path / "few", store, survival=survival, observer=observer) == whole
    trained = {record.evaluation.id for record in whole if record.evaluation.status is Status.OK}
    alive = {record.evaluation.id for record in whole if record.alive}
    for name in ("whole", "few"):
        assert trained & alive <= {int(path.stem) for path in (tmp_path / name).glob("*.safetensors")} < trained


def test_the_weights_of_a_dead_parent_stay_until_its_children_are_evaluated(tmp_path):
    store = MemoryStore(seed=3)
    genes = family()[0].genes
    store.submit([Job(0, genes, 1), Job(1, genes, 2), Job(2, genes, 3, parent=0)], None)
    for number in (0, 1, 2):
        weights_file(tmp_path, number).touch()
    (tmp_path / "1 (copy).safetensors").touch()  # not ours
    store.append(genes, Evaluation((0.5,), id=0))
    store.append(genes, Evaluation((0.5,), id=1))
    store.kill([0, 1])
    remove_dead_weights(store, tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {"0", "1 (copy)", "2"}
    store.append(genes, Evaluation((0.6,), id=2, parent=0))
    remove_dead_weights(store, tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {"1 (copy)", "2"}


def test_the_weights_of_the_best_stay_and_of_a_store_that_says_what_is_best_that_is_it(tmp_path):
    for weights, best in ((None, 1), ((-1.0,), 2)):
        store, genes = MemoryStore(seed=3), family()[0].genes
        store.weights = weights
        store.submit([Job(number, genes, 1) for number in range(4)], None)
        for number, value in enumerate((0.5, 0.7, 0.3, 0.4)):
            weights_file(tmp_path, number).touch()
            store.append(genes, Evaluation((value,), id=number))
        store.kill(range(4))
        remove_dead_weights(store, tmp_path)
        assert {path.stem for path in tmp_path.iterdir()} == {str(best)}


KILLED_WHILE_WRITING = """
import os, pathlib, signal, sys
from deap_nas.training.weights import tensor_files as checkpoints
from tests.training.weights import test_inheritance as tests

save = checkpoints.save_file

def save_half(tensors, path, metadata):
    save(tensors, path, metadata)
    os.truncate(path, os.path.getsize(path) // 2)
    os.kill(os.getpid(), signal.SIGKILL)

checkpoints.save_file = save_half
tests.make_fitness(pathlib.Path(sys.argv[1])).evaluate_job(tests.family()[0])
"""


def test_a_kill_while_weights_are_written_leaves_none_and_the_next_try_all(tmp_path):
    command = [sys.executable, "-c", KILLED_WHILE_WRITING, str(tmp_path)]
    done = subprocess.run(command, env=environment(), cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    parent, child = family()
    path = weights_file(tmp_path, parent.id)
    assert any(tmp_path.iterdir())  # half of a file, under another name
    assert not path.exists()
    make_fitness(tmp_path).evaluate_job(parent)
    (tmp_path / "whole").mkdir()
    make_fitness(tmp_path / "whole").evaluate_job(parent)
    whole = load_file(weights_file(tmp_path / "whole", parent.id))
    assert all(torch.equal(value, whole[name]) for name, value in load_file(path).items())
    assert make_fitness(tmp_path).evaluate_job(child).status is Status.OK
