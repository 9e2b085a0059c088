import io
import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors import safe_open

from deap_nas import FlatSpace, Genotype, NetworkTemplate, cli
from deap_nas.commands import RetrainingReport
from deap_nas.evaluation import Evaluation, Job
from deap_nas.store import HDF5Store
from deap_nas.training import (
    CIFAR_EVALUATION,
    IMAGENET,
    RECIPES,
    AccuracyFitness,
    Augmentation,
    Recipe,
    Retraining,
    RetrainingProgress,
    Source,
)
from deap_nas.training.data.datasets import load_test_images
from deap_nas.training.weights.tensor_files import load_tensors
from tests.launch import HEED_INTERRUPTS, environment
from tests.terminals import open_terminal, read_all
from tests.training.data.test_image_identity import forget_folders
from tests.training.data.test_inspection import make_noise

SPACE = FlatSpace(nodes=3)
#: Genes of the individuals 0 and 1, and their fitness.
MEMBERS = (([3, 4, 1], 0.25), ([1, 6, 1], 0.9))
TINY = ("--channels=4", "--cells=1", "--steps=6", "--batch-size=32", "--runs=2", "--device=cpu")


@pytest.fixture
def run_file(tmp_path):
    """A population file of a search on digits."""
    path = tmp_path / "run.h5"
    with HDF5Store.create(path, space=SPACE, settings={"fitness": {"dataset": "digits"}}, seed=0) as store:
        for number, (genes, fitness) in enumerate(MEMBERS):
            store.submit([Job(number, Genotype(genes), 0)], random.Random(0).getstate())
            store.append(Genotype(genes), Evaluation((fitness,), id=number))
    return path


def retrain(run_file, *arguments):
    return cli.main(["retrain", str(run_file), *map(str, arguments)])


def settings_in(folder):
    return json.loads((folder / "retraining.json").read_text())["settings"]


def test_the_best_is_retrained_in_the_large_model_on_the_images_of_the_search(run_file, capfd):
    assert retrain(run_file, *TINY) == 0
    out, err = capfd.readouterr()
    folder = run_file.with_name("run-id1-large-cifar")
    settings = settings_in(folder)
    assert (settings["dataset"], settings["genes"], settings["seed"]) == ("digits", MEMBERS[1][0], 0)
    template = NetworkTemplate.large_cifar(channels=4, n_cells=1, image_channels=1, image_size=8)
    assert settings["template"] == template.to_dict()
    assert settings["recipe"] == replace(CIFAR_EVALUATION, steps=6, batch_size=32).to_dict()
    result = json.loads((folder / "result.json").read_text())
    first, second = result["accuracies"]
    lines = out.splitlines()
    assert lines[1].split() == ["run0", f"{first:.4f}", f"{result['top5'][0]:.4f}"]
    assert lines[2].split() == ["run1", f"{second:.4f}", f"{result['top5'][1]:.4f}"]
    assert lines[3].endswith(f"{100 * result['mean']:.2f} +- {100 * result['deviation']:.2f} %")
    assert lines[4].startswith(f"error     {100 - 100 * result['mean']:.2f} +- ")
    assert f"{result['n_parameters']:,} parameters" in lines[5]
    assert result["origin"] == {"file": str(run_file), "id": 1, "fitness": [MEMBERS[1][1]]}
    assert err.splitlines()[0] == f"individual 1 on digits, into {folder}"
    assert err.splitlines()[-1].startswith("run1, step 6/6, loss ")


def test_command_that_is_given_again_tells_the_same_and_trains_nothing(run_file, capfd):
    assert retrain(run_file, *TINY) == 0
    first = capfd.readouterr().out
    assert retrain(run_file, *TINY) == 0
    out, err = capfd.readouterr()
    assert out == first
    assert "step" not in err


def test_every_setting_has_its_option(run_file, tmp_path, capfd):
    options = "--id=0 --template=small-cifar --channels=3 --cells=2 --runs=1 --scale=1e-4 --batch-size=16 --seed=7"
    options += " --precision=bfloat16 --images=100 --dataset=digits --device=cpu"
    folder = tmp_path / "elsewhere"
    assert retrain(run_file, *options.split(), "--output", folder) == 0
    settings = settings_in(folder)
    assert settings["genes"] == MEMBERS[0][0]
    assert settings["template"]["stem"] == [[3, 1]]
    assert settings["template"]["groups"] == [2, 2, 2]
    assert settings["recipe"] == replace(CIFAR_EVALUATION, steps=8, batch_size=16).to_dict()
    assert [settings[name] for name in ("seed", "precision", "n_images")] == [7, "bfloat16", 100]
    with safe_open(folder / "run0.safetensors", framework="pt") as file:
        labels = file.metadata()
    assert json.loads(labels["genes"]) == MEMBERS[0][0]
    assert 0 <= json.loads(labels["accuracy"]) <= 1


@pytest.fixture
def folder_run(tmp_path):
    """A file of a search on a folder of images, neither mirrored nor cropped."""
    source = make_noise(tmp_path / "images", n_images=12)
    fitness = AccuracyFitness(SPACE, dataset=source.name, recipe=Recipe(steps=1, batch_size=8), flip=False, crop=0)
    with HDF5Store.create(tmp_path / "run.h5", space=SPACE, settings={"fitness": fitness.to_dict()}, seed=0) as store:
        store.submit([Job(0, Genotype(MEMBERS[0][0]), 0)], random.Random(0).getstate())
        store.append(Genotype(MEMBERS[0][0]), Evaluation((0.5,), id=0))
    forget_folders()
    return tmp_path / "run.h5"


def augmentation_in(folder):
    return Augmentation(**settings_in(folder)["augmentation"] | {"aspect": (3 / 4, 4 / 3)})


FEW = (*TINY, "--batch-size=8", "--steps=1", "--runs=1")


def test_augmentation_of_the_search_is_taken_up_and_can_be_another(folder_run, tmp_path, capfd):
    assert retrain(folder_run, *FEW, "--output", tmp_path / "a") == 0
    assert augmentation_in(tmp_path / "a") == Augmentation()
    assert retrain(folder_run, *FEW, "--flip", "--crop=2", "--output", tmp_path / "b") == 0
    assert augmentation_in(tmp_path / "b") == Augmentation(flip=True, padding=2)
    assert retrain(folder_run, *FEW, "--flip", "--output", tmp_path / "a") == 1
    assert "augmentation.flip is False there, but True was asked for" in capfd.readouterr().err
    assert retrain(folder_run, *FEW, "--dataset=digits", "--crop=1", "--output", tmp_path / "c") == 0
    assert augmentation_in(tmp_path / "c") == Augmentation(padding=1)


def test_moved_images_are_named_and_the_retraining_goes_on_with_them(folder_run, tmp_path, capfd):
    assert retrain(folder_run, *FEW, "--output", tmp_path / "a") == 0
    (tmp_path / "images").rename(tmp_path / "moved")
    assert retrain(folder_run, *FEW, "--output", tmp_path / "a") == 1
    assert f"{tmp_path}/images is not a folder" in capfd.readouterr().err
    moved = f"--dataset=imagefolder:{tmp_path}/moved"
    assert retrain(folder_run, *FEW, moved, "--runs=2", "--output", tmp_path / "a") == 0
    assert augmentation_in(tmp_path / "a") == Augmentation()
    images = settings_in(tmp_path / "a")["images"]
    assert (images["classes"], images["counts"]) == (["class0", "class1", "class2"], [12] * 3)
    assert images["test"]["n_images"] == 36
    assert "other images" not in capfd.readouterr().err


def test_images_that_are_used_and_files_that_are_not_read_are_told(folder_run, tmp_path, capfd, caplog):
    (tmp_path / "images" / "test" / "class1" / "x.gif").touch()
    forget_folders()
    assert retrain(folder_run, *FEW, "--images=24") == 0
    lines = capfd.readouterr().err.splitlines()
    assert lines[1].startswith("images: 24 of 3 classes: class0 ")
    assert "/images/test these are not read: files .gif: 1" in caplog.text


def test_changed_images_are_refused_unless_they_are_meant(folder_run, tmp_path, capfd, monkeypatch):
    assert retrain(folder_run, *FEW, "--output", tmp_path / "a") == 0
    (tmp_path / "images" / "train" / "class0" / "3.png").unlink()
    forget_folders()
    assert retrain(folder_run, *FEW) == 1
    message = (
        "has other images than the search had: there are other numbers of images in class0 (12 there, 11 asked for)"
    )
    err = capfd.readouterr().err
    assert message in err
    assert "name them with --dataset" in err
    named = f"--dataset=imagefolder:{tmp_path}/images"
    monkeypatch.setenv("RANK", "")  # as good as no torchrun
    assert retrain(folder_run, *FEW, named, "--output", tmp_path / "b") == 0
    assert message in capfd.readouterr().err
    assert augmentation_in(tmp_path / "b") == Augmentation(crop=6, flip=True)
    assert retrain(folder_run, *FEW, named, "--output", tmp_path / "a") == 1
    assert "belongs to another run: there are other numbers of images" in capfd.readouterr().err


def test_model_of_imagenet_has_its_recipe(run_file, capfd):
    assert retrain(run_file, "--template=imagenet", *TINY, "--steps=1", "--runs=1", "--batch-size=4") == 0
    settings = settings_in(run_file.with_name("run-id1-imagenet"))
    assert settings["recipe"] == replace(IMAGENET, steps=1, batch_size=4).to_dict()
    assert len(settings["template"]["stem"]) == 2


def test_exported_files_classify_raw_pixels_as_well_as_the_result_says(run_file, capfd):
    assert retrain(run_file, *TINY, "--runs=1", "--steps=30") == 0
    assert cli.main(["export", str(run_file)]) == 0
    folder = run_file.with_name("run-id1-large-cifar")
    training = json.loads((folder / "genotype.json").read_text())["source"]["training"]
    mean, scale = (np.float32(training["normalisation"][name]) for name in ("mean", "scale"))
    test = load_test_images(Source("digits"))
    images = ((test.pixels - mean) * scale).transpose(0, 3, 1, 2)
    (logits,) = onnxruntime.InferenceSession(folder / "network.onnx").run(["logits"], {"images": images})
    assert np.mean(logits.argmax(axis=1) == test.labels) == pytest.approx(training["accuracy"], abs=1e-9)
    logits = torch.export.load(folder / "network.pt2").module()(torch.from_numpy(images))
    assert np.mean(logits.argmax(dim=1).numpy() == test.labels) == pytest.approx(training["accuracy"], abs=1e-9)


def test_retraining_in_which_all_runs_diverge_is_told_and_an_error(run_file, capfd, monkeypatch):
    monkeypatch.setitem(RECIPES, "cifar", replace(CIFAR_EVALUATION, learning_rate=1e30))
    assert retrain(run_file, *TINY) == 1
    out, err = capfd.readouterr()
    assert [line.split() for line in out.splitlines()[1:3]] == [["run0", "DIVERGED"], ["run1", "DIVERGED"]]
    assert out.splitlines()[3] == "left out  2 of 2 runs, which diverged"
    assert err.splitlines()[-1].startswith("deap-nas: no run came to an end")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset=mnist"], "unknown dataset 'mnist'"),
        (["--scale=0"], "scaled by a positive number, found 0.0"),
        (["--runs=0"], "runs must be an integer of at least 1"),
        (["--channels=0"], "stem must hold integers of at least 1"),
        (["--id=9"], "has no evaluated individual 9"),
        (["--images=20"], "has 20 training images, fewer than a batch of 256"),
        (["--dataset=cifar10", "--data-dir=nowhere"], "--download to fetch cifar10"),
    ],
)
def test_bad_option_is_one_line(run_file, capfd, arguments, message):
    assert retrain(run_file, *arguments) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("settings", [{}, {"fitness": "accuracy"}, {"fitness": {"dataset": 5}}])
def test_file_without_a_dataset_asks_for_one(settings, tmp_path, capfd):
    path = tmp_path / "run.h5"
    with HDF5Store.create(path, space=SPACE, settings=settings, seed=0) as store:
        store.submit([Job(0, Genotype(MEMBERS[0][0]), 0)], random.Random(0).getstate())
        store.append(Genotype(MEMBERS[0][0]), Evaluation((0.5,), id=0))
    assert retrain(path) == 1
    assert "does not say on which images it searched; name some with --dataset" in capfd.readouterr().err


def test_other_settings_need_another_folder(run_file, capfd):
    assert retrain(run_file, *TINY) == 0
    assert retrain(run_file, *TINY, "--seed=1") == 1
    err = capfd.readouterr().err
    assert "seed is 0 there, but 1 was asked for; " in err.splitlines()[-1]
    assert err.endswith("choose another one (--output)\n")


def start(run_file, *launcher):
    """The command with more steps than a test waits for, in a process group of its own."""
    arguments = [*HEED_INTERRUPTS, sys.executable, *launcher, "-m", "deap_nas.cli", "retrain", str(run_file), *TINY]
    return subprocess.Popen(
        [*arguments, "--steps=1000000"],
        env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signal_is_one_line_that_says_how_to_go_on_from_the_checkpoint_that_it_leaves(run_file, number):
    folder = run_file.with_name("run-id1-large-cifar")
    with start(run_file) as process:
        while not (folder / "run0.csv").exists():
            assert process.poll() is None
        assert not (folder / "run0.checkpoint.safetensors").exists()
        os.killpg(process.pid, number)
        err = process.stderr.read()
    assert process.returncode == 130
    assert err.splitlines() == [
        f"individual 1 on digits, into {folder}",
        f"stopped; the same command goes on with the last checkpoint in {folder}",
    ]
    assert (folder / "run0.checkpoint.safetensors").exists()


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ((), "stopped before the first checkpoint; the same command begins anew"),
        (("result.json",), "stopped; the same command goes on after the runs that have ended, which {} holds"),
        (("result.json", "run1.checkpoint.safetensors"), "stopped; the same command goes on with the last checkpoint"),
    ],
)
def test_line_after_a_stop_promises_what_the_folder_holds(run_file, capfd, monkeypatch, files, line):
    def stopped(retraining, folder, *, observer):
        folder.mkdir()
        for name in files:
            (folder / name).touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(Retraining, "run", stopped)
    with pytest.raises(SystemExit) as end:
        retrain(run_file)
    assert end.value.code == 130
    assert capfd.readouterr().err.splitlines()[-1].startswith(line.format(run_file.with_name("run-id1-large-cifar")))


def test_one_run_has_no_deviation(run_file, capfd):
    assert retrain(run_file, *TINY, "--runs=1") == 0
    out = capfd.readouterr().out
    result = json.loads((run_file.with_name("run-id1-large-cifar") / "result.json").read_text())
    assert f"accuracy  {100 * result['mean']:.2f} %\n" in out
    assert f"error     {100 - 100 * result['mean']:.2f} %, of one run, which has no deviation\n" in out
    assert "+-" not in out
    assert result["deviation"] is None


TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def process_of(launcher, rank):
    """Number of the process that torchrun has started for a rank."""
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            return int(child)
    raise AssertionError(f"no process has the rank {rank}")


@pytest.mark.parametrize(
    ("number", "rank"),
    [
        (signal.SIGTERM, None),  # which torchrun passes on
        (signal.SIGUSR1, None),  # of which it dies
        (signal.SIGUSR1, 1),
    ],
)
def test_torchrun_or_one_of_its_processes_that_is_stopped_leaves_a_checkpoint_of_all(run_file, number, rank):
    folder = run_file.with_name("run-id1-large-cifar")
    with start(run_file, *TORCHRUN) as process:
        while not (folder / "run0.csv").exists():
            assert process.poll() is None
        os.kill(process.pid if rank is None else process_of(process.pid, rank), number)
        err = process.stderr.read()
    assert err.count("stopped; the same command goes on with the last checkpoint") == 1, err
    assert "KeyboardInterrupt" not in err
    assert load_tensors(folder / "run0.checkpoint.safetensors")[1]["step"] > 0


def test_torchrun_trains_with_several_processes_and_one_tells(run_file):
    done = subprocess.run(
        [sys.executable, *TORCHRUN, "-m", "deap_nas.cli", "retrain", run_file, *TINY],
        env=environment(), capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "run", "run0", "run1", "accuracy", "error", "network",
    ]  # fmt: skip
    assert done.stderr.count("individual 1 on digits") == 1
    assert "Warning" not in done.stderr


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def able(monkeypatch):
    """A terminal that obeys, whatever starts the tests."""
    monkeypatch.setenv("TERM", "xterm")


def reported(file):
    """A report of the last of some steps."""
    report = RetrainingReport(file)
    for step in (1, 4):
        report(RetrainingProgress(0, 2, step, 4, 0.1, 1.25, 12_345.6))
    report.end_line()


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize("columns", [1, 9, 30, 50, 80])
def test_report_stays_in_one_line_of_its_terminal_and_tells_the_time_that_is_left(columns):
    ours, theirs = open_terminal(24, columns)
    with open(theirs, "w", encoding="utf-8") as file:
        reported(file)
    *_, last = read_all(ours).rstrip().split("\r\x1b[K")
    assert len(last) < columns
    assert last.endswith("left") == (columns >= 30)


def test_report_on_a_terminal_that_only_prints_is_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    file = Terminal()
    reported(file)
    assert "\x1b" not in file.getvalue()
    assert file.getvalue().endswith("left\n")


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize(("file", "ends"), [(io.StringIO, "\n"), (Terminal, "")])
def test_report_tells_a_run_that_ends_and_the_time_that_is_left(file, ends):
    file = file()
    report = RetrainingReport(file)
    for step in (1, 2, 3, 4):
        report(RetrainingProgress(0, 2, step, 4, 0.1, 1.25, 12_345.6))
    text = file.getvalue()
    assert "run0, step 4/4, loss 1.2500, 12,346 images/s, 0:00:00 left" in text
    assert text.endswith(f"left{ends}")
    assert "step 2" not in text  # it is too soon for another line
    report.end_line()
    assert file.getvalue().endswith("\n")
    assert not file.getvalue().endswith("\n\n")
