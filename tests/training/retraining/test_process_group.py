"""Several processes that train one network together, started with torchrun."""

import json
import shutil
import subprocess
import sys

import pytest
import torch

from deap_nas.errors import DifferentRunError, SettingsError
from deap_nas.training.data.batches import DeviceBatches, to_device
from deap_nas.training.data.datasets import load_images
from deap_nas.training.data.sources import Augmentation, Source
from deap_nas.training.retraining.process_group import ALONE, Ranks, join_ranks
from tests.launch import environment
from tests.training.retraining.retrain import make_retraining
from tests.training.retraining.test_retraining import rows, same_weights, weights

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")


def run_two(folder, *options):
    return subprocess.run(
        [*TORCHRUN, "tests.training.retraining.retrain", folder, *options],
        env=environment(), capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A retraining by two processes: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("retraining")
    done = run_two(folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_two_processes_train_one_network_and_one_of_them_tells_and_writes(finished):
    folder, out = finished
    result = json.loads((folder / "result.json").read_text())
    assert [line for line in out.splitlines() if line.startswith("(")] == [str(tuple(result["accuracies"]))] * 2
    steps = [line for line in out.splitlines() if not line.startswith("(")]
    assert steps == [f"{run} {step}" for run in range(2) for step in range(1, 41)]
    assert result["mean"] > 0.3
    assert [run["environments"][0]["processes"] for run in result["runs"]] == [2, 2]
    with pytest.raises(DifferentRunError, match="processes is 2 there, but 1 was asked for"):
        make_retraining(runs=3).run(folder)


def test_two_processes_begin_as_one_does_but_for_the_normalisation(finished, tmp_path):
    folder, _ = finished
    make_retraining(runs=1).run(tmp_path)
    together, alone = rows(folder / "run0.csv"), rows(tmp_path / "run0.csv")
    assert [row[:2] for row in together] == [row[:2] for row in alone]
    assert float(together[0][2]) == pytest.approx(float(alone[0][2]), rel=0.1)
    assert weights(folder / "run0.safetensors").keys() == weights(tmp_path / "run0.safetensors").keys()


def test_two_processes_that_are_killed_go_on_as_if_they_had_not_been(finished, tmp_path):
    folder, _ = finished
    arguments = [*TORCHRUN, "tests.training.retraining.retrain", tmp_path]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(), text=True
    ) as process:
        for line in process.stdout:
            if line.strip() == "1 20":
                process.terminate()  # torchrun ends its processes
                break
        process.stdout.read()
    assert (tmp_path / "run1.checkpoint.safetensors").exists()
    assert run_two(tmp_path).returncode == 0
    for number in range(2):
        assert same_weights(folder / f"run{number}.safetensors", tmp_path / f"run{number}.safetensors")
        assert rows(folder / f"run{number}.csv") == rows(tmp_path / f"run{number}.csv")


@pytest.mark.parametrize("n_ended", [1, 2])
def test_processes_that_see_different_folders_are_refused(finished, tmp_path, n_ended):
    folder = shutil.copytree(finished[0], tmp_path / "0")
    ended = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps(ended | {"runs": ended["runs"][:n_ended]}))
    done = run_two(tmp_path / "RANK")
    assert done.returncode != 0
    assert f"{tmp_path / '1'} must be one folder that all processes see" in done.stderr
    assert len(json.loads((folder / "result.json").read_text())["runs"]) == n_ended
    assert not (tmp_path / "1").exists()


def test_shares_of_a_batch_are_the_batch_of_one_process():
    images = to_device(load_images(Source("digits")), device=torch.device("cpu"))

    def batches(ranks):
        return DeviceBatches(images, Augmentation(crop=6, flip=True), 600, seed=1, ranks=ranks)

    alone, shared = batches(ALONE), [batches(Ranks(rank, 3)) for rank in range(3)]
    for _ in range(5):  # more than two epochs
        pixels, labels = alone.next()
        parts = [rank.next() for rank in shared]
        assert torch.equal(torch.cat([part for part, _ in parts]), pixels)
        assert torch.equal(torch.cat([part for _, part in parts]), labels)


def test_all_processes_learn_that_a_last_step_overflowed(tmp_path):
    done = run_two(tmp_path, "overflow")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("(")] == ["()"] * 2
    runs = json.loads((tmp_path / "result.json").read_text())["runs"]
    assert [run["status"] for run in runs] == ["DIVERGED"] * 2


@pytest.mark.parametrize("batch_size", [63, 2])
def test_batch_that_cannot_be_shared_is_refused(batch_size):
    with pytest.raises(SettingsError, match="multiple of the 2 processes, with two images for each; found"):
        Ranks(0, 2).share(batch_size)


def test_process_that_no_torchrun_has_started_is_alone(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    ranks = join_ranks(torch.device("cpu"))
    assert (ranks.rank, ranks.size, ranks.is_first) == (0, 1, True)
    values = torch.tensor([1.0])
    ranks.average(values)
    ranks.wait()
    assert values == 1.0
    assert ranks.spread([0.25]) == [0.25]
