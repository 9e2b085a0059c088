"""What a genotype is, is its space's business: a frozen object and a list of changing length go wherever others go."""

import json
import random
import subprocess
import time
from copy import deepcopy
from dataclasses import replace
from functools import partial

import h5py
import numpy as np
import pytest
from deap import tools

from deap_nas import CostLimit, canonical_key, cost, eaAsync, load_genotype
from deap_nas import cli as command
from deap_nas.evaluation import Status
from deap_nas.executors import ProcessExecutor, SerialExecutor
from deap_nas.genotype import content_of
from deap_nas.report import draw_genotype
from deap_nas.store import HDF5Store, MemoryStore, find_problems, merge_runs, resume_population
from deap_nas.training import SEARCH, AccuracyFitness
from tests import toys
from tests.genotypes.searches import CLASSES, SPACES, make_toolbox, search
from tests.launch import ROOT, environment, run
from tests.launch import command as command_line

KINDS = tuple(SPACES)
FREE = ("submitted", "started", "finished", "host", "worker", "threads")


def rows(path):
    """What a file holds, times aside."""
    with HDF5Store.read(path) as store:
        names = [name for name in store._individuals.names if name not in (*FREE, "genes")]
        columns = {name: repr(store.column(name).tolist()) for name in names}  # of which NaN is equal to itself
        jobs = store.column("genes", table="submissions").tolist()
        return columns, store.column("genes").tolist(), jobs, store.mates(), store.records()[0].genes


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_in_memory_and_one_in_a_file_are_the_same(kind, tmp_path):
    with SerialExecutor() as executor:
        population, _ = search(kind, tmp_path / "run.h5", 40, executor)
        rng = random.Random(3)
        toolbox, memory = make_toolbox(kind, rng=rng), MemoryStore(seed=9)
        survival = partial(__import__("deap_nas").killOldest, size=12)
        same, _ = eaAsync(
            toolbox.population(n=6), toolbox, executor, n_evaluations=40, store=memory, rng=rng, cxpb=0.4,
            survival=survival,
        )  # fmt: skip
    assert list(map(content_of, population)) == list(map(content_of, same))
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert [record.genes for record in store] == [record.genes for record in memory]
        assert [record.alive for record in store] == [record.alive for record in memory]
        assert store.mates() == memory.mates() != {}
        assert find_problems(store, everything=True) == []
        assert Status.FAILED not in store.column("status")


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_search_ends_as_one_that_was_not_interrupted(kind, tmp_path):
    with SerialExecutor() as executor:
        search(kind, tmp_path / "whole.h5", 40, executor)
        for n_evaluations in (9, 25, 40):
            search(kind, tmp_path / "parts.h5", n_evaluations, executor)
    assert rows(tmp_path / "parts.h5") == rows(tmp_path / "whole.h5")


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_killed_at_any_instant_goes_on_as_if_it_had_not_been(kind, tmp_path):
    path, rng = tmp_path / "run.h5", random.Random(7)
    for n_evaluations in (200, 400, 600):
        arguments = ("-m", "tests.genotypes.searches", kind, path, 10_000)
        options = {"env": environment(), "cwd": ROOT, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command_line(*arguments), **options) as process:
            lines = [process.stdout.readline() for _ in range(n_evaluations // 4)]
            time.sleep(rng.random() / 50)
            process.kill()
            lines += process.stdout.read().splitlines()
        with HDF5Store.read(path) as store:
            assert {int(line) for line in lines if line.strip()} <= set(store.column("id").tolist())
            n_done = store.n_evaluated
    with SerialExecutor() as executor:
        search(kind, path, n_done + 20, executor)
        search(kind, tmp_path / "whole.h5", n_done + 20, executor)
    assert rows(path) == rows(tmp_path / "whole.h5")
    with HDF5Store.read(path) as store:
        assert find_problems(store) == []


@pytest.mark.parametrize("kind", KINDS)
def test_processes_and_maps_see_plain_genotypes(kind):
    toolbox = make_toolbox(kind, rng=random.Random(1))
    members = toolbox.population(n=6)
    with ProcessExecutor(2) as executor:
        values = list(executor.map(toolbox.evaluate, members))
        best = tools.HallOfFame(2)
        population, _ = eaAsync(members, toolbox, executor, n_evaluations=12, halloffame=best, seed=1)
    assert [member.evaluation.values for member in sorted(members, key=lambda m: m.evaluation.id)][:6] == values
    assert {member.evaluation.status for member in population} == {Status.OK}
    assert best[0].fitness == max(member.fitness for member in population)
    assert all(type(member.job.genes) is not CLASSES[kind] for member in population)


@pytest.mark.parametrize("kind", KINDS)
def test_ranks_of_mpi_evaluate_them(kind, tmp_path):
    done = run("-m", "tests.genotypes.searches", kind, tmp_path / "run.h5", 30, "--mpi", n_ranks=3)
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert sorted(store.column("id").tolist()) == list(range(30))
        assert set(store.column("status").tolist()) == {Status.OK}


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_undoes_what_it_does_not_permit(kind):
    space, rng = SPACES[kind], random.Random(2)
    template = space.default_template(image_channels=1, image_size=8)
    toolbox = make_toolbox(kind, rng=rng)
    sizes = sorted(cost(space, space.sample(rng=rng), template).n_parameters for _ in range(50))
    limit = CostLimit(space, template, max_parameters=sizes[25])
    toolbox.decorate("individual", limit)
    toolbox.decorate("mutate", limit)
    for _ in range(30):
        individual = toolbox.individual()
        before = deepcopy(individual)
        (child,) = toolbox.mutate(individual)
        assert limit.permits(before)
        assert limit.permits(child)


@pytest.mark.parametrize("kind", KINDS)
def test_known_networks_are_not_evaluated_again(kind):
    toolbox = make_toolbox(kind, rng=random.Random(1))
    store = MemoryStore(seed=1)
    reuse = partial(canonical_key, SPACES[kind])
    with SerialExecutor() as executor:
        eaAsync(toolbox.population(n=6), toolbox, executor, n_evaluations=120, store=store, reuse=reuse)
    records = store.records()
    own = [record for record in records if record.evaluation.reused < 0]
    assert len({reuse(record.genes) for record in own}) == len(own) < len(records)


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_has_an_axes_for_the_graph(kind):
    space = SPACES[kind]
    figure = draw_genotype(space, space.sample(rng=random.Random(4)), title="drawn")
    assert len(figure.axes) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_a_stranger_wrote_are_refused_in_words(kind, tmp_path, capsys):
    path = tmp_path / "run.h5"
    with SerialExecutor() as executor:
        search(kind, path, 10, executor)
    for name, values in {"offsets": [5, -1], "values": None}.items():
        broken = tmp_path / f"{name}.h5"
        broken.write_bytes(path.read_bytes())
        with h5py.File(broken, "r+") as file:
            genes = file["individuals/genes"]
            if values is None:
                del genes["values"]
                genes.create_dataset("values", data=np.zeros((3, 3)))
            else:
                genes[name][:2] = values
        assert command.main(["info", str(broken)]) == 1
        assert "individuals/genes" in capsys.readouterr().err


@pytest.fixture(scope="module", params=KINDS)
def trained(request, tmp_path_factory):
    """A small search on digits: its kind, its file."""
    kind, path = request.param, tmp_path_factory.mktemp(request.param) / "run.h5"
    recipe = replace(SEARCH, steps=2, batch_size=32)
    fitness = AccuracyFitness(SPACES[kind], recipe=recipe, repeats=2, device="cpu", n_images=300)
    with SerialExecutor() as executor:
        search(kind, path, 8, executor, evaluate=fitness, settings={"fitness": fitness.to_dict(), "device": "cpu"})
    return kind, path


def test_trainings_succeed_and_tell_the_size(trained):
    _, path = trained
    with HDF5Store.read(path) as store:
        assert set(store.column("status").tolist()) == {Status.OK}
        assert (store.column("n_parameters") > 0).all()
        assert find_problems(store, everything=True) == []


@pytest.mark.parametrize(
    "arguments",
    [["info"], ["table"], ["check", "--all"], ["replay"], ["replay", "--id", "7"], ["draw"], ["watch", "--once"]],
    ids=" ".join,
)
def test_commands_take_its_file(trained, arguments, capsys):
    _, path = trained
    assert command.main([arguments[0], str(path), *arguments[1:]]) == 0, capsys.readouterr().err


def test_it_is_retrained_exported_and_read_back(trained, capsys):
    kind, path = trained
    assert command.main(["retrain", str(path), "--scale", "0.00002", "--runs", "1", "--batch-size", "64"]) == 0
    assert command.main(["export", str(path), "--no-onnx"]) == 0
    (folder,) = [item for item in path.parent.iterdir() if item.is_dir()]
    space, genotype, template = load_genotype(folder / "genotype.json")
    assert space == SPACES[kind]
    fields = json.loads((folder / "genotype.json").read_text())
    assert fields["canonical_key"] == canonical_key(space, genotype)
    assert fields["cost"]["n_parameters"] == cost(space, genotype, template).n_parameters


def test_runs_are_merged(trained, tmp_path):
    kind, path = trained
    other = tmp_path / "other.h5"
    other.write_bytes(path.read_bytes())
    merge_runs(tmp_path / "both.h5", [path, other])
    with HDF5Store.read(tmp_path / "both.h5") as both, HDF5Store.read(path) as one:
        genes = one.column("genes").tolist()
        assert both.column("genes").tolist() == [*genes, *genes]
        mates, n = one.mates(), one.n_submitted
        assert both.mates() == mates | {key + n: tuple(mate + n for mate in value) for key, value in mates.items()}
        assert find_problems(both, everything=True) == []
        assert len(resume_population(both, CLASSES[kind])) == both.column("alive").sum()


def test_the_toy_is_what_it_says():
    wiring = toys.Wiring([(0, 0.5, 1)])
    assert wiring == deepcopy(wiring) != toys.Wiring([(0, 0.25, 1)])
    with pytest.raises(AttributeError):
        wiring.layers = ()
