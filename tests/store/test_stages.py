"""Stages of a search that goes level by level, in population files."""

import csv
import io
import random

import h5py
import pytest

from deap_nas.evaluation import Evaluation, Job, Stage
from deap_nas.genotype import Genotype
from deap_nas.store import HDF5Store, find_problems, merge_runs
from deap_nas.store.table_export import write_csv
from tests.toolboxes import SPACE

STAGES = [Stage(1, 1), None, Stage(2, 1, 0.5), Stage(2, 2, 0.75)]


def write(path, stages=STAGES, *, seed=0):
    genes = Genotype([0] * SPACE.n_genes)
    with HDF5Store.create(path, space=SPACE, settings={}, seed=seed) as store:
        for number, stage in enumerate(stages):
            store.submit([Job(number, genes, 0, stage=stage)], random.getstate())
            store.append(genes, Evaluation((0.5,), id=number, started=1.0, finished=2.0))
    return path


def test_stages_of_merged_runs_follow_their_submissions(tmp_path):
    paths = [write(tmp_path / f"{seed}.h5", seed=seed) for seed in range(2)]
    merge_runs(tmp_path / "merged.h5", paths)
    with HDF5Store.read(tmp_path / "merged.h5") as store:
        assert {number: stage[:2] for number, stage in store.stages().items()} == {
            0: (1, 1), 2: (2, 1), 3: (2, 2), 4: (1, 1), 6: (2, 1), 7: (2, 2),
        }  # fmt: skip
        assert find_problems(store) == []


def test_a_table_has_them_as_columns_where_there_are_any(tmp_path):
    text = io.StringIO()
    with HDF5Store.read(write(tmp_path / "run.h5")) as store:
        write_csv(store, text)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert [(row["level"], row["iteration"], row["predicted"]) for row in rows] == [
        ("1", "1", ""), ("0", "0", ""), ("2", "1", "0.5"), ("2", "2", "0.75"),
    ]  # fmt: skip
    text = io.StringIO()
    with HDF5Store.read(write(tmp_path / "plain.h5", [None])) as store:
        write_csv(store, text)
    assert "predicted" not in text.getvalue()


def test_an_older_file_has_none_and_gets_the_table_when_it_is_resumed(tmp_path):
    path = write(tmp_path / "run.h5", [None])
    with h5py.File(path, "a") as file:
        del file["stages"]
    with HDF5Store.read(path) as store:
        assert store.stages() == {}
        assert find_problems(store) == []
    with HDF5Store.resume(path) as store:
        store.submit([Job(1, Genotype([0] * SPACE.n_genes), 0, stage=Stage(1, 1, 0.5))], random.getstate())
        assert store.stages() == {1: Stage(1, 1, 0.5)}


def test_a_stage_whose_submission_a_kill_has_prevented_does_not_count(tmp_path):
    path = write(tmp_path / "run.h5")
    with h5py.File(path, "a") as file:
        for name, value in zip((*Stage._fields, "id"), (3, 1, 0.1, 0, 0, len(STAGES)), strict=True):
            column = file[f"stages/{name}"]
            column.resize(len(column) + 1, axis=0)
            column[-1] = value
    with HDF5Store.read(path) as store:
        assert set(store.stages()) == {0, 2, 3}
        assert find_problems(store) == []
    with HDF5Store.resume(path) as store:
        assert store.column("level", table="stages").tolist() == [1, 2, 2]


@pytest.mark.parametrize(
    ("name", "row", "value"), [("level", 0, 0), ("iteration", 1, -1), ("predicted", 2, float("inf")), ("search", 0, -1), ("number", 0, -1), ("id", 2, 1)]
)
def test_a_stage_that_cannot_be_is_a_problem(tmp_path, name, row, value):
    path = write(tmp_path / "run.h5")
    with h5py.File(path, "a") as file:
        file[f"stages/{name}"][row] = value
    with HDF5Store.read(path) as store:
        assert any("stages of submissions that cannot have them" in str(problem) for problem in find_problems(store))
