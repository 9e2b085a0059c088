"""The second example that users copy: Large-Scale Evolution, as they call it."""

import pickle
import subprocess
import sys
from runpy import run_path

import numpy as np
import pytest
import torch
from torchvision import datasets

from deap_nas import DNA, DNASpace
from deap_nas.evaluation import Status
from deap_nas.store import HDF5Store, find_problems
from deap_nas.training.data.batches import search_sets
from tests.launch import ROOT, command, environment, run
from tests.store.hdf5.test_population_file import rows
from tests.test_hier_evo import wait_for_evaluations

LARGE_SCALE_EVO = ROOT / "examples" / "large_scale_evo.py"
TINY = ("--population=4", "--evaluations=16", "--steps=3", "--batch-size=32", "--device=cpu")


def large_scale_evo(*arguments, **options):
    return run(LARGE_SCALE_EVO, *TINY, *arguments, **options)


def weights_of(path):
    return {int(file.stem) for file in path.with_name(f"{path.stem}-weights").glob("*.safetensors")}


def test_a_search_on_digits_beats_its_linear_start_clearly(tmp_path):
    path = tmp_path / "run.h5"
    settings = ("--population=10", "--evaluations=250", "--steps=60", "--max-flops=300000", "--seed=6")
    done = run(LARGE_SCALE_EVO, *settings, "--device=cpu", "--output", path)
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        records = store.records()
        assert find_problems(store, everything=True) == []
    linear = max(record.evaluation.values[0] for record in records if record.genes == DNA())
    best = max(records, key=lambda record: record.evaluation.values)
    assert best.evaluation.values[0] > linear + 0.25
    assert best.genes.edges
    assert sum(record.alive for record in records) == 10
    alive = {record.evaluation.id for record in records if record.alive}
    assert weights_of(path) <= alive | {best.evaluation.id}
    assert "compute     " in done.stdout
    test = run("-m", "deap_nas.cli", "test", path)
    assert test.returncode == 0, test.stderr


def test_its_settings_are_those_of_the_paper_and_in_the_file(tmp_path):
    path = tmp_path / "run.h5"
    done = large_scale_evo("--output", path)
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        assert store.space == DNASpace()
        fitness = store.settings["fitness"]
        assert fitness["validation_share"] == 0.1
        assert fitness["recipe"] == {
            "steps": 3, "batch_size": 32, "learning_rate": 0.1, "drops": [], "momentum": 0.9, "weight_decay": 1e-4,
        }  # fmt: skip
        assert fitness["inherits_weights"]
        assert store.settings["selection"] == "tournament"
    usage = " ".join(run(LARGE_SCALE_EVO, "--help").stdout.split())
    for default in ("default: 1000", "default: 25600", "default: 50", "default: 0.1", "default: inherited"):
        assert default in usage


def test_one_factor_scales_the_training(tmp_path):
    path = tmp_path / "run.h5"
    settings = ("--population=2", "--evaluations=2", "--scale=0.0002", "--device=cpu")
    done = run(LARGE_SCALE_EVO, *settings, "--output", path)
    assert done.returncode == 0, done.stderr
    done = run(LARGE_SCALE_EVO, "--resume", path, "--evaluations=3")  # by the same factor, once
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        assert store.settings["fitness"]["recipe"]["steps"] == 5


def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(tmp_path):
    whole, cut = tmp_path / "whole.h5", tmp_path / "cut.h5"
    extra = ("--evaluations=120", "--burst", "6", "9", "3", "--reset", "11")
    assert large_scale_evo("--output", whole, *extra).returncode == 0
    with subprocess.Popen(
        command(LARGE_SCALE_EVO, *TINY, *extra, "--output", cut),
        env=environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            wait_for_evaluations(cut, 8)
        finally:
            process.kill()
    assert 8 <= len(rows(cut)) < 120
    done = run(LARGE_SCALE_EVO, "--resume", cut)
    assert done.returncode == 0, done.stderr
    assert rows(cut) == rows(whole)
    assert weights_of(cut) == weights_of(whole)


def test_ranks_search_with_controls_and_leave_no_weights_of_the_dead(tmp_path):
    path = tmp_path / "run.h5"
    done = large_scale_evo("--output", path, "--selection=none", n_ranks=3)
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        alive = set(store.column("id")[store.column("alive")].tolist())
        assert len(alive) == 4
        assert store.column("status").tolist().count(Status.OK) == 16
        assert len(weights_of(path) - alive) <= 1  # of the best


def test_without_inheritance_nothing_is_left(tmp_path):
    path = tmp_path / "run.h5"
    done = large_scale_evo("--output", path, "--weights=fresh")
    assert done.returncode == 0, done.stderr
    assert not path.with_name("run-weights").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--population=1",), "--population must be at least 2"),
        (("--burst", "5", "5", "2"), "a burst is"),
        (("--channels=3",), "unrecognized arguments: --channels=3"),
        (("--weights=shared",), "invalid choice"),
        (("--scale=0",), "--scale must lie in"),
    ],
)
def test_wrong_options_are_told_in_one_line(tmp_path, options, words):
    done = large_scale_evo("--output", tmp_path / "run.h5", *options)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_cifar_100_needs_nothing_but_its_name(tmp_path, monkeypatch):
    """In its own format, a few images, without its checksums; the classes, the crop and the validation part follow."""
    kind = datasets.CIFAR100
    (tmp_path / kind.base_folder).mkdir()
    for name, n_images in (("train", 100), ("test", 4)):
        pixels = np.random.default_rng(1).integers(0, 256, (n_images, 3072), dtype=np.uint8)
        content = {"data": pixels, "fine_labels": [number % 100 for number in range(n_images)]}
        (tmp_path / kind.base_folder / name).write_bytes(pickle.dumps(content))
    monkeypatch.setattr(kind, "_check_integrity", lambda self: True)
    monkeypatch.setattr(kind, "_load_meta", lambda self: None)
    script = run_path(str(LARGE_SCALE_EVO))
    output = tmp_path / "run.h5"
    options = [*TINY, "--dataset=cifar100", f"--data-dir={tmp_path}", f"--output={output}"]
    monkeypatch.setattr(sys, "argv", ["large_scale_evo.py", *options])
    fitness = script["evaluation"](script["arguments"]())
    assert (fitness.template.n_classes, fitness.augmentation.padding, fitness.augmentation.flip) == (100, 4, True)
    assert fitness.evaluate(DNA(), seed=1).n_parameters == 400
    assert [len(images.labels) for images in search_sets(fitness.source, 0, torch.device("cpu"))] == [90, 10]
