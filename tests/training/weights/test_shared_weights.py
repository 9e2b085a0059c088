"""A bank of weights that all candidates share."""

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from deap import base
from hypothesis import given, settings
from hypothesis import strategies as st

from deap_nas import ChainSpace, DNASpace, FlatSpace, HierarchicalSpace, Status, eaAsyncGenerateUpdate, initChain
from deap_nas.assembly import weight_names
from deap_nas.errors import SettingsError, StorageError
from deap_nas.evaluation import Job
from deap_nas.executors import ProcessExecutor, SerialExecutor
from deap_nas.store import HDF5Store, MemoryStore, find_problems, open_run, resume_population
from deap_nas.training import SEARCH, AccuracyFitness, SharedWeights
from deap_nas.training.weights.shared_weights import Bank, take_from_bank
from tests.launch import ROOT, command, environment
from tests.toolboxes import MaxIndividual

SPACE = ChainSpace(max_layers=3, operations=("conv", "max_pool"), channels=(3, 4), kernel_sizes=(1, 3))
#: A convolution of 3 channels; the same, and one behind it; one of 4 channels at the first place.
SHORT, LONG, OTHER = [0, 0, 1, 0], [0, 0, 1, 0, 0, 0, 1, 0], [0, 1, 1, 0]
LABELS = {"fitness": {}}


def make_fitness(folder, space=SPACE, **changes):
    options = {"recipe": replace(SEARCH, steps=2, batch_size=32), "repeats": 1, "device": "cpu", "n_images": 200}
    return AccuracyFitness(space, **(options | {"weights": SharedWeights(folder)} | changes))


def tensors_of(folder):
    """Tensors of the newest generation."""
    return Bank(folder).read(Job(-5, None, 0), {})


def trained(fitness, genes, number, *, seed=0):
    evaluation = fitness.evaluate_job(Job(number, genes, seed))
    assert evaluation.status is Status.OK
    return evaluation


def test_a_candidate_starts_from_what_the_ones_before_have_left_at_the_same_places(tmp_path):
    fitness = make_fitness(tmp_path)
    trained(fitness, SHORT, 0)
    left = tensors_of(tmp_path)
    candidate = fitness.candidate(LONG, seed=3)
    before = {key: value.clone() for key, value in candidate.network.state_dict().items()}
    n_taken = take_from_bank(candidate.network, left, 0)
    shared = [key for key in before if "graph_0." in key or "head" in key]
    assert n_taken == len(shared) < len(before)
    names = {key: name for key, (name, _) in weight_names(candidate.network).items()}
    for key, value in candidate.network.state_dict().items():
        if key in shared:
            assert torch.equal(value, left[f"0.{names[key]}.{'x'.join(map(str, value.shape))}"])
        else:
            assert torch.equal(value, before[key])


def test_the_bank_keeps_what_a_candidate_does_not_use_and_each_shape_for_itself(tmp_path):
    fitness = make_fitness(tmp_path)
    trained(fitness, LONG, 0)
    first = tensors_of(tmp_path)
    trained(fitness, OTHER, 1)
    second = tensors_of(tmp_path)
    assert first.keys() < second.keys()
    moved = [name for name, value in first.items() if not torch.equal(second[name], value)]
    assert moved == [name for name in first if "head" in name and "bias" in name]  # all others have other channels
    trained(fitness, SHORT, 2)
    third = tensors_of(tmp_path)
    assert third.keys() == second.keys()
    changed = {name for name, value in third.items() if not torch.equal(value, second[name])}
    assert changed
    assert all("graph_0:conv_3x3_3" in name or "head" in name for name in changed)


def test_statistics_of_batch_normalisation_are_shared_too(tmp_path):
    fitness = make_fitness(tmp_path)
    trained(fitness, SHORT, 0)
    (name,) = [name for name in tensors_of(tmp_path) if "num_batches_tracked" in name]
    assert tensors_of(tmp_path)[name] == 2
    trained(fitness, SHORT, 1)
    assert tensors_of(tmp_path)[name] == 4


def test_repeats_have_weights_of_their_own(tmp_path):
    trained(make_fitness(tmp_path, repeats=2), SHORT, 0)
    tensors = tensors_of(tmp_path)
    names = [name.removeprefix("0.") for name in tensors if name.startswith("0.")]
    assert sorted(tensors) == sorted(f"{repeat}.{name}" for repeat in (0, 1) for name in names)
    assert not all(torch.equal(tensors[f"0.{name}"], tensors[f"1.{name}"]) for name in names)


def test_an_evaluation_that_is_made_again_starts_from_what_it_started_from(tmp_path):
    fitness = make_fitness(tmp_path)
    trained(fitness, LONG, 0)
    first = trained(fitness, SHORT, 1, seed=5)
    once = tensors_of(tmp_path)
    again = trained(fitness, SHORT, 1, seed=5)  # its worker died before it could tell
    assert again == first
    assert all(torch.equal(value, once[name]) for name, value in tensors_of(tmp_path).items())
    assert len(Bank(tmp_path).generations()) == 2
    trained(fitness, SHORT, 2, seed=5)
    assert not all(torch.equal(value, once[name]) for name, value in tensors_of(tmp_path).items())


def test_a_training_that_diverged_leaves_nothing(tmp_path):
    fitness = make_fitness(tmp_path)
    trained(fitness, SHORT, 0)
    before = [path.read_bytes() for path in Bank(tmp_path).generations()]
    wild = make_fitness(tmp_path, recipe=replace(fitness.recipe, learning_rate=1e38))
    with pytest.raises(SettingsError, match="is of another run"):
        wild.evaluate_job(Job(1, SHORT, 0))
    own = tmp_path / "own"
    wild = make_fitness(own, recipe=replace(fitness.recipe, learning_rate=1e38))
    assert wild.evaluate_job(Job(1, SHORT, 0)).status is Status.DIVERGED
    assert Bank(own).generations() == []
    assert [path.read_bytes() for path in Bank(tmp_path).generations()] == before


@pytest.mark.parametrize(
    ("space", "template"),
    [
        (FlatSpace(nodes=3), {"channels": 2}),
        (HierarchicalSpace(motifs=(2, 1), nodes=(3, 3)), {"channels": 2}),
        (ChainSpace(max_layers=2, channels=(2, 3)), {}),
        (DNASpace(), {}),
    ],
    ids=["flat", "hierarchical", "chain", "DNA"],
)
def test_every_space_can_share(tmp_path, space, template):
    kind = space.default_template()
    fitness = make_fitness(tmp_path, space, template=kind.with_channels(2) if template else kind)
    rng, n_ok = random.Random(2), 0
    for number in range(6):
        evaluation = fitness.evaluate_job(Job(number, space.sample(rng=rng), number))
        n_ok += evaluation.status is Status.OK
    assert n_ok >= 2
    assert len(Bank(tmp_path).generations()) == 2


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 4), st.sets(st.integers(0, 5), min_size=1)), min_size=1, max_size=8))
def test_the_bank_is_a_dictionary_whose_last_writer_may_write_again(tmp_path_factory, writes):
    """Each write is (evaluation, names); the model keeps the dictionary before the last evaluation, and after."""
    bank = Bank(tmp_path_factory.mktemp("bank"))
    before, after, last = {}, {}, None
    for value, (number, names) in enumerate(writes):
        if number != last:
            before, last = after, number
        after = before | {str(name): value for name in names}
        bank.write(Job(number, None, 0), {str(name): torch.tensor(value) for name in names}, LABELS)
        found = bank.read(Job(-1, None, 0), LABELS)
        assert {name: int(tensor) for name, tensor in found.items()} == after
        found = bank.read(Job(number, None, 0), LABELS)
        assert {name: int(tensor) for name, tensor in found.items()} == before
        assert len(bank.generations()) <= 2


def test_workers_that_write_at_once_lose_nothing(tmp_path):
    def write(number):
        bank = Bank(tmp_path)
        for step in range(5):
            assert bank.read(Job(-1, None, 0), LABELS).keys() >= {f"{number} {earlier}" for earlier in range(step)}
            bank.write(Job(10 * number + step, None, 0), {f"{number} {step}": torch.tensor(step)}, LABELS)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    found = Bank(tmp_path).read(Job(-1, None, 0), LABELS)
    assert found.keys() == {f"{number} {step}" for number in range(4) for step in range(5)}


def make_toolbox(fitness, rng):
    toolbox = base.Toolbox()
    toolbox.register("generate", initChain, MaxIndividual, SPACE, n_layers=2, rng=rng)
    toolbox.register("update", lambda individual: None)
    toolbox.register("evaluate", fitness)
    return toolbox


def search(folder, n_evaluations, *, executor=None, observer=None):
    """A search whose candidates share, or the rest of it."""
    fitness, rng = make_fitness(folder / "bank"), random.Random(4)
    with open_run(folder / "run.h5", space=SPACE, settings=fitness.to_dict(), seed=9, n_repeats=1) as store:
        population = resume_population(store, MaxIndividual, rng=rng)
        with executor or SerialExecutor() as workers:
            eaAsyncGenerateUpdate(
                make_toolbox(fitness, rng), workers,
                n_evaluations=n_evaluations, store=store, rng=rng, population=population, observer=observer,
            )  # fmt: skip
        return store.records()


def test_a_search_that_is_killed_and_resumed_ends_as_one_that_was_not(tmp_path):
    whole = search(tmp_path / "whole", 16)
    rng, parts = random.Random(0), tmp_path / "parts"
    for _ in range(4):
        options = {"env": environment(), "cwd": ROOT, "stdout": subprocess.PIPE}
        with subprocess.Popen(command("-m", "tests.training.weights.test_shared_weights", parts), **options) as process:
            for _ in range(rng.randrange(1, 4)):
                process.stdout.readline()
            process.kill()
    found = search(parts, 16)
    assert found == whole
    newest, wanted = (tensors_of(folder / "bank") for folder in (parts, tmp_path / "whole"))
    assert newest.keys() == wanted.keys()
    assert all(torch.equal(newest[name], value) for name, value in wanted.items())
    with HDF5Store.read(parts / "run.h5") as store:
        assert find_problems(store) == []


def test_several_workers_share_one_bank(tmp_path):
    records = search(tmp_path, 10, executor=ProcessExecutor(3))
    assert [record.evaluation.status for record in records] == [Status.OK] * 10
    tensors, fitness = tensors_of(tmp_path / "bank"), make_fitness(tmp_path / "bank")
    for record in records:  # whoever ended when, what each has trained is there
        network = fitness.candidate(record.genes, seed=0).network
        assert take_from_bank(network, tensors, 0) == len(network.state_dict())


def test_the_bank_of_another_run_is_refused_until_it_is_emptied(tmp_path):
    search(tmp_path, 2)
    fitness = make_fitness(tmp_path / "bank")
    with HDF5Store.create(tmp_path / "other.h5", space=SPACE, settings={}, seed=1) as other:
        for store in (MemoryStore(seed=1), other):
            with pytest.raises(SettingsError, match=r"belongs to the run in .*run\.h5"):
                fitness.check_store(store)
    (tmp_path / "run.h5").unlink()
    with HDF5Store.create(tmp_path / "run.h5", space=SPACE, settings={}, seed=2, n_repeats=1) as store:
        with pytest.raises(SettingsError, match="is the bank of weights of another run: give each run one of its own"):
            fitness.check_store(store)
        fitness.weights.renew(store)
        fitness.check_store(store)
    assert Bank(tmp_path / "bank").generations() == []


def test_a_bank_that_is_damaged_or_gone_is_a_clear_error(tmp_path):
    fitness = make_fitness(tmp_path / "bank")
    trained(fitness, SHORT, 0)
    (path,) = Bank(tmp_path / "bank").generations()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StorageError, match=r"bank-00000001\.safetensors cannot be read: .*; without it the search has"):
        fitness.evaluate_job(Job(1, SHORT, 0))
    (tmp_path / "bank").rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match=r"the bank of weights .*bank is not there: all workers must see it"):
        fitness.evaluate_job(Job(1, SHORT, 0))


def test_it_is_described_and_neither_reused_nor_replayed(tmp_path):
    fitness = make_fitness(tmp_path)
    described = fitness.to_dict()
    assert described["shares_weights"] is True
    again = AccuracyFitness.from_dict(described, device="cpu", weights_dir=tmp_path)
    assert again.to_dict() == described
    assert isinstance(again.weights, SharedWeights)
    assert (fitness.deterministic, fitness.reusable, fitness.forget, fitness.weights_dir) == (False, False, None, None)


if __name__ == "__main__":
    from pathlib import Path

    search(Path(sys.argv[1]), 10**6, observer=lambda *_: print(flush=True))
