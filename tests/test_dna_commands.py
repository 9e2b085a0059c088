"""Every subcommand of ``deap-nas`` on a file of DNA with inherited weights."""

import json

import pytest

from deap_nas import DNA, cost, load_genotype
from deap_nas.report import best_id
from deap_nas.store import HDF5Store
from tests.launch import run
from tests.test_large_scale_evo import LARGE_SCALE_EVO

SETTINGS = ("--population=4", "--evaluations=24", "--steps=8", "--batch-size=32", "--max-flops=200000", "--device=cpu")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A run of which the best has an architecture of its own."""
    path = tmp_path_factory.mktemp("dna") / "run.h5"
    done = run(LARGE_SCALE_EVO, *SETTINGS, "--output", path, "--seed=5")
    assert done.returncode == 0, done.stderr
    return path


def deap_nas(*arguments):
    done = run("-m", "deap_nas.cli", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_info_tells_the_best_in_words_and_what_all_trainings_computed(file):
    told = deap_nas("info", file)
    assert "learning rate" in told
    assert "compute     " in told
    summary = json.loads(deap_nas("info", file, "--json"))
    with HDF5Store.read(file) as store:
        assert summary["compute"] == pytest.approx(store.column("compute").sum())
        assert summary["best"]["id"] == best_id(store)
        assert store.column("compute").min() > 0


def test_draw_and_lineage_draw_networks(file):
    picture = file.with_name("best.svg")
    deap_nas("draw", file, "--output", picture)
    assert "global average pool" in picture.read_text()
    told = deap_nas("lineage", file, "--id=23", "--output", file.with_name("lineage.svg"))
    assert "the first of its line" in told
    assert "individual 23" in file.with_name("lineage.svg").read_text()


def test_files_are_sound_merge_and_become_tables(file):
    other, merged = file.with_name("other.h5"), file.with_name("merged.h5")
    assert run(LARGE_SCALE_EVO, *SETTINGS, "--output", other, "--seed=6").returncode == 0
    assert "is sound" in deap_nas("check", file, "--all")
    deap_nas("merge", merged, file, other)
    assert "is sound" in deap_nas("check", merged, "--all")
    with HDF5Store.read(merged) as store, HDF5Store.read(other) as single:
        assert store.n_evaluated == 48
        assert [record.genes for record in store][24:] == [record.genes for record in single]
        assert all(type(record.genes) is DNA for record in store)
    rows = deap_nas("table", file).splitlines()
    assert len(rows) == 25
    assert "compute" in rows[0].split(",")


def test_a_child_is_replayed_from_its_parents_weights(file):
    with HDF5Store.read(file) as store:
        parents = dict(zip(store.column("id").tolist(), store.column("parent").tolist(), strict=True))
    files = {int(path.stem) for path in file.with_name("run-weights").glob("*.safetensors")}
    children = [number for number, parent in parents.items() if parent in files]
    assert children
    assert deap_nas("replay", file, "--id", children[-1]).endswith("the same\n")


def test_the_best_is_tested_and_exported_as_the_search_has_left_it(file):
    told = json.loads(deap_nas("test", file, "--json"))
    with HDF5Store.read(file) as store:
        recorded = float(store.column("fitness")[store.column("id") == best_id(store), 0][0])
    assert told["validation"] == [recorded]
    deap_nas("export", file, "--no-onnx")
    (path,) = file.parent.glob("run-id*-searched/genotype.json")
    space, genotype, template = load_genotype(path)
    assert type(genotype) is DNA
    assert cost(space, genotype, template).n_parameters == told["n_parameters"]


def test_a_dna_is_retrained_with_its_own_learning_rate(file):
    told = deap_nas("retrain", file, "--steps=4", "--batch-size=32", "--runs=1", "--device=cpu")
    assert "network   " in told
