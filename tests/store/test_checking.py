import json
import random
from dataclasses import replace

import h5py
import numpy as np
import pytest

from deap_nas import FlatSpace, NetworkTemplate, cost
from deap_nas.errors import NotViableError
from deap_nas.evaluation import Evaluation, Job, Status
from deap_nas.genotype import Genotype
from deap_nas.store import HDF5Store, find_problems

SPACE = FlatSpace(nodes=4)
TEMPLATE = NetworkTemplate.small_cifar(channels=4)


def evaluation(genes, number, parent):
    times = {"submitted": 10.0 + number, "started": 11.0 + number, "finished": 20.0 + number}
    try:
        size = cost(SPACE, genes, TEMPLATE)
    except NotViableError as error:
        return Evaluation((0.0,), Status.NOT_VIABLE, error=str(error), id=number, parent=parent, **times)
    values = {"n_parameters": size.n_parameters, "flops": size.flops, "scores": (0.5,)}
    return Evaluation((0.5,), id=number, parent=parent, worker=1, **times, **values)


def write(path, n_rows=30):
    """A sound file: the first rows have no parent, row 5 takes the fitness of row 4, the last is pending."""
    rng = random.Random(0)
    settings = {"fitness": {"template": TEMPLATE.to_dict()}}
    with HDF5Store.create(path, space=SPACE, settings=settings, seed=3) as store:
        genes = [Genotype(rng.randint(0, up) for up in SPACE.up) for _ in range(n_rows)]
        genes[4] = genes[5] = Genotype([1] * SPACE.n_genes)
        genes[6] = Genotype([0] * SPACE.n_genes)
        for number, each in enumerate(genes):
            parent = -1 if number < 4 else rng.randrange(number)
            store.submit([Job(number, each, 0, parent)], rng.getstate())
            done = evaluation(each, number, parent)
            store.append(each, done if number != 5 else replace(done, reused=4))
        store.submit([Job(n_rows, genes[0], 0, 2)], rng.getstate())
    return path


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "run.h5")


def problems(path, **arguments):
    with HDF5Store.read(path) as store:
        return [str(problem) for problem in find_problems(store, **arguments)]


def change(path, name, row, value):
    with h5py.File(path, "r+") as file:
        file[name][row] = value


def test_a_sound_file_has_no_problems(path):
    assert problems(path) == problems(path, everything=True) == []


def test_an_empty_file_has_no_problems(tmp_path):
    HDF5Store.create(tmp_path / "run.h5", space=SPACE, settings={}, seed=3).close()
    assert problems(tmp_path / "run.h5") == []


def test_a_file_that_a_search_has_written_to_since_it_was_opened_has_no_problems(path):
    genes, state = Genotype([1] * SPACE.n_genes), random.Random(0).getstate()
    with HDF5Store.resume(path) as writer, HDF5Store.read(path) as reader:
        for number in (31, 32, 33):
            writer.submit([Job(number, genes, 0)], state)
        assert find_problems(reader) == []
        writer.append(genes, evaluation(genes, 31, -1))
        writer.kill(range(30))
        assert find_problems(reader) == []


@pytest.mark.parametrize(
    ("name", "row", "value", "expected"),
    [
        ("individuals/id", 7, 31, "individuals that were never submitted (1): 31"),
        ("individuals/id", 7, -1, "individuals that were never submitted (1): -1"),
        ("individuals/id", 7, 8, "individuals that are there more than once (1): 8"),
        ("submissions/id", 7, 8, "the file has submissions whose ids are not 0, 1, 2, ..."),
        ("individuals/parent", 7, 9, "individuals that have a parent that came after them (1): 7"),
        ("individuals/parent", 7, -1, "individuals that have a parent other than they were submitted with (1): 7"),
        ("individuals/fitness", 7, np.nan, "individuals that have a fitness that is no finite number (1): 7"),
        ("individuals/scores", 7, np.inf, "individuals that have scores that are infinite (1): 7"),
        ("individuals/started", 7, 100.0, "individuals that ended before they began (1): 7"),
        ("individuals/submitted", 7, 100.0, "individuals that ended before they were submitted (1): 7"),
        ("individuals/submitted", 7, np.nan, "individuals that have a time that is no finite number (1): 7"),
        ("individuals/status", 8, 1, "individuals that are NOT_VIABLE, and have a network (1): 8"),
        ("individuals/flops", 8, 1, "have other parameters or FLOPs than their network in the template (1): 8"),
        ("individuals/n_parameters", 6, 1, "have other parameters or FLOPs than their network in the template (1): 6"),
        ("individuals/reused", 5, 6, "individuals that take the fitness of one that has none of its own (1): 5"),
        ("individuals/reused", 5, 5, "individuals that take the fitness of one that has none of its own (1): 5"),
        ("individuals/reused", 5, 30, "individuals that take the fitness of one that has none of its own (1): 5"),
        ("individuals/reused", 5, 99, "individuals that take the fitness of one that has none of its own (1): 5"),
        (
            "individuals/fitness",
            4,
            0.25,
            "individuals that have another fitness than the one that they take it from (1): 5",
        ),
        ("individuals/compute", 4, -1.0, "have a compute that is no finite number of at least 0 (1): 4"),
        ("individuals/compute", 4, np.nan, "have a compute that is no finite number of at least 0 (1): 4"),
        ("individuals/alive", slice(None), False, "the file has no living member"),
        ("rng/count", slice(None), 3, "the file has random states of 3 and 3 submissions, and none of its 31"),
        ("rng/words", slice(None), 10**6, "the file has a random state that is none: invalid state"),
    ],
)
def test_what_is_wrong_is_said_with_its_ids(path, name, row, value, expected):
    change(path, name, row, value)
    found = problems(path)
    assert expected in "\n".join(found)
    assert problems(path, everything=True) == found


def test_wrong_genes_are_told_from_other_genes_than_submitted(path):
    change(path, "individuals/genes", 7, 250)
    change(path, "individuals/genes", 5, [1, 2, 3, 4, 5, 1])
    found = "\n".join(problems(path))
    assert "individuals that have genes that do not belong to the search space (1): 7" in found
    assert "individuals that have genes other than they were submitted with (2): 5, 7" in found
    assert "individuals that are other networks than the one that they take the fitness from (1): 5" in found


def test_a_parent_that_is_still_to_be_evaluated_is_a_problem(path):
    with h5py.File(path, "r+") as file:
        rows = np.flatnonzero(file["individuals/parent"][:] == 2)
        for name in file["individuals"]:  # row 2 gives its place to the last one
            file["individuals"][name][2] = file["individuals"][name][29]
            file["individuals"][name].resize(29, axis=0)
    rows = [row for row in rows.tolist() if row != 29]
    assert rows
    names = ", ".join(map(str, rows))
    assert f"have a parent that was not evaluated ({len(rows)}): {names}" in "\n".join(problems(path))


def test_another_machines_clock_is_not_compared_with_ours(path):
    change(path, "individuals/submitted", 7, 100.0)
    change(path, "individuals/host", 7, b"elsewhere")
    assert problems(path) == []


def test_a_clock_that_was_put_back_is_no_fault_of_a_file_whose_sessions_measured_by_it(path):
    change(path, "individuals/finished", 7, 1.0)
    assert problems(path) == [
        "individuals that ended before they began (1): 7",
        "individuals that ended before they were submitted (1): 7",
    ]
    with h5py.File(path, "r+") as file:
        session = json.loads(file.attrs["provenance"])[0]
        del session["clock"]  # as it was before durations were those of a monotonic clock
        file.attrs["provenance"] = json.dumps([session])
    assert problems(path) == []


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (
            TEMPLATE.to_dict() | {"groups": [1, 10**9]},
            "a network has at most 1000 cells, found 1000000001: choose fewer",
        ),
        ({"kind": "stack", "n_normal": 10**12}, "a network has at most 1000 cells, found 3000000000002: choose fewer"),
        ({"kind": "stack", "n_reductions": 10**9}, "a network has at most 1000 cells, found 3000000002: choose fewer"),
        ({"n_classes": 10}, "missing"),
        ("small", "a template is described by a dictionary of its fields, found 'small'"),
    ],
)
def test_a_template_that_is_none_or_would_take_forever_is_said(path, template, words):
    with h5py.File(path, "r+") as file:
        file.attrs["settings"] = json.dumps({"fitness": {"template": template}})
    (problem,) = problems(path)
    assert problem.startswith("the file describes a template that is none: ")
    assert words in problem


def test_long_lists_of_ids_are_cut(path):
    change(path, "individuals/fitness", slice(None), np.nan)
    (line, *_) = [line for line in problems(path) if "finite" in line]
    assert line == "individuals that have a fitness that is no finite number (30): 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ..."


def test_a_sample_is_looked_at_unless_everything_is(tmp_path):
    path = write(tmp_path / "run.h5", n_rows=700)
    change(path, "individuals/flops", slice(None), 1)
    with HDF5Store.read(path) as store:
        n_networks = (store.column("n_parameters") >= 0).sum()
        (some,), (every,) = find_problems(store), find_problems(store, everything=True)
    assert len(some.ids) == 500
    assert len(every.ids) == n_networks > 600
