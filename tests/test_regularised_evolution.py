"""The example of regularised evolution, run as users call it, and the space of its cells in files and surrogates."""

import random
import subprocess
from functools import partial

import pytest

from deap_nas import CellSpace, CellStack, CostLimit, canonical_key, cost, eaAsync, initUniform, killOldest, mutCell
from deap_nas.executors import SerialExecutor
from deap_nas.graph import AMOEBANET_OPERATIONS, DARTS_OPERATIONS
from deap_nas.store import HDF5Store, find_problems
from deap_nas.surrogates import LSTMSurrogate
from tests.cells import AMOEBANET, DARTS, NASNET
from tests.launch import ROOT, command, environment, run
from tests.store.hdf5.test_population_file import rows
from tests.test_hier_evo import wait_for_evaluations
from tests.toolboxes import MaxIndividual, gene_sum, make_toolbox

SCRIPT = ROOT / "examples" / "regularised_evolution.py"
TINY = (
    "--population=4", "--sample=2", "--evaluations=9", "--epochs=0.1", "--batch-size=32", "--channels=2", "--cells=1",
    "--images=200", "--device=cpu",
)  # fmt: skip


def search(*arguments, **options):
    return run(SCRIPT, *TINY, *arguments, **options)


def test_its_settings_are_those_of_the_paper():
    usage = " ".join(run(SCRIPT, "--help").stdout.split())
    for text in (
        "default: 100", "default: 25)", "default: 20000", "default: 0.05", "default: 24", "default: 3)",
        "default: 25.0", "default: 128", "default: amoebanet",
    ):  # fmt: skip
        assert text in usage


def test_the_oldest_die_and_children_are_one_mutation_away(tmp_path):
    path = tmp_path / "run.h5"
    done = search("--output", path, "--identity=0")
    assert done.returncode == 0, done.stderr
    assert "survival    killOldest(size=4)" in done.stdout
    with HDF5Store.read(path) as store:
        assert store.space == CellSpace(operations=AMOEBANET_OPERATIONS)
        assert find_problems(store, everything=True) == []
        records = {record.evaluation.id: record for record in store}
    assert len(records) == 9
    for record in records.values():
        if record.evaluation.id >= 4:
            parent = records[record.evaluation.parent]
            assert len(AMOEBANET.changes(parent.genes, record.genes)) <= 1
            assert record.evaluation.id - 4 <= parent.evaluation.id < record.evaluation.id


@pytest.mark.parametrize(("name", "space"), [("nasnet", NASNET), ("darts", DARTS)])
def test_other_spaces_and_a_limit_of_parameters(tmp_path, name, space):
    path = tmp_path / "run.h5"
    done = search("--output", path, f"--space={name}", "--evaluations=5", "--max-parameters=3000")
    assert done.returncode == 0, done.stderr
    template = CellStack(channels=2, n_normal=1, relu_first=True, image_channels=1, image_size=8)
    with HDF5Store.read(path) as store:
        assert store.space == space
        sizes = [cost(space, record.genes, template).n_parameters for record in store]
        assert [record.evaluation.n_parameters for record in store] == sizes
    assert max(sizes) <= 3000


def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(tmp_path):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    assert search("--output", whole).returncode == 0
    with subprocess.Popen(
        command(SCRIPT, *TINY, "--output", parts), env=environment(), stderr=subprocess.DEVNULL
    ) as process:
        wait_for_evaluations(parts, 3)
        process.kill()
    done = run(SCRIPT, "--resume", parts)
    assert done.returncode == 0, done.stderr
    assert rows(parts) == rows(whole)


def test_what_was_found_is_replayed_retrained_and_exported(tmp_path):
    path = tmp_path / "run.h5"
    assert search("--output", path, "--evaluations=5").returncode == 0
    replayed = run("-m", "deap_nas.cli", "replay", path)
    assert replayed.stdout.splitlines()[-1] == "the same"
    small = ("--channels=2", "--cells=1", "--device=cpu")
    retrained = run("-m", "deap_nas.cli", "retrain", path, "--runs=1", "--scale=0.00002", *small)
    assert retrained.returncode == 0, retrained.stderr
    exported = run("-m", "deap_nas.cli", "export", path)
    assert exported.returncode == 0, exported.stderr
    assert "network.onnx  largest difference" in exported.stdout


@pytest.mark.parametrize("space", [AMOEBANET, DARTS])
def test_any_operator_limit_key_and_file_work_with_two_cells(tmp_path, space):
    rng = random.Random(1)
    toolbox = make_toolbox(gene_sum, rng=rng, space=space)
    toolbox.register("individual", initUniform, MaxIndividual, space, rng=rng)
    toolbox.register("mutate", mutCell, space=space, rng=rng)
    template = CellStack(channels=4)
    sizes = [cost(space, space.sample(rng=rng), template).n_parameters for _ in range(50)]
    limit = CostLimit(space, template, max_parameters=sorted(sizes)[25])
    toolbox.decorate("individual", limit)
    toolbox.decorate("mutate", limit)
    population = [toolbox.individual() for _ in range(10)]
    path, rules = (
        tmp_path / "run.h5",
        {"survival": partial(killOldest, size=10), "reuse": partial(canonical_key, space)},
    )
    with HDF5Store.create(path, space=space, settings={}, seed=1) as store, SerialExecutor() as executor:
        eaAsync(population, toolbox, executor, n_evaluations=60, store=store, rng=rng, **rules)
    with HDF5Store.read(path) as store:
        assert store.space == space
        assert find_problems(store, everything=True) == []
        genotypes = [record.genes for record in store]
    assert all(limit.permits(genotype) for genotype in genotypes)


def test_a_surrogate_learns_which_cells_have_many_convolutions():
    space, rng = CellSpace(blocks=2, operations=DARTS_OPERATIONS), random.Random(1)
    genotypes = [space.sample(rng=rng) for _ in range(300)]
    scores = [sum(gene >= 3 for gene in genotype[1::2]) / 8 for genotype in genotypes]
    surrogate = LSTMSurrogate(space, seed=1)
    surrogate.fit(genotypes[:250], scores[:250])
    predicted = surrogate.predict(genotypes[250:]).mean
    order = sorted(range(50), key=predicted.__getitem__)
    low, high = ([scores[250 + place] for place in half] for half in (order[:15], order[-15:]))
    assert sum(high) > sum(low) + 1.5
