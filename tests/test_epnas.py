"""The third example that users copy: progressive search with shared weights, as they call it."""

import json
import subprocess

import pytest

from deap_nas import MacroSpace, MicroSpace
from deap_nas.store import HDF5Store, find_problems
from tests.launch import ROOT, command, environment, run
from tests.store.hdf5.test_population_file import rows
from tests.test_hier_evo import wait_for_evaluations

EPNAS = ROOT / "examples" / "epnas.py"
#: 6 networks of one layer, then 3 at each of 3 steps.
TINY = (
    "--space=macro", "--levels=2", "--k=3", "--iterations=2", "--epochs=0.1", "--batch-size=32", "--channels=2",
    "--device=cpu",
)  # fmt: skip
N_TINY = 15


def epnas(*arguments, **options):
    return run(EPNAS, *TINY, *arguments, **options)


def test_a_search_on_digits_learns_and_what_it_found_can_be_trained_anew(tmp_path):
    path = tmp_path / "run.h5"
    settings = (
        "--space=macro",
        "--levels=3",
        "--k=6",
        "--iterations=2",
        "--epochs=5",
        "--batch-size=64",
        "--channels=6",
    )
    done = run(EPNAS, *settings, "--device=cpu", "--output", path)
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        assert store.space == MacroSpace(layers=3)
        stages, records = store.stages(), store.records()
        assert find_problems(store, everything=True) == []
        assert store.settings["fitness"]["shares_weights"] is True
        assert store.settings["fitness"]["recipe"]["optimiser"] == "nesterov"
    assert len(records) == len(stages) == 6 + 5 * 6
    first = max(record.evaluation.values[0] for record in records[:6])
    best = max(record.evaluation.values[0] for record in records)
    assert best > first + 0.1
    assert best > 0.75
    assert "levels      iteration 1, levels 1 to 3: best" in done.stdout
    retrained = run("-m", "deap_nas.cli", "retrain", path, "--runs=1", "--scale=0.0002", "--channels=6", "--device=cpu")
    assert retrained.returncode == 0, retrained.stderr
    (result,) = tmp_path.rglob("retraining.json")
    recipe = json.loads(result.read_text())["settings"]["recipe"]
    assert (recipe["steps"], recipe["annealing"]["period"]) == (24, pytest.approx(10 / 310))


def test_its_settings_are_those_of_the_paper():
    usage = " ".join(run(EPNAS, "--help").stdout.split())
    for text in (
        "default: 25",
        "default: 3",
        "default: 24",
        "default: 128",
        "default: shared",
        "5 or 12",
        "default: 3.0",
    ):
        assert text in usage


def test_cells_are_searched_too(tmp_path):
    path = tmp_path / "run.h5"
    settings = ("--space=micro", "--levels=1", "--iterations=1", "--epochs=0.02", "--batch-size=32", "--channels=2")
    done = run(EPNAS, *settings, "--images=80", "--device=cpu", "--output", path)
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        assert store.space == MicroSpace(blocks=1)
        assert len({record.genes for record in store}) == store.n_evaluated == 196


def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(tmp_path):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    assert epnas("--output", whole).returncode == 0
    for number, n_evaluations in enumerate((2, 7, 11)):
        how = ("--resume", parts) if number else (*TINY, "--output", parts)
        with subprocess.Popen(command(EPNAS, *how), env=environment(), stderr=subprocess.DEVNULL) as process:
            wait_for_evaluations(parts, n_evaluations)
            process.kill()
    done = run(EPNAS, "--resume", parts)
    assert done.returncode == 0, done.stderr
    assert rows(parts) == rows(whole)
    with HDF5Store.read(parts) as store, HDF5Store.read(whole) as other:
        assert store.n_evaluated == N_TINY
        assert str(store.stages()) == str(other.stages())
        assert find_problems(store) == []


def test_ranks_run_searches_of_their_own_in_one_file(tmp_path):
    path = tmp_path / "run.h5"
    done = epnas("--output", path, n_ranks=3)
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        stages = store.stages()
        assert store.settings["searches"] == 3
        assert store.n_evaluated == 3 * N_TINY
        assert find_problems(store) == []
    assert [sum(stage.search == number for stage in stages.values()) for number in range(3)] == [N_TINY] * 3
    bank = tmp_path / "run-bank"
    assert {folder.name for folder in bank.iterdir() if folder.is_dir()} == {"search1", "search2"}


def test_weights_drawn_anew_need_no_bank(tmp_path):
    path = tmp_path / "run.h5"
    done = epnas("--weights=fresh", "--temperatures", "inf", "0.2", "--restart", "--workers=2", "--output", path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "run-bank").exists()
    with HDF5Store.read(path) as store:
        assert store.settings["temperatures"] == [float("inf"), 0.2]
        assert store.n_evaluated == N_TINY
    done = run(EPNAS, "--resume", path)
    assert done.returncode == 0, done.stderr


def test_a_run_that_replaces_another_begins_with_an_empty_bank(tmp_path):
    path = tmp_path / "run.h5"
    for _ in range(2):
        done = epnas("--output", path, "--overwrite")
        assert done.returncode == 0, done.stderr
    refused = epnas("--output", path)
    assert refused.returncode == 1
    assert "exists" in refused.stderr
