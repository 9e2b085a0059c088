import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from deap_nas.errors import StorageError
from deap_nas.files import append_row, beside, make_folder, naming, replacing, save_json, user_path
from deap_nas.training.weights.tensor_files import save_tensors
from tests.launch import ROOT

MEGABYTE = "x" * 2**20


def test_a_file_is_replaced_when_the_block_has_ended_well_and_keeps_its_permissions(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o640)
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with replacing(path) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one_and_the_file_behind_it_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "a.json").symlink_to(tmp_path / "there" / "b.json")
    save_json(tmp_path / "a.json", {"x": 1})
    assert (tmp_path / "a.json").is_symlink()
    assert (tmp_path / "there" / "b.json").read_text() == '{\n  "x": 1\n}\n'


def test_a_pipe_is_written_as_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    found = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_text()))
    reader.start()
    with replacing(tmp_path / "pipe") as path:
        path.write_text("through")
    reader.join()
    assert found == ["through"]


def test_two_processes_that_write_the_same_file_do_not_share_the_new_one(tmp_path):
    with replacing(tmp_path / "a", shared=True) as first:
        assert str(os.getpid()) in first.name
        with replacing(tmp_path / "a") as second:
            assert first != second


@pytest.mark.parametrize(
    "write",
    [
        lambda path: save_json(path, {"x": MEGABYTE}),
        lambda path: save_tensors(path, {"x": torch.ones(2**18)}),
    ],
)
def test_a_full_disk_is_told_with_the_name_of_the_file_and_leaves_the_old_one(full_disk, write):
    path = full_disk / "a.file"
    path.write_text("old")
    with pytest.raises(
        StorageError, match=rf"^{re.escape(str(path))} cannot be written: No space left on device; make"
    ):
        write(path)
    assert path.read_text() == "old"
    assert list(full_disk.iterdir()) == [path]


def test_a_row_and_a_folder_that_cannot_be_written_are_told_by_name(tmp_path, full_disk):
    with pytest.raises(StorageError, match=r"curve\.csv cannot be written: No space left"):
        append_row(full_disk / "curve.csv", {MEGABYTE: 1.0})
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"folder cannot be written: Not a directory"):
        make_folder(tmp_path / "file" / "folder")


def test_what_is_no_refusal_of_the_system_is_let_through(tmp_path):
    with pytest.raises(ValueError, match="a bug"), naming(tmp_path):
        raise ValueError("a bug")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("runs/demo.h5", "runs/demo-weights"),
        ("runs/lr0.1", "runs/lr0.1-weights"),
        ("runs/lr0.1.h5", "runs/lr0.1-weights"),
        ("runs/a.hdf5", "runs/a.hdf5-weights"),
        ("plain", "plain-weights"),
    ],
)
def test_what_lies_beside_a_file_has_its_whole_name(file, name):
    assert beside(file, "-weights") == Path(name)


def test_a_tilde_is_the_home_folder_and_only_in_front(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert user_path("~/run.h5") == Path("/home/somebody/run.h5")
    assert beside("~/run.h5", ".png") == Path("/home/somebody/run.png")
    assert user_path("./~/run~.h5") == Path("~/run~.h5")
    assert user_path("~nobody-of-that-name/run.h5") == Path("~nobody-of-that-name/run.h5")


HOME = """
from deap_nas import FlatSpace, NetworkTemplate, load_genotype, save_genotype
from deap_nas.report import draw_best, save_drawing
from deap_nas.store import HDF5Store, MemoryStore, merge_runs, open_run, save_table, to_frame
from deap_nas.training import AccuracyFitness, Retraining, remove_dead_weights
from tests.store import search
from deap_nas.executors import SerialExecutor
space, template = FlatSpace(nodes=3), NetworkTemplate.small_cifar()
HDF5Store.create("~/a.h5", space=space, settings={}, seed=0).close()
HDF5Store.resume("~/a.h5").close()
open_run("~/a.h5", space=space, settings={}, seed=0).close()
merge_runs("~/merged.h5", ["~/a.h5"])
assert len(to_frame("~/a.h5")) == 0
with HDF5Store.read("~/a.h5") as store:
    save_table(store, "~/a.csv")
save_genotype("~/genotype.json", space, [1, 1, 1], template)
load_genotype("~/genotype.json")
save_drawing(space, [1, 1, 1], ["~/drawing.svg"])
fitness = AccuracyFitness(space, weights_dir="~/weights", data_dir="~/data")
assert fitness.source.data_dir.is_absolute()
remove_dead_weights(MemoryStore(), "~/weights")
retraining = Retraining(space, [1, 1, 1], dataset="digits", template=template, data_dir="~/data")
assert retraining.source.data_dir.is_absolute()
"""


def test_every_path_of_the_python_interface_may_begin_with_a_tilde(tmp_path):
    (tmp_path / "home").mkdir()
    variables = os.environ | {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", HOME], cwd=tmp_path, env=variables, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert {path.name for path in (tmp_path / "home").iterdir()} >= {
        "a.h5", "merged.h5", "a.csv", "genotype.json", "drawing.svg", "weights",
    }  # fmt: skip
