"""What a training cannot write down ends a search or a retraining with one line, and both go on where there is room."""

import random
import re
from dataclasses import replace

import pytest

from deap_nas import HierarchicalSpace, NetworkTemplate, eaAsync
from deap_nas.errors import StorageError
from deap_nas.evaluation import Status
from deap_nas.executors import ProcessExecutor, SerialExecutor
from deap_nas.store import HDF5Store, MemoryStore, resume_population
from deap_nas.training import SEARCH, AccuracyFitness
from tests.launch import HIER_EVO, TINY, enlarge, run
from tests.toolboxes import MaxIndividual, make_toolbox
from tests.training.retraining.retrain import make_retraining

SPACE = HierarchicalSpace()
TEMPLATE = NetworkTemplate.small_cifar(channels=4, image_channels=1, image_size=8)
N_EVALUATIONS = 12


def evolve(folder, store, executor):
    rng = random.Random(1)
    recipe = replace(SEARCH, steps=3, batch_size=32)
    fitness = AccuracyFitness(
        SPACE, template=TEMPLATE, recipe=recipe, repeats=1, device="cpu", n_images=300, weights_dir=folder
    )
    toolbox = make_toolbox(fitness, rng=rng, space=SPACE)
    population = resume_population(store, MaxIndividual, rng=rng) or toolbox.population(4)
    with executor as workers:
        eaAsync(population, toolbox, workers, n_evaluations=N_EVALUATIONS, store=store, rng=rng)
    return store.records()


def torn(folder):
    return [path for path in folder.iterdir() if path.name.endswith("partial")]


def fill(disk, *, leave):
    """Take the room of a disk but for so many bytes."""
    (disk / "filler").write_bytes(b"x" * (2**18 - leave))


@pytest.mark.parametrize("make_executor", [SerialExecutor, lambda: ProcessExecutor(2)])
def test_weights_on_a_full_disk_end_the_search_which_goes_on_where_there_is_room(tmp_path, full_disk, make_executor):
    store = MemoryStore(seed=3)
    with pytest.raises(
        StorageError, match=r"\d+\.safetensors cannot be written: No space left on device; make room .* res"
    ):
        evolve(full_disk, store, make_executor())
    ended = store.records()
    assert 0 < len(ended) < N_EVALUATIONS
    assert {record.evaluation.status for record in ended} <= {Status.OK, Status.NOT_VIABLE}
    if make_executor is SerialExecutor:  # another process may have been killed while it wrote
        assert torn(full_disk) == []
    enlarge(full_disk)
    records = evolve(full_disk, store, SerialExecutor())
    assert torn(full_disk) == []
    assert records[: len(ended)] == ended
    if make_executor is SerialExecutor:
        assert records == evolve(tmp_path / "whole", MemoryStore(seed=3), SerialExecutor())


def test_weights_of_ranks_on_a_full_disk_end_the_example_with_one_line(tmp_path, full_disk):
    fill(full_disk, leave=60_000)
    (tmp_path / "run-weights").symlink_to(full_disk)
    path = tmp_path / "run.h5"
    done = run(HIER_EVO, *TINY, "--output", path, "--weights=inherited", "--evaluations=12", n_ranks=3)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if "cannot be written: No space left on device" in line]
    assert len(lines) == 1
    assert re.search(r"run-weights/\d+\.safetensors cannot", lines[0])
    with HDF5Store.read(path) as store:
        assert Status.FAILED not in store.column("status")
        assert store.n_evaluated < 12
    enlarge(full_disk)
    done = run(HIER_EVO, "--resume", path, n_ranks=3)
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        assert store.n_evaluated == 12
        assert Status.FAILED not in store.column("status")


@pytest.mark.parametrize("leave", [200, 30_000, 100_000])
def test_a_retraining_on_a_full_disk_ends_with_one_line_and_goes_on_where_there_is_room(tmp_path, full_disk, leave):
    fill(full_disk, leave=leave)
    with pytest.raises(StorageError, match=r"disk/.* cannot be written: No space left on device; make room"):
        make_retraining(checkpoint_seconds=0).run(full_disk)
    assert [path for path in full_disk.iterdir() if path.name.endswith("partial")] == []
    enlarge(full_disk)
    result = make_retraining(checkpoint_seconds=0).run(full_disk)
    assert result.accuracies == make_retraining().run(tmp_path / "whole").accuracies
