"""The example that users copy, as they call it."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import h5py
import pytest

from deap_nas.evaluation import Status
from deap_nas.report import best_id
from deap_nas.store import HDF5Store
from tests.launch import HEED_INTERRUPTS, HIER_EVO, ROOT, TINY, command, environment, run
from tests.store.hdf5.test_population_file import rows
from tests.training.data.test_datasets import cut_png, make_folder


def hier_evo(*arguments, **options):
    return run(HIER_EVO, *TINY, *arguments, **options)


def check_files(path):
    with HDF5Store.read(path) as store:
        assert store.n_evaluated == 5
        assert store.settings["steps"] == 4
        best = path.with_name(f"{path.stem}-id{best_id(store)}")
    assert best.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in best.with_suffix(".svg").read_text()


def test_one_process_and_one_rank_give_the_same_rows(tmp_path):
    for name, n_ranks in (("plain.h5", None), ("rank.h5", 1)):
        done = hier_evo("--output", tmp_path / name, n_ranks=n_ranks)
        assert done.returncode == 0, done.stderr
        check_files(tmp_path / name)
    assert rows(tmp_path / "plain.h5") == rows(tmp_path / "rank.h5")


@pytest.mark.parametrize("how", [{"n_ranks": 3}, {"n_ranks": None}])
def test_ranks_and_processes_run_the_same_script(tmp_path, how):
    extra = () if how["n_ranks"] else ("--workers", "2")
    done = hier_evo("--output", tmp_path / "run.h5", "--representation", "flat", *extra, **how)
    assert done.returncode == 0, done.stderr
    check_files(tmp_path / "run.h5")
    assert done.stdout.count("best        individual") == 1
    assert "5/5 done" in done.stderr
    assert "parameters" in done.stdout
    assert "level 2, cell" in done.stdout
    assert re.search(rf"pictures    {tmp_path}/run-id\d\.png {tmp_path}/run-id\d\.svg\n", done.stdout)


def test_resume_takes_the_settings_from_the_file_and_a_larger_budget(tmp_path):
    path = tmp_path / "run.h5"
    assert hier_evo("--output", path).returncode == 0
    before = rows(path)
    done = run(HIER_EVO, "--resume", path, "--evaluations", 7)
    assert done.returncode == 0, done.stderr
    assert len(rows(path)) == 7
    assert rows(path)[:5] == before
    assert hier_evo("--output", tmp_path / "b.h5", "--evaluations=7").returncode == 0
    assert rows(path) == rows(tmp_path / "b.h5")


def test_ranks_inherit_weights_and_a_child_is_replayed_from_its_parents(tmp_path):
    path = tmp_path / "run.h5"
    done = hier_evo("--output", path, "--weights=inherited", "--evaluations=7", n_ranks=3)
    assert done.returncode == 0, done.stderr
    done = run(HIER_EVO, "--resume", path, "--evaluations=8", n_ranks=3)
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        assert store.settings["fitness"]["inherits_weights"]
        parents = dict(zip(store.column("id").tolist(), store.column("parent").tolist(), strict=True))
    files = {int(file.stem) for file in (tmp_path / "run-weights").glob("*.safetensors")}
    children = [number for number, parent in parents.items() if {number, parent} <= files]
    assert children
    done = run("-m", "deap_nas.cli", "replay", path, "--id", children[-1])
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("the same\n")


def test_a_run_that_replaces_another_starts_without_its_weights(tmp_path):
    settings = ("--output", tmp_path / "run.h5", "--weights=inherited", "--evaluations=9", "--workers=2")
    assert hier_evo(*settings).returncode == 0
    left = tmp_path / "run-weights" / "99.safetensors"
    left.touch()
    done = hier_evo(*settings, "--overwrite")
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert store.column("status").tolist().count(Status.FAILED) == 0, store.errors()
    assert not left.exists()


def test_a_limit_a_survival_rule_and_fewer_images_are_kept_and_recorded(tmp_path):
    path = tmp_path / "run.h5"
    limit = 2500
    done = hier_evo("--output", path, f"--max-parameters={limit}", "--survival=oldest", "--images=300")
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        assert store.column("n_parameters").max() <= limit
        assert store.column("alive").tolist() == [False, False, True, True, True]
        assert store.settings["max_parameters"] == limit
        assert store.settings["survival"] == "oldest"
        assert store.settings["fitness"]["n_images"] == 300
    done = run(HIER_EVO, "--resume", path, "--evaluations=6")
    assert done.returncode == 0, done.stderr
    assert "6/6 done" in done.stderr  # those who left count
    with HDF5Store.read(path) as store:
        assert store.column("alive").sum() == 3
        assert store.column("n_parameters").max() <= limit


def test_images_and_their_augmentation_are_told_recorded_and_kept_when_they_move(tmp_path):
    path = tmp_path / "run.h5"
    make_folder(tmp_path / "images", n_images=30, size=(8, 8))
    (tmp_path / "images" / "class0" / "x.gif").touch()
    done = hier_evo("--dataset=imagefolder:images", "--no-flip", "--crop=1", "--output", path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "images: 90 of 3 classes: class0 30, class1 30, class2 30; ignored files .gif: 1\n" in done.stderr
    assert "images has no test images: expected" in done.stderr
    with HDF5Store.read(path) as store:
        settings = store.settings
    assert settings["dataset"] == settings["fitness"]["dataset"] == f"imagefolder:{tmp_path}/images"
    assert settings["data_dir"] == str(tmp_path / "data")
    assert settings["fitness"]["augmentation"] == {"crop": None, "flip": False, "padding": 1}
    done = run(HIER_EVO, "--resume", path, "--flip")
    assert "flip is False there, but True was asked for" in done.stderr
    (tmp_path / "images").rename(tmp_path / "moved")
    done = run(HIER_EVO, "--resume", path, "--evaluations=6")
    assert done.stderr.startswith(f"hier_evo.py: {tmp_path}/images is not a folder")
    done = run(HIER_EVO, "--resume", path, "--evaluations=6", "--dataset", f"imagefolder:{tmp_path}/moved")
    assert done.returncode == 0, done.stderr
    (tmp_path / "moved" / "class1" / "3.png").unlink()
    done = run(HIER_EVO, "--resume", path, "--evaluations=7")
    assert done.returncode == 1
    assert "there are other numbers of images in class1 (30 there, 29 asked for)" in done.stderr


def test_a_file_of_before_images_were_recorded_is_resumed(tmp_path):
    path = tmp_path / "run.h5"
    make_folder(tmp_path / "images" / "train", n_images=30, size=(8, 8))
    make_folder(tmp_path / "images" / "test", size=(8, 8))
    assert hier_evo("--dataset=imagefolder:images", "--output", path, cwd=tmp_path).returncode == 0
    with h5py.File(path, "r+") as file:
        settings = json.loads(file.attrs["settings"])
        del settings["fitness"]["images"], settings["flip"], settings["crop"]
        settings["dataset"] = settings["fitness"]["dataset"] = "imagefolder:images"
        settings["data_dir"] = "data"
        file.attrs["settings"] = json.dumps(settings)
    done = run(HIER_EVO, "--resume", path, "--evaluations=6", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(rows(path)) == 6


def test_the_same_network_is_trained_once_on_demand(tmp_path):
    path = tmp_path / "run.h5"
    done = hier_evo("--output", path, "--mutations=0", "--reuse=canonical", "--survival=loser")
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        assert [record.evaluation.reused for record in store.records()][:3] == [-1, 0, 0]
        assert store.column("alive").sum() == 3
        assert store.settings["reuse"] == "canonical"


def test_resume_with_other_settings_is_refused_by_name(tmp_path):
    path = tmp_path / "run.h5"
    assert hier_evo("--output", path).returncode == 0
    before = path.read_bytes()
    done = run(HIER_EVO, "--resume", path, "--steps", 9)
    assert done.returncode == 1
    assert "steps is 4 there, but 9 was asked for" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = run(HIER_EVO, "--resume", path, "--representation", "flat")
    assert "representation is hierarchical there, but flat" in done.stderr or "space.motifs is" in done.stderr
    assert path.read_bytes() == before


MEANS = {
    "timeout": 300.0, "memory": 8.0, "lease": 30.0, "precision": "bfloat16", "stopping": "halving", "rungs": [0.5],
    "keep": 0.5, "cheaper_steps": 2, "cheaper_images": 400, "cheaper_image_size": 4, "cheaper_channels": 1,
}  # fmt: skip
#: Settings that files of the first version of the example do not have.
NEW = (*MEANS, "compile", "quantile", "margin", "whole", "cheaper_repeats")


def test_means_and_estimates_are_recorded_and_kept_by_a_run_that_goes_on(tmp_path):
    path = tmp_path / "run.h5"
    texts = {name: str(value).strip("[]") for name, value in MEANS.items()}
    done = hier_evo("--output", path, *(f"--{name.replace('_', '-')}={text}" for name, text in texts.items()))
    assert done.returncode == 0, done.stderr
    done = run(HIER_EVO, "--resume", path, "--evaluations=7", "--timeout=none")
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        assert store.column("status").tolist() == [Status.OK] * 7, store.errors()
        assert store.column("curve").shape == (7, 2)
        assert store.settings.items() >= {**MEANS, "timeout": None, "steps": 4}.items()
        fitness = store.settings["fitness"]
    assert fitness["recipe"]["steps"] == 2
    assert (fitness["precision"], fitness["n_images"], fitness["image_size"]) == ("bfloat16", 400, 4)
    assert fitness["stopping"] == {"rungs": [0.5], "rule": {"kind": "successive_halving", "fraction": 0.5}}
    assert fitness["template"]["stem"][-1][0] == 1
    done = run(HIER_EVO, "--resume", path, "--cheaper-steps=3")
    assert done.returncode == 1
    assert "cheaper_steps is 2 there, but 3 was asked for" in done.stderr


def test_a_bound_on_the_curves_and_a_compiled_step_are_recorded(tmp_path):
    path = tmp_path / "run.h5"
    options = ("--stopping=bound", "--rungs", "1/4", "3/4", "--quantile=0.25", "--margin=0", "--whole=1")
    means = ("--compile", "--evaluations=1", "--population=1")
    variables = {"TORCH_COMPILE_DISABLE": "1"}  # the compiler proper takes minutes
    done = hier_evo("--output", path, *options, *means, variables=variables)
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        assert store.column("curve").shape == (1, 3)
        fitness = store.settings["fitness"]
    assert fitness["compile"] is True
    rule = {"kind": "curve_bound", "quantile": 0.25, "margin": 0.0, "n_whole": 1}
    assert fitness["stopping"] == {"rungs": [0.25, 0.75], "rule": rule}


@pytest.mark.parametrize(
    ("limit", "n_ranks", "status"),
    [
        ("--timeout=0.2", None, Status.TIMED_OUT),
        ("--memory=0.15", None, Status.OUT_OF_MEMORY),
        ("--timeout=0.2", 2, Status.TIMED_OUT),
        ("--memory=0.15", 2, Status.OUT_OF_MEMORY),
    ],
)
def test_an_evaluation_beyond_its_limit_is_ended_and_recorded(tmp_path, limit, n_ranks, status):
    path = tmp_path / "run.h5"
    done = hier_evo("--output", path, limit, "--evaluations=1", "--population=1", "--steps=100000", n_ranks=n_ranks)
    assert done.returncode == 1
    with HDF5Store.read(path) as store:
        assert store.column("status").tolist() == [status], store.errors()


def test_a_file_from_before_an_option_was_there_goes_on(tmp_path):
    path = tmp_path / "run.h5"
    assert hier_evo("--output", path, "--evaluations=3").returncode == 0
    with h5py.File(path, "r+") as file:
        settings = json.loads(file.attrs["settings"])
        file.attrs["settings"] = json.dumps({name: value for name, value in settings.items() if name not in NEW})
    done = run(HIER_EVO, "--resume", path, "--evaluations=4")
    assert done.returncode == 0, done.stderr
    assert len(rows(path)) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "mnist"], "unknown dataset 'mnist'; known: cifar10, cifar100, digits, imagefolder:PATH"),
        (["--dataset", "imagefolder:nowhere"], "nowhere is not a folder"),
        (["--dataset", "cifar10", "--data-dir", "nowhere"], "--download to fetch cifar10"),
        (["--batch-size", "2000"], "fewer than a batch of 2000"),
        (["--steps", "0"], "--steps must be at least 1, found 0"),
        (["--repeats", "-1"], "--repeats must be at least 1, found -1"),
        (["--population", "0"], "--population must be at least 1, found 0"),
        (["--evaluations", "-3"], "--evaluations must be at least 1, found -3"),
        (["--channels", "0"], "--channels must be at least 1, found 0"),
        (["--mutations", "-1"], "--mutations must be at least 0, found -1"),
        (["--tournament", "0"], "--tournament must lie in (0, 1], found 0.0"),
        (["--device", "gpu"], "--device must be one of"),
        (["--workers", "-1"], "--workers must be at least 0, found -1"),
        (["--precision", "float16"], "--precision float16 is for GPUs, and --device cpu is none here"),
        (["--timeout", "0"], "--timeout must lie in (0, inf), found 0.0"),
        (["--cheaper-steps", "0"], "--cheaper-steps must be at least 1, found 0"),
        (["--rungs", "1/2", "1/3", "--stopping", "bound"], "--rungs are ascending fractions"),
        (["--output", "a_file/run.h5"], "a_file/run.h5 cannot be written"),
        (["--output", "there.h5"], "there.h5 exists"),
        (["--output", "run.png"], "--output is the population file"),
        (["--output", "there.h5", "--overwrite", "--seed", "99999999999999999999"], "seed must fit into 64 bits"),
        (["--max-parameters", "0"], "--max-parameters must be at least 1, found 0"),
        (["--images", "9999"], "--images must be an integer in 1.."),
        (["--reuse", "canonical", "--weights", "inherited"], "--reuse canonical is for --weights fresh"),
        (["--resume", "there.h5", "--output", "new.h5"], "there.h5: leave out --output and --overwrite"),
        (["--resume", "there.h5", "--overwrite"], "there.h5: leave out --output and --overwrite"),
        (["--resume", "missing.h5"], "missing.h5 is not there"),
        (["--resume", "a_file"], "a_file is no population file"),
        (["--resume", "other.h5"], "other.h5 is an HDF5 file, but no population file"),
        (["--resume", "short.h5"], "short.h5 is damaged: its end is missing"),
    ],
)
def test_bad_input_is_one_clear_line_and_overwrites_nothing(arguments, message, bad_files, tmp_path):
    folder = shutil.copytree(bad_files, tmp_path / "bad")
    done = run(HIER_EVO, *TINY, *arguments, cwd=folder)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("hier_evo.py: ")
    assert message in done.stderr
    assert contents(folder) == contents(bad_files)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    (folder / "a_file").write_text("text")
    with h5py.File(folder / "other.h5", "w") as file:
        file["x"] = 1
    assert hier_evo("--output", folder / "there.h5", "--evaluations=1").returncode == 0
    content = (folder / "there.h5").read_bytes()
    (folder / "short.h5").write_bytes(content[: len(content) // 2])
    return folder


@pytest.mark.parametrize("n_ranks", [None, 3])
def test_settings_that_only_a_worker_can_judge_end_the_run_with_one_line(tmp_path, n_ranks):
    folder = make_folder(tmp_path / "images", n_images=30, size=(8, 8))
    cut_png(tmp_path / "images" / "class2" / "z.png")
    done = hier_evo("--dataset", f"imagefolder:{folder}", "--output", tmp_path / "run.h5", n_ranks=n_ranks)
    assert done.returncode != 0
    assert done.stderr.count("z.png cannot be read as an image") == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run.png").exists()


def test_bad_input_under_mpirun_is_told_once():
    done = run(HIER_EVO, *TINY, "--dataset", "mnist", n_ranks=3)
    assert done.returncode != 0
    assert done.stderr.count("unknown dataset") == 1
    done = run(HIER_EVO, *TINY, "--workers", "2", n_ranks=3)
    assert done.returncode != 0
    assert done.stderr.count("n_workers is for runs without mpirun") == 1
    done = run(HIER_EVO, "--nonsense", n_ranks=3)
    assert done.returncode != 0
    assert done.stderr.count("unrecognized arguments") == 1


@pytest.mark.parametrize("how", ["plain", "workers", "mpirun"])
def test_interrupted_run_says_how_to_resume_and_resumes_to_its_budget(tmp_path, how):
    path = tmp_path / "run.h5"
    extra = ("--workers", "2") if how == "workers" else ()
    arguments = command(
        HIER_EVO, *TINY, "--evaluations=40", "--steps=30", "--output", path, *extra,
        n_ranks=3 if how == "mpirun" else None,
    )  # fmt: skip
    with subprocess.Popen(
        [*HEED_INTERRUPTS, *arguments],
        env=environment(),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as search:
        wait_for_evaluations(path, 4)
        os.killpg(search.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
        err = search.communicate(timeout=60)[1]
    assert search.returncode != 0
    assert "Traceback" not in err
    told = rf"^stopped: {path} holds all \d+ evaluations that have ended; --resume {path} goes on with it$"
    n_told = len(re.findall(told, err, re.M))
    assert err.count("stopped") == n_told
    assert n_told == 1 or (how == "mpirun" and n_told == 0)  # it may be quicker to kill rank 0: see tests/mpi
    done = run(HIER_EVO, "--resume", path, "--evaluations", "8", *extra)
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        assert store.n_evaluated >= 8
        assert len(set(store.column("id").tolist())) == store.n_evaluated
        assert len(store.sessions) == 2


def wait_for_evaluations(path, n_evaluations):
    for _ in range(1200):
        if path.exists():
            try:
                with HDF5Store.read(path) as store:
                    if store.n_evaluated >= n_evaluations:
                        return
            except Exception:  # it is just being made
                pass
        time.sleep(0.05)
    raise AssertionError("the search does not get on")
