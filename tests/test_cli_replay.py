import json
import random
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from deap_nas import FlatSpace, Genotype, NetworkTemplate, eaAsync
from deap_nas import cli as command
from deap_nas.errors import DatasetError, SettingsError, UnknownNameError
from deap_nas.evaluation import Job, Runner
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, merge_runs
from deap_nas.training import SEARCH, AccuracyFitness, EarlyStopping, FreshWeights, SuccessiveHalving
from tests.launch import run
from tests.toolboxes import MaxIndividual, make_toolbox
from tests.training.data.test_image_identity import forget_folders
from tests.training.data.test_inspection import make_noise

SPACE = FlatSpace(nodes=3, operations=("conv_1x1", "identity"))


def make_fitness(seed=0, **options):
    recipe = replace(SEARCH, steps=3, batch_size=32)
    options = {"n_images": 300} | options
    template = NetworkTemplate.small_cifar(channels=2)
    return AccuracyFitness(SPACE, template=template, recipe=recipe, repeats=2, device="cpu", seed=seed, **options)


def search(path, seed, *, reuse=sum, **options):
    """A search of five individuals: two networks, the second twice by reuse, and one that is none."""
    rng, fitness = random.Random(seed), make_fitness(seed, **options)
    toolbox = make_toolbox(fitness, rng=rng, space=SPACE)
    genes = ([1, 1, 0], [1, 0, 2], [0, 1, 1], [0, 0, 0])
    population = [MaxIndividual(each) for each in genes]
    settings = {"fitness": fitness.to_dict(), "device": "cpu"}
    with HDF5Store.create(path, space=SPACE, settings=settings, seed=seed) as store, SerialExecutor() as executor:
        eaAsync(population, toolbox, executor, n_evaluations=4, store=store, rng=rng, reuse=reuse)
    return str(path)


@pytest.fixture(scope="module")
def run_file(tmp_path_factory):
    return search(tmp_path_factory.mktemp("replay") / "run.h5", 5)


@pytest.mark.parametrize("number", range(4))
def test_every_individual_comes_out_as_it_is_recorded(run_file, number, capsys):
    assert command.main(["replay", run_file, "--id", str(number)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "the same"
    assert lines[1].removeprefix("recorded") == lines[2].removeprefix("now     ")


def test_it_is_trained_with_the_threads_of_the_search(tmp_path):
    path, begin = tmp_path / "run.h5", "import sys; from tests.test_cli_replay import search; search(sys.argv[1], 5)"
    assert run("-c", begin, path, variables={"OMP_NUM_THREADS": "1"}).returncode == 0
    done = run("-m", "deap_nas.cli", "replay", path, variables={"OMP_NUM_THREADS": "2"})
    assert done.stdout.splitlines()[-1] == "the same", done.stderr
    assert "on cpu, threads: 1\n" in done.stdout


class Shared(FreshWeights):
    """Stands for weights that all evaluations share."""

    is_deterministic = False

    def __init__(self, *, is_deterministic):
        self.is_deterministic = is_deterministic

    def to_dict(self):
        return {"own_weights": True}


@pytest.mark.parametrize(
    ("is_deterministic", "message"),
    [
        (False, "cannot be replayed: its evaluations depend on more than genotype, seed and parent"),
        (True, "('own_weights'), such as a source of weights of one's own: only the script that made it"),
    ],
)
def test_weights_that_a_replay_cannot_have_are_refused_in_words(tmp_path, capsys, is_deterministic, message):
    path = search(tmp_path / "run.h5", 5, weights=Shared(is_deterministic=is_deterministic), reuse=None)
    assert command.main(["replay", path]) == 1
    assert message in capsys.readouterr().err


@pytest.fixture
def threads():
    """CPU threads of torch, which are put back after the test."""
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


def test_threads_that_the_file_does_not_tell_are_an_option(run_file, tmp_path, threads, capsys):
    path = tmp_path / "run.h5"
    path.write_bytes(Path(run_file).read_bytes())
    with h5py.File(path, "r+") as file:
        file["individuals/scores"][0, 1] = 0.123
        del file["individuals/threads"]
    assert command.main(["replay", str(path), "--id", "0"]) == 1
    out, err = capsys.readouterr()
    assert f"threads: {threads}\n" in out
    assert "; the file does not tell the number of CPU threads: try others with --threads" in err
    assert command.main(["replay", str(path), "--id", "3", f"--threads={threads + 1}"]) == 0
    assert f"threads: {threads + 1}\n" in capsys.readouterr().out
    assert command.main(["replay", str(path), "--id", "0", "--threads=-1"]) == 1
    assert "the number of threads must be at least 1, found -1" in capsys.readouterr().err


def test_an_individual_that_took_its_fitness_is_replayed_by_the_one_it_took_it_from(run_file, capsys):
    with HDF5Store.read(run_file) as store:
        reused = store.column("reused").tolist()
    (number,) = [number for number, origin in enumerate(reused) if origin >= 0]
    assert command.main(["replay", run_file, "--id", str(number)]) == 0
    assert f"individual {number}, evaluation {reused[number]}, " in capsys.readouterr().out


@pytest.fixture(scope="module")
def inheriting_run(tmp_path_factory):
    """A file of a network, a genotype that is none, and a child of each."""
    folder = tmp_path_factory.mktemp("inheriting")
    fitness, genes = make_fitness(weights_dir=folder / "run-weights"), ([1, 1, 0], [0, 0, 0], [1, 0, 1], [1, 1, 0])
    settings = {"fitness": fitness.to_dict(), "device": "cpu"}
    with HDF5Store.create(folder / "run.h5", space=SPACE, settings=settings, seed=5) as store:
        jobs = [Job(n, Genotype(genes[n]), store.seed_of(n), parent) for n, parent in enumerate((-1, -1, 0, 1))]
        store.submit(jobs, random.Random(0).getstate())
        for job in jobs:
            evaluation = Runner(fitness)(job)
            store.append(job.genes, replace(evaluation, values=evaluation.values or (0.0,)))
    return folder / "run.h5"


def test_an_individual_is_replayed_from_the_weights_of_its_parent(inheriting_run, tmp_path, capsys):
    weights = inheriting_run.with_name("run-weights")
    before = {path.name: path.read_bytes() for path in weights.iterdir()}
    assert sorted(before) == ["0.safetensors", "2.safetensors", "3.safetensors"]
    for number in range(4):
        assert command.main(["replay", str(inheriting_run), "--id", str(number)]) == 0
    assert {path.name: path.read_bytes() for path in weights.iterdir()} == before
    capsys.readouterr()
    moved = tmp_path / "moved.h5"
    moved.write_bytes(inheriting_run.read_bytes())
    assert command.main(["replay", str(moved), "--id", "3"]) == 0  # it inherited nothing
    assert command.main(["replay", str(moved), "--id", "2"]) == 1
    path = tmp_path / "moved-weights" / "0.safetensors"
    error = f"deap-nas: {path} is not there: the weights of the parent, individual 0; see --weights-dir\n"
    assert capsys.readouterr().err == error
    assert command.main(["replay", str(moved), "--id", "2", "--weights-dir", str(weights)]) == 0


def test_an_individual_of_a_merged_file_is_replayed_from_the_weights_of_its_run(inheriting_run, tmp_path):
    other = tmp_path / "other.h5"
    other.write_bytes(inheriting_run.read_bytes())
    merge_runs(tmp_path / "merged.h5", [inheriting_run, other])
    weights = str(inheriting_run.with_name("run-weights"))
    assert command.main(["replay", str(tmp_path / "merged.h5"), "--id", "6", "--weights-dir", weights]) == 0


def test_a_stopped_individual_is_trained_to_the_rung_that_it_reached(tmp_path, capsys):
    rng, path = random.Random(2), tmp_path / "run.h5"
    fitness = make_fitness(stopping=EarlyStopping((0.4, 0.7), SuccessiveHalving(fraction=0.5)))
    toolbox = make_toolbox(fitness, rng=rng, space=SPACE)
    settings = {"fitness": fitness.to_dict(), "device": "cpu"}
    with (
        HDF5Store.create(path, space=SPACE, settings=settings, seed=2, n_rungs=2) as store,
        SerialExecutor() as executor,
    ):
        eaAsync(toolbox.population(4), toolbox, executor, n_evaluations=8, store=store, rng=rng)
        lengths = [len(record.evaluation.curve) for record in store]
    assert {1, 3} <= set(lengths)
    for number in range(8):
        assert command.main(["replay", str(path), "--id", str(number)]) == 0
    assert command.main(["check", str(path)]) == 0
    assert capsys.readouterr().out.count("the same") == 8


def test_a_member_of_a_merged_file_has_the_seed_and_the_images_of_its_run(run_file, tmp_path, capsys):
    other = search(tmp_path / "other.h5", 6)
    merge_runs(tmp_path / "merged.h5", [run_file, other])
    for number in (0, 4):
        assert command.main(["replay", str(tmp_path / "merged.h5"), "--id", str(number)]) == 0
    assert capsys.readouterr().out.count("the same") == 2


def test_other_scores_than_recorded_are_an_error(run_file, tmp_path, capsys):
    path = tmp_path / "run.h5"
    with open(run_file, "rb") as file:
        path.write_bytes(file.read())
    with h5py.File(path, "r+") as file:
        file["individuals/scores"][0, 1] = np.nextafter(file["individuals/scores"][0, 1], 1)
    assert command.main(["replay", str(path), "--id", "0"]) == 1
    assert capsys.readouterr().err == f"deap-nas: individual 0 of {path} does not come out as it is recorded\n"


def test_moved_images_are_named_and_changed_ones_refused(tmp_path, capsys):
    images, path = make_noise(tmp_path / "images", n_images=20), tmp_path / "run.h5"
    fitness = make_fitness(dataset=images.name, n_images=50, flip=False, crop=1)
    with HDF5Store.create(path, space=SPACE, settings={"fitness": fitness.to_dict()}, seed=5) as store:
        job = Job(0, Genotype([1, 1, 0]), store.seed_of(0), -1)
        store.submit([job], random.Random(0).getstate())
        store.append(job.genes, Runner(fitness)(job))
    assert command.main(["replay", str(path)]) == 0
    (tmp_path / "images").rename(tmp_path / "moved")
    assert command.main(["replay", str(path)]) == 1
    assert f"{tmp_path}/images is not a folder" in capsys.readouterr().err
    replay = ["replay", str(path), "--dataset", f"imagefolder:{tmp_path}/moved"]
    assert command.main(replay) == 0
    assert capsys.readouterr().out.endswith("the same\n")
    for file in (tmp_path / "moved" / "train" / "class1").iterdir():
        file.write_bytes((tmp_path / "moved" / "train" / "class0" / file.name).read_bytes())
    forget_folders()
    assert command.main(replay) == 1
    assert "has other images than those of the search: the images are as many" in capsys.readouterr().err


def test_a_file_without_a_fitness_says_so(tmp_path, capsys):
    from tests.store.hdf5.test_population_file import append, create

    with create(tmp_path / "run.h5") as store:
        append(store, 0)
    assert command.main(["replay", str(tmp_path / "run.h5")]) == 1
    assert "its settings lack fitness" in capsys.readouterr().err


def test_a_fitness_is_made_again_from_its_description():
    fitness = make_fitness(seed=3)
    again = AccuracyFitness.from_dict(json.loads(json.dumps(fitness.to_dict())), device="cpu")
    assert again.to_dict() == fitness.to_dict()
    assert again.evaluate(Genotype([1, 1, 0]), seed=4) == fitness.evaluate(Genotype([1, 1, 0]), seed=4)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"recipe": {}}, SettingsError, "'drops'"),
        ({"recipe": {"drops": [], "tempo": 3}}, SettingsError, "tempo"),
        ({"repeats": 0}, SettingsError, "repeats must be"),
        ({"stopping": {"rungs": [0.5], "rule": "median"}}, SettingsError, "not described as"),
        ({"dataset": "letters"}, UnknownNameError, "letters"),
        ({"augmentation": {"crop": 3, "flip": True}}, DatasetError, "digits has other images"),
    ],
)
def test_a_description_that_is_wrong_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        AccuracyFitness.from_dict(make_fitness().to_dict() | change)
