import csv
import dataclasses
import json
import platform
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from deap_nas import NetworkTemplate, cost
from deap_nas.assembly import build_network
from deap_nas.errors import DatasetError, DifferentRunError, GenotypeError, NotViableError, SettingsError, StoreError
from deap_nas.evaluation import Status, derive_seed
from deap_nas.search_space import space_from_dict
from deap_nas.template import plan_network
from deap_nas.training import CIFAR_EVALUATION, Retraining, RetrainingResult, RunResult, Source, trainer
from deap_nas.training.data.batches import to_device
from deap_nas.training.data.datasets import load_images, load_test_images
from deap_nas.training.data.sources import Augmentation
from deap_nas.training.fitness.candidate import Candidate
from deap_nas.training.trainer import accuracy, seeded_network
from deap_nas.training.weights.tensor_files import load_tensors, save_tensors
from tests.launch import command, environment
from tests.sources import FILES, imports_of
from tests.training.data.test_datasets import make_folder
from tests.training.retraining.retrain import GENES, RECIPE, SPACE, make_retraining

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A retraining that has ended, its folder and its result."""
    folder = tmp_path_factory.mktemp("retraining") / "made" / "on the way"
    retraining = make_retraining(origin={"file": "/runs/run.h5", "id": 3, "fitness": [0.5]})
    return retraining, folder, retraining.run(folder)


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def weights(path):
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping


def labels(path):
    with safe_open(path, framework="pt") as file:
        return {name: json.loads(text) for name, text in file.metadata().items()}


def same_weights(left, right):
    left, right = weights(left), weights(right)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def rows(path):
    """The curve, but for the speed."""
    with path.open(newline="") as file:
        return [(row["step"], row["learning_rate"], row["loss"]) for row in csv.DictReader(file)]


def test_each_run_is_the_searchs_training_on_all_training_images_measured_on_the_test_images(finished):
    retraining, _, result = finished
    training = to_device(load_images(Source("digits")), device=CPU)
    test = to_device(load_test_images(Source("digits")), device=CPU, like=training)
    for number, found in enumerate(result.accuracies):
        seed = derive_seed(0, number)
        network = seeded_network(plan_network(SPACE, GENES, retraining.template), seed=seed, device=CPU)
        Candidate(network, training, training, Augmentation(), RECIPE, seed=seed).train()
        assert found == accuracy(network, test, batch_size=RECIPE.batch_size)
    assert result.accuracies[0] != result.accuracies[1]
    assert all(top1 < top5 <= 1 for top1, top5 in zip(result.accuracies, result.top5, strict=True))
    assert result.n_parameters == cost(SPACE, GENES, retraining.template).n_parameters


def test_folder_holds_settings_curves_networks_and_the_result(finished):
    retraining, folder, result = finished
    assert files_in(folder) == [
        "result.json", "retraining.json", "run0.csv", "run0.safetensors", "run1.csv", "run1.safetensors",
    ]  # fmt: skip
    settings = json.loads((folder / "retraining.json").read_text())
    assert settings["settings"] == json.loads(json.dumps(retraining.to_dict() | {"processes": 1}))
    assert settings["provenance"]["packages"].keys() >= {"torch", "safetensors"}
    found = json.loads((folder / "result.json").read_text())
    assert found["accuracies"] == list(result.accuracies)
    assert (found["mean"], found["deviation"]) == (result.mean, result.deviation)
    assert found["mean"] == pytest.approx(np.mean(result.accuracies))
    assert found["deviation"] == pytest.approx(np.std(result.accuracies, ddof=1))
    assert found["seconds"] > 0
    for told in (settings, found):
        assert told["origin"] == {"file": "/runs/run.h5", "id": 3, "fitness": [0.5]}
    environment = {
        "host": platform.node(), "device": "cpu", "processes": 1, "precision": "float32", "compile": False,
        "torch": torch.__version__,
    }  # fmt: skip
    assert [run["environments"] for run in found["runs"]] == [[environment]] * 2


def test_curve_has_every_step_with_its_learning_rate_and_a_loss_that_falls(finished):
    _, folder, _ = finished
    steps, rates, losses = zip(*rows(folder / "run0.csv"), strict=True)
    assert list(map(int, steps)) == list(range(1, 41))
    assert list(map(float, rates)) == pytest.approx([0.1] * 20 + [0.01] * 10 + [0.001] * 10)
    assert np.mean(list(map(float, losses[-5:]))) < np.mean(list(map(float, losses[:5])))


def test_saved_network_says_what_it_is_and_gives_the_accuracy_that_was_told(finished):
    retraining, folder, result = finished
    fields = labels(folder / "run1.safetensors")
    assert fields["origin"] == retraining.origin
    assert fields["environments"] == list(result.runs[1].environments)
    template = NetworkTemplate.from_dict(fields["template"])
    network = build_network(space_from_dict(fields["space"]), fields["genes"], template)
    network.load_state_dict(weights(folder / "run1.safetensors"))
    training = to_device(load_images(Source("digits")), device=CPU)
    assert fields["normalisation"] == {"mean": training.mean.tolist(), "scale": training.scale.tolist()}
    test = to_device(load_test_images(Source("digits")), device=CPU, like=training)
    assert accuracy(network, test, batch_size=RECIPE.batch_size) == result.accuracies[1]


def test_call_after_the_end_gives_the_result_and_trains_nothing(finished, monkeypatch):
    retraining, folder, result = finished
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    monkeypatch.setattr(Retraining, "_run", None)
    assert retraining.run(folder) == result
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_more_runs_can_be_asked_for_later_and_fewer_told(finished, tmp_path):
    _, folder, result = finished
    one = make_retraining(runs=1).run(tmp_path)
    assert one.runs[0].accuracy == result.runs[0].accuracy
    assert one.mean == one.accuracies[0]
    assert one.deviation is None
    assert json.loads((tmp_path / "result.json").read_text())["deviation"] is None
    assert make_retraining(runs=2).run(tmp_path).accuracies == result.accuracies
    assert make_retraining(runs=1).run(tmp_path) == one
    assert same_weights(folder / "run1.safetensors", tmp_path / "run1.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "seed is 0 there, but 1 was asked for"),
        ({"recipe": replace(RECIPE, steps=41)}, "recipe.steps is 40 there, but 41"),
        ({"precision": "bfloat16"}, "precision is float32 there"),
        ({"n_images": 500}, "n_images is None there, but 500"),
    ],
)
def test_folder_of_other_settings_is_refused_and_left_alone(finished, changes, message):
    _, folder, _ = finished
    before = files_in(folder)
    with pytest.raises(DifferentRunError, match=rf"{message}.*; repeat those .* or choose another one \(--output\)"):
        make_retraining(**changes).run(folder)
    assert files_in(folder) == before


class StoppedError(Exception):
    pass


def stop_at(step):
    """An observer that ends a retraining."""

    def observe(progress):
        if progress.step == step:
            raise StoppedError

    return observe


def test_folder_in_which_nothing_was_kept_takes_other_settings(finished, tmp_path):
    _, folder, _ = finished
    with pytest.raises(StoppedError):
        make_retraining(seed=1, precision="bfloat16").run(tmp_path, observer=stop_at(3))
    assert files_in(tmp_path) == ["retraining.json", "run0.csv"]
    make_retraining(runs=1).run(tmp_path)
    assert json.loads((tmp_path / "retraining.json").read_text())["settings"]["seed"] == 0
    assert rows(tmp_path / "run0.csv") == rows(folder / "run0.csv")


@pytest.mark.parametrize("kept", ["result.json", "run0.checkpoint.safetensors", "run0.safetensors"])
def test_settings_bind_once_a_result_a_checkpoint_or_a_network_is_there(finished, tmp_path, kept):
    _, folder, _ = finished
    with pytest.raises(StoppedError):
        make_retraining(checkpoint_seconds=0).run(tmp_path, observer=stop_at(3))
    (tmp_path / "run0.checkpoint.safetensors").rename(tmp_path / "run0.checkpoint")
    source = tmp_path / "run0.checkpoint" if "checkpoint" in kept else folder / kept
    (tmp_path / kept).write_bytes(source.read_bytes())
    with pytest.raises(DifferentRunError, match="seed is 0 there, but 1 was asked for"):
        make_retraining(seed=1).run(tmp_path)


def test_runs_of_another_number_of_processes_are_refused(tmp_path):
    make_retraining(runs=1).run(tmp_path)
    path = tmp_path / "retraining.json"
    fields = json.loads(path.read_text())
    fields["settings"]["processes"] = 4
    path.write_text(json.dumps(fields))
    assert len(make_retraining(runs=1).run(tmp_path).runs) == 1  # what is there is told
    with pytest.raises(DifferentRunError, match=r"processes is 4 there, but 1 was asked for; .*--output"):
        make_retraining(runs=2).run(tmp_path)
    assert not (tmp_path / "run1.csv").exists()


def test_run_that_goes_on_elsewhere_tells_both_places(tmp_path):
    with pytest.raises(StoppedError):
        make_retraining(runs=1, checkpoint_seconds=0).run(tmp_path, observer=stop_at(20))
    with pytest.raises(StoppedError):  # goes on at the same place, which is told once
        make_retraining(runs=1, checkpoint_seconds=0).run(tmp_path, observer=stop_at(30))
    tensors, numbers = load_tensors(tmp_path / "run0.checkpoint.safetensors")
    numbers["environments"][0]["host"] = "elsewhere"
    save_tensors(tmp_path / "run0.checkpoint.safetensors", tensors, **numbers)
    (run,) = make_retraining(runs=1).run(tmp_path).runs
    assert [environment["host"] for environment in run.environments] == ["elsewhere", platform.node()]


def test_another_device_and_another_place_of_the_images_are_the_same_run(finished):
    _, folder, result = finished
    assert make_retraining(device="auto", data_dir="elsewhere", checkpoint_seconds=1).run(folder) == result


def test_retraining_that_is_killed_again_and_again_ends_as_if_it_had_not_been(finished, tmp_path):
    _, folder, result = finished
    arguments = command("-m", "tests.training.retraining.retrain", tmp_path)
    for stop in ("0 7", "0 40", "1 23"):
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment(), text=True) as process:
            for line in process.stdout:
                if line.strip() == stop:
                    process.kill()
                    break
        assert process.returncode == -9
    assert (tmp_path / "run1.checkpoint.safetensors").exists()
    done = subprocess.run(arguments, env=environment(), capture_output=True, text=True, check=True)
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("1 ")
    assert int(first[2:]) > 23
    assert last == str(result.accuracies)
    for number in range(2):
        assert same_weights(folder / f"run{number}.safetensors", tmp_path / f"run{number}.safetensors")
        assert rows(folder / f"run{number}.csv") == rows(tmp_path / f"run{number}.csv")
    assert files_in(tmp_path) == files_in(folder)


@pytest.fixture
def heeds_interrupts():
    """Signals as a command takes them."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def raise_at(monkeypatch, step, *numbers):
    """Send this process signals in the middle of a step."""
    whole_step = trainer.Trainer._step

    def step_of(self):
        for number in numbers if self.step == step else ():
            signal.raise_signal(number)
        return whole_step(self)

    monkeypatch.setattr(trainer.Trainer, "_step", step_of)


#: Three steps make a row of its curve.
LONG = replace(RECIPE, steps=600, batch_size=8)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.usefixtures("heeds_interrupts")
def test_stopped_in_a_step_it_keeps_that_step_and_ends_as_if_it_had_not_been(tmp_path, monkeypatch, number):
    make_retraining(recipe=LONG, runs=1).run(tmp_path / "whole")
    retraining = make_retraining(recipe=LONG, runs=1)
    with monkeypatch.context() as patch:
        raise_at(patch, 301, number)
        with pytest.raises(KeyboardInterrupt):
            retraining.run(tmp_path / "stopped")
    assert load_tensors(tmp_path / "stopped" / "run0.checkpoint.safetensors")[1]["step"] == 301
    assert rows(tmp_path / "stopped" / "run0.csv")[-1][0] == "300"
    assert signal.getsignal(number) is signal.default_int_handler
    retraining.run(tmp_path / "stopped")
    assert same_weights(*(tmp_path / name / "run0.safetensors" for name in ("whole", "stopped")))
    whole, stopped = (rows(tmp_path / name / "run0.csv") for name in ("whole", "stopped"))
    assert [row[:2] for row in stopped] == [row[:2] for row in whole]
    losses = [[float(row[2]) for row in table] for table in (stopped, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.usefixtures("heeds_interrupts")
def test_second_ctrl_c_waits_for_no_step_but_a_second_warning_of_a_scheduler_does(tmp_path, monkeypatch):
    for numbers, is_kept in (((signal.SIGINT, signal.SIGINT), False), ((signal.SIGTERM, signal.SIGUSR1), True)):
        with monkeypatch.context() as patch:
            raise_at(patch, 3, *numbers)
            with pytest.raises(KeyboardInterrupt):
                make_retraining(recipe=LONG).run(tmp_path)
        assert (tmp_path / "run0.checkpoint.safetensors").exists() == is_kept


@pytest.mark.usefixtures("heeds_interrupts")
def test_signal_that_the_caller_handles_is_left_to_it(tmp_path, monkeypatch):
    seen = []
    signal.signal(signal.SIGUSR1, lambda *_: seen.append("USR1"))
    raise_at(monkeypatch, 3, signal.SIGUSR1)
    assert make_retraining(runs=1, recipe=replace(RECIPE, steps=4)).run(tmp_path).runs
    assert seen == ["USR1"]


def test_rows_beyond_the_checkpoint_are_written_anew(finished, tmp_path):
    _, folder, _ = finished
    for checkpoint_seconds, step in ((0, 7), (1000, 20)):
        with pytest.raises(StoppedError):
            make_retraining(runs=1, checkpoint_seconds=checkpoint_seconds).run(tmp_path, observer=stop_at(step))
    curve = tmp_path / "run0.csv"
    assert rows(curve)[-1][0] == "20"
    curve.write_text(curve.read_text() + "21,0.1,0.")  # torn by a kill
    make_retraining(runs=1).run(tmp_path)
    assert rows(curve) == rows(folder / "run0.csv")


def test_test_images_are_read_once_after_the_last_step_of_a_run(tmp_path, monkeypatch):
    events = []
    from deap_nas.training.retraining import runs

    monkeypatch.setattr(
        runs, "load_test_images", lambda source: events.append("test images") or load_test_images(source)
    )
    make_retraining().run(tmp_path, observer=lambda progress: events.append((progress.run, progress.step)))
    assert events == [
        *((0, step) for step in range(1, 41)), "test images", *((1, step) for step in range(1, 41)), "test images",
    ]  # fmt: skip


def test_no_test_of_a_run_is_of_more_images_at_once_than_its_training(tmp_path, monkeypatch):
    seen = {True: set(), False: set()}

    def observed(*arguments, **options):
        network = seeded_network(*arguments, **options)
        network.register_forward_pre_hook(lambda network, inputs: seen[network.training].add(len(inputs[0])))
        return network

    monkeypatch.setattr(trainer, "seeded_network", observed)
    make_retraining(runs=1, recipe=replace(RECIPE, steps=1)).run(tmp_path)
    assert seen == {True: {64}, False: {64, 359 % 64}}  # of the 359 test images


def test_nothing_but_a_retraining_and_the_test_of_what_was_found_imports_the_reader_of_test_images():
    users = {module for module in FILES for _, name in imports_of(module) if name == "load_test_images"}
    assert users == {"deap_nas.training.retraining.runs", "deap_nas.training.searched_networks"}


def test_fewer_images_are_another_training(finished, tmp_path):
    _, folder, _ = finished
    retraining = make_retraining(n_images=200, runs=1)
    retraining.run(tmp_path)
    assert not same_weights(folder / "run0.safetensors", tmp_path / "run0.safetensors")


def test_smaller_images_are_another_training_in_a_network_of_their_size(finished, tmp_path):
    _, folder, _ = finished
    retraining = make_retraining(image_size=4, runs=1)
    assert retraining.template.image_size == 4
    assert retraining.run(tmp_path).accuracies[0] > 0.1
    assert not same_weights(folder / "run0.safetensors", tmp_path / "run0.safetensors")
    with pytest.raises(DifferentRunError, match="image_size is 4 there"):
        make_retraining(runs=1).run(tmp_path)


def test_run_that_diverges_is_told_and_left_out_of_the_mean(tmp_path):
    retraining = make_retraining(recipe=replace(RECIPE, learning_rate=1e30))
    result = retraining.run(tmp_path)
    assert [run.status for run in result.runs] == [Status.DIVERGED] * 2
    assert (result.accuracies, result.mean, result.deviation, result.n_diverged) == ((), None, None, 2)
    told = json.loads((tmp_path / "result.json").read_text())["runs"][0]
    assert told["status"] == "DIVERGED"
    assert "the loss is not a finite number after" in told["error"]
    assert not list(tmp_path.glob("*.safetensors"))
    assert retraining.run(tmp_path) == result
    mixed = RetrainingResult((RunResult(Status.OK, 0.5, 1.0, 1.0), result.runs[0]), 10)
    assert (mixed.accuracies, mixed.top5, mixed.mean, mixed.n_diverged) == ((0.5,), (1.0,), 0.5, 1)


def test_run_whose_last_step_overflows_is_told_as_diverged(tmp_path):
    retraining = make_retraining(recipe=replace(RECIPE, steps=1, learning_rate=1e38), runs=1)
    (run,) = retraining.run(tmp_path).runs
    assert (run.status, run.accuracy, run.top5) == (Status.DIVERGED, 0.0, 0.0)
    assert run.error == "the trained network gives numbers that are not finite"
    assert not list(tmp_path.glob("*.safetensors"))


def test_folder_in_use_is_refused(tmp_path):
    def again(progress):
        make_retraining().run(tmp_path)

    with pytest.raises(StoreError, match="is open for writing in this very process"):
        make_retraining().run(tmp_path, observer=again)


def test_checkpoint_that_is_no_checkpoint_says_what_to_do(tmp_path):
    (tmp_path / "run0.checkpoint.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(StoreError, match=r"run0\.checkpoint\.safetensors cannot be read: .*; remove it"):
        make_retraining().run(tmp_path)


def test_settings_that_are_no_json_are_named(tmp_path):
    for name in ("retraining.json", "result.json"):
        (tmp_path / name).write_text("{")
    with pytest.raises(StoreError, match=r"retraining\.json cannot be read"):
        make_retraining().run(tmp_path)


def test_template_takes_the_images_of_the_dataset():
    template = NetworkTemplate.large_cifar(channels=4)
    retraining = make_retraining(template=template)
    assert retraining.template == template.for_images(n_classes=10, image_channels=1, image_size=8)
    assert Retraining(SPACE, list(GENES), dataset="digits", template=template).recipe == CIFAR_EVALUATION


def test_retraining_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_retraining().seed = 1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"runs": 0}, SettingsError, "runs must be an integer of at least 1, found 0"),
        ({"precision": "float8"}, SettingsError, "precision must be one of float32, bfloat16, float16"),
        ({"compile": "fast"}, SettingsError, "compile must be True, False or one of default, reduce-overhead"),
        ({"device": "gpu"}, SettingsError, "device must be one of auto"),
        ({"n_images": 0}, SettingsError, r"n_images must be an integer in 1\.\.1438, found 0"),
        ({"n_images": 1439}, SettingsError, "found 1439"),
        ({"n_images": 63}, DatasetError, "has 63 training images, fewer than a batch of 64"),
    ],
)
def test_bad_argument_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        make_retraining(**changes)


def test_genes_that_are_no_network_are_refused():
    template = NetworkTemplate.small_cifar()
    with pytest.raises(NotViableError):
        Retraining(SPACE, (0, 0, 0), dataset="digits", template=template)
    with pytest.raises(GenotypeError):
        Retraining(SPACE, (1,), dataset="digits", template=template)


def test_folders_without_test_images_are_refused_before_anything_is_trained(tmp_path):
    make_folder(tmp_path / "train", n_images=30)
    with pytest.raises(DatasetError, match=r"has no test images: expected .*train and .*test or .*val"):
        make_retraining(dataset=f"imagefolder:{tmp_path}")


def test_folders_of_images_are_retrained_and_tested(tmp_path):
    make_folder(tmp_path / "images" / "train", n_images=30, size=(8, 8))
    make_folder(tmp_path / "images" / "val", n_images=2, size=(8, 8))
    result = make_retraining(dataset=f"imagefolder:{tmp_path / 'images'}", runs=1).run(tmp_path / "out")
    assert result.accuracies[0] * 6 == pytest.approx(round(result.accuracies[0] * 6))
    assert result.top5 == (1.0,)  # there are three classes


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_learns_and_keeps_float32_weights(precision, tmp_path):
    result = make_retraining(precision=precision, runs=1).run(tmp_path)
    assert result.accuracies[0] > 0.2
    assert {tensor.dtype for tensor in weights(tmp_path / "run0.safetensors").values()} == {torch.float32, torch.int64}


def test_compiled_training_is_the_same_training(finished, tmp_path, monkeypatch):
    _, folder, result = finished
    compiled, torch_compile = [], torch.compile

    def without_the_compiler_proper(module, *, mode):  # which takes a minute, and may round otherwise
        compiled.append(mode)
        return torch_compile(module, backend="eager")

    monkeypatch.setattr(torch, "compile", without_the_compiler_proper)
    again = make_retraining(compile="reduce-overhead", runs=1).run(tmp_path)
    assert compiled == ["reduce-overhead"]
    assert again.accuracies == pytest.approx(result.accuracies[:1], abs=0.01)
    left, right = (weights(path / "run0.safetensors") for path in (folder, tmp_path))
    torch.testing.assert_close(left, right, rtol=0, atol=0.005)  # the plain step has layers that round otherwise


def test_import_loads_no_torch():
    script = "import sys; from deap_nas.training import Retraining; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
