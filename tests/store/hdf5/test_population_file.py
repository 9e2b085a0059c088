import json
import math
import os
import random
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from deap_nas import HierarchicalSpace, eaAsync
from deap_nas.errors import DifferentRunError, SettingsError, StoreError, StoreExistsError
from deap_nas.evaluation import Evaluation, Job, Status
from deap_nas.executors import SerialExecutor
from deap_nas.genotype import Genotype
from deap_nas.store import HDF5Store
from tests.launch import ROOT
from tests.store import search
from tests.toolboxes import SPACE, make_toolbox

GENES = Genotype([0] * SPACE.n_genes)


def create(path, **changes):
    arguments = {"space": SPACE, "settings": {"steps": 120, "recipe": {"momentum": 0.9}}, "seed": 3} | changes
    return HDF5Store.create(path, **arguments)


def append(store, number, **fields):
    store.submit([Job(number, GENES, 0)], random.Random(0).getstate())
    store.append(GENES, Evaluation((0.5,), id=number, **fields))


def test_file_has_the_documented_names_and_is_readable_with_plain_h5py(tmp_path):
    with create(tmp_path / "run.h5", n_repeats=4) as store:
        append(store, 0, scores=(0.4, 0.6), n_parameters=10, flops=20)
    with h5py.File(tmp_path / "run.h5", "r") as file:
        assert file.attrs["format"] == "deap_nas population"
        assert file.attrs["format_version"] == 1
        assert json.loads(file.attrs["space"]) == SPACE.to_dict()
        assert json.loads(file.attrs["settings"])["steps"] == 120
        assert file.attrs["seed"] == 3
        shapes = {name: file["individuals"][name].shape for name in file["individuals"]}
        names = (
            "id",
            "parent",
            "status",
            "alive",
            "submitted",
            "started",
            "finished",
            "worker",
            "n_parameters",
            "flops",
        )
        assert {name: shapes[name] for name in names} == dict.fromkeys(names, (1,))
        assert shapes["genes"] == (1, SPACE.n_genes)
        assert shapes["fitness"] == (1, 1)
        np.testing.assert_array_equal(file["individuals/scores"][0], [0.4, 0.6, np.nan, np.nan])


def test_others_can_read_while_a_process_writes(tmp_path):
    with create(tmp_path / "run.h5") as store, h5py.File(tmp_path / "run.h5", "r", swmr=True) as reader:
        assert len(reader["individuals/id"]) == 0
        append(store, 0)
        reader["individuals/id"].refresh()
        assert reader["individuals/id"][:].tolist() == [0]
        with HDF5Store.read(tmp_path / "run.h5") as second:
            assert second.n_evaluated == 1


def test_existing_file_is_not_overwritten_unless_asked(tmp_path):
    with create(tmp_path / "run.h5") as store:
        append(store, 0)
    with pytest.raises(StoreExistsError, match=r"run\.h5 exists"):
        create(tmp_path / "run.h5")
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert store.n_evaluated == 1
    with create(tmp_path / "run.h5", overwrite=True) as store:
        assert store.n_evaluated == 0


def test_file_that_this_process_writes_already_is_refused_and_says_so(tmp_path):
    with create(tmp_path / "run.h5") as store:
        append(store, 0)
        with pytest.raises(StoreError, match=r"open for writing in this very process: .* store\.close\(\)"):
            HDF5Store.resume(tmp_path / "run.h5")
        with pytest.raises(StoreError, match=r"open for writing in this very process"):
            create(tmp_path / "run.h5", overwrite=True)
        append(store, 1)
    with HDF5Store.resume(tmp_path / "run.h5") as store:
        assert store.n_evaluated == 2
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]


def test_file_that_another_process_writes_is_refused(tmp_path):
    create(tmp_path / "run.h5").close()
    lock = tmp_path / ".run.h5.lock"
    with subprocess.Popen(["flock", lock, "sh", "-c", "echo held; read line"], stdin=-1, stdout=-1) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match="being written by another process; wait for it, or end it"):
            HDF5Store.resume(tmp_path / "run.h5")
        other.communicate(b"\n")
    HDF5Store.resume(tmp_path / "run.h5").close()


@pytest.mark.parametrize("content", [b"", b"population", bytes(2000)])
def test_file_that_is_no_hdf5_is_refused(tmp_path, content):
    (tmp_path / "run.h5").write_bytes(content)
    for way in (HDF5Store.read, HDF5Store.resume):
        with pytest.raises(StoreError, match="is no population file"):
            way(tmp_path / "run.h5")
    assert (tmp_path / "run.h5").read_bytes() == content


def test_other_hdf5_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["data"] = [1, 2, 3]
    with pytest.raises(StoreError, match="HDF5 file, but no population file"):
        HDF5Store.read(tmp_path / "run.h5")


def test_newer_format_is_refused_by_its_version(tmp_path):
    create(tmp_path / "run.h5").close()
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        file.attrs["format_version"] = 2
    with pytest.raises(StoreError, match="format version 2"):
        HDF5Store.read(tmp_path / "run.h5")


def test_missing_parts_are_named(tmp_path):
    create(tmp_path / "run.h5").close()
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        del file.attrs["seed"]
        del file["rng/count"]
    with pytest.raises(StoreError, match="it lacks seed, rng/count"):
        HDF5Store.read(tmp_path / "run.h5")


def test_missing_file_and_folder_are_told_apart(tmp_path):
    with pytest.raises(StoreError, match="is not there"):
        HDF5Store.read(tmp_path / "run.h5")
    with pytest.raises(StoreError, match="is not a file"):
        HDF5Store.read(tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_file_is_refused_and_left_alone(tmp_path, share):
    with create(tmp_path / "run.h5") as store:
        for number in range(50):
            append(store, number)
    content = (tmp_path / "run.h5").read_bytes()
    (tmp_path / "run.h5").write_bytes(content[: int(share * len(content))])
    with pytest.raises(StoreError, match=r"run\.h5 is"):
        HDF5Store.resume(tmp_path / "run.h5")
    assert (tmp_path / "run.h5").read_bytes() == content[: int(share * len(content))]


def test_folder_of_the_file_is_made(tmp_path):
    create(tmp_path / "a" / "b" / "run.h5").close()
    assert (tmp_path / "a" / "b" / "run.h5").is_file()


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "a").write_text("a file")
    with pytest.raises(StoreError, match=r"a/run\.h5 cannot be written"):
        create(tmp_path / "a" / "run.h5")


def test_resume_with_other_settings_names_each_difference(tmp_path):
    create(tmp_path / "run.h5").close()
    settings = {"steps": 200, "recipe": {"momentum": 0.8}, "repeats": 2}
    with pytest.raises(DifferentRunError) as caught:
        HDF5Store.resume(tmp_path / "run.h5", space=SPACE, settings=settings)
    for difference in ("recipe.momentum is 0.9 there, but 0.8", "steps is 120 there, but 200", "repeats is nothing"):
        assert difference in str(caught.value)


def test_resume_with_other_space_names_the_difference(tmp_path):
    create(tmp_path / "run.h5").close()
    with pytest.raises(DifferentRunError, match=r"space\.nodes is \[4\] there, but \[4, 5\]"):
        HDF5Store.resume(tmp_path / "run.h5", space=HierarchicalSpace())


def test_free_settings_may_change_and_are_recorded(tmp_path):
    create(tmp_path / "run.h5").close()
    settings = {"steps": 200, "recipe": {"momentum": 0.9}}
    HDF5Store.resume(tmp_path / "run.h5", settings=settings, free=("steps",)).close()
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert store.settings == settings
        assert len(store.sessions) == 2
        assert store.sessions[0]["packages"]["deap"]


def test_long_error_keeps_its_end(tmp_path):
    with create(tmp_path / "run.h5") as store:
        append(store, 0, status=Status.FAILED, error="x" * 10_000 + "ValueError: ü")
        (text,) = store.errors().values()
    assert text.endswith("ValueError: ü")
    assert len(text.encode()) <= 4000


def test_error_of_a_first_try_that_was_cut_off_is_not_that_of_the_second(tmp_path):
    create(tmp_path / "run.h5").close()
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        for name, value in (("id", 0), ("text", b"ValueError: cut off")):
            file["errors"][name].resize(1, axis=0)
            file["errors"][name][0] = value
    with HDF5Store.resume(tmp_path / "run.h5") as store:
        append(store, 0)
        assert store.errors() == {}
        assert store.records()[0].evaluation.error == ""


def test_rows_that_a_kill_left_half_done_do_not_count_and_are_cut_off(tmp_path):
    with create(tmp_path / "run.h5") as store:
        append(store, 0)
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        for name in ("parent", "genes", "fitness"):
            file["individuals"][name].resize(2, axis=0)
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert store.n_evaluated == len(store.records()) == 1
    HDF5Store.resume(tmp_path / "run.h5").close()
    with h5py.File(tmp_path / "run.h5", "r") as file:
        assert {len(file["individuals"][name]) for name in file["individuals"]} == {1}


def test_more_scores_than_there_is_room_for_are_refused(tmp_path):
    with create(tmp_path / "run.h5", n_repeats=1) as store, pytest.raises(StoreError, match="room for 1 repeats"):
        append(store, 0, scores=(0.5, 0.5))


def rows(path):
    """Rows of a file, times and workers aside."""
    with HDF5Store.read(path) as store:
        return [(record.genes, record.evaluation) for record in store.records()]


def uninterrupted(path, n_evaluations):
    with SerialExecutor() as executor:
        search.run(path, n_evaluations, executor)
    return rows(path)


def test_same_seed_gives_the_same_rows(tmp_path):
    assert uninterrupted(tmp_path / "a.h5", 60) == uninterrupted(tmp_path / "b.h5", 60)


def test_run_resumed_after_its_end_goes_on_as_if_it_had_not_ended(tmp_path):
    with SerialExecutor() as executor:
        search.run(tmp_path / "a.h5", 35, executor)
        search.run(tmp_path / "a.h5", 60, executor)
    assert rows(tmp_path / "a.h5") == uninterrupted(tmp_path / "b.h5", 60)


def test_writer_killed_at_any_instant_loses_no_acknowledged_row(tmp_path):
    n_evaluations, n_kills = 4000, 12
    rng = random.Random(0)
    acknowledged = 0
    for _ in range(n_kills):
        command = [sys.executable, "-m", "tests.store.search", str(tmp_path / "run.h5"), str(n_evaluations)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout.readline() == "begun\n"
            time.sleep(rng.uniform(0, 0.15))
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout:
                acknowledged = max(acknowledged, int(line) + 1) if line.endswith("\n") else acknowledged
        with HDF5Store.read(tmp_path / "run.h5") as store:
            ids = [record.evaluation.id for record in store.records()]
        assert ids == list(range(len(ids)))
        assert len(ids) >= acknowledged
    assert 0 < acknowledged < n_evaluations
    with SerialExecutor() as executor:
        search.run(tmp_path / "run.h5", n_evaluations, executor)
    assert rows(tmp_path / "run.h5") == uninterrupted(tmp_path / "b.h5", n_evaluations)


def test_resuming_again_and_again_needs_no_repair(tmp_path):
    create(tmp_path / "run.h5").close()
    for number in range(3):
        with HDF5Store.resume(tmp_path / "run.h5") as store:
            append(store, number)
            assert store.n_evaluated == number + 1
            assert len(store.sessions) == number + 2


WRITES = """
import os, sys
from pathlib import Path
from deap_nas.store import HDF5Store
from tests.store.hdf5.test_population_file import create
n_left = int(sys.argv[2])
def count(event, arguments):
    # stop dead at the n-th of the events on the way to a file that is written: opens, renames, removals
    global n_left
    if event in ("open", "os.rename", "os.remove", "fcntl.flock", "json.dumps"):
        n_left -= 1
        if n_left == 0:
            os.kill(os.getpid(), 9)
sys.addaudithook(count)
resume = sys.argv[1] == "resume"
store = HDF5Store.resume("run.h5") if resume else create(Path("run.h5"), overwrite=True)
print("done", flush=True)
"""


@pytest.mark.parametrize("what", ["create", "resume"])
def test_kill_on_the_way_to_writing_leaves_the_old_file_or_the_new(tmp_path, what):
    with create(tmp_path / "run.h5") as store:
        append(store, 0)
    for n_events in range(1, 40):
        command = [sys.executable, "-c", WRITES, what, str(n_events)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        with HDF5Store.read(tmp_path / "run.h5") as store:
            assert store.n_evaluated in ((1,) if what == "resume" else (0, 1))
        if done.returncode == 0:
            break
    assert n_events > 3
    assert done.stdout == "done\n"


def test_failure_to_begin_leaves_the_old_file_and_nothing_else(tmp_path):
    with create(tmp_path / "run.h5") as store:
        append(store, 0)
    before = (tmp_path / "run.h5").read_bytes()
    with pytest.raises(SettingsError, match="seed must fit into 64 bits, found 1267650600228229401496703205376"):
        create(tmp_path / "run.h5", overwrite=True, seed=2**100)
    with pytest.raises(TypeError):
        create(tmp_path / "run.h5", overwrite=True, settings={"a": object()})
    with pytest.raises(ValueError, match=r"negative|size|dimension|shape"):
        create(tmp_path / "run.h5", overwrite=True, n_repeats=-1)
    assert (tmp_path / "run.h5").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]


def test_row_of_another_number_of_values_is_refused(tmp_path):
    with create(tmp_path / "run.h5") as store, pytest.raises(ValueError, match="reshape"):
        store.append(GENES, Evaluation((0.5, 0.5), id=0))


def test_search_with_other_fitness_weights_than_the_stores_is_refused(tmp_path):
    rng = random.Random(0)
    toolbox = make_toolbox(rng=rng)
    with create(tmp_path / "run.h5", weights=(1.0, -1.0)) as store, SerialExecutor() as executor:
        with pytest.raises(SettingsError, match=r"fitness weights \(1\.0, -1\.0\), the individuals have \(1\.0,\)"):
            eaAsync(toolbox.population(n=2), toolbox, executor, n_evaluations=2, store=store, rng=rng)
        with pytest.raises(SettingsError, match="seed 3, found seed 4"):
            eaAsync(toolbox.population(n=2), toolbox, executor, n_evaluations=2, store=store, rng=rng, seed=4)
        assert store.n_submitted == 0


FILLS = """
import resource, sys
from deap_nas.errors import StoreError
from deap_nas.executors import SerialExecutor
from tests.store import search
# stands for a full disk: files may not grow beyond it
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    search.run(sys.argv[1], 1500, SerialExecutor(), search.acknowledge)
except StoreError as error:
    print(error, file=sys.stderr)
"""


@pytest.mark.parametrize("n_bytes", [1_050_000, 1_300_000])
def test_full_disk_ends_the_search_and_its_file_goes_on(tmp_path, n_bytes):
    path = tmp_path / "run.h5"
    done = subprocess.run(
        [sys.executable, "-c", FILLS, str(path), str(n_bytes)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"{path} cannot grow ([Errno 27] File too large): it holds all")
    acknowledged = [int(line) for line in done.stdout.split()[1:]]
    assert 100 < len(acknowledged) < 1500
    with HDF5Store.read(path) as store:
        assert store.column("id").tolist() == acknowledged
    with SerialExecutor() as executor:
        search.run(path, 1500, executor)
    assert rows(path) == uninterrupted(tmp_path / "b.h5", 1500)


FAILS = """
import resource, sys
from pathlib import Path
from deap_nas.errors import StoreError
from deap_nas.store import HDF5Store
from tests.store.hdf5.test_population_file import create
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
for start in (HDF5Store.resume, lambda path: create(path, overwrite=True)):
    try:
        start(Path("run.h5"))
    except StoreError as error:
        print(error)
"""


def test_full_disk_refuses_to_begin_and_leaves_the_old_file_alone(tmp_path):
    with create(tmp_path / "run.h5") as store:
        append(store, 0)
    before = (tmp_path / "run.h5").read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", FAILS, "8000"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    line = "run.h5 cannot be written: File too large; make room or allow it, or choose another place; what was there"
    assert done.stdout == f"{line} before is as it was\n" * 2
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]
    assert (tmp_path / "run.h5").read_bytes() == before


def test_a_writer_keeps_few_chunks_of_a_column_however_many_it_has_written(tmp_path):
    """Each flush looks at all that are kept, so appends to a long run would take longer and longer."""
    path = tmp_path / "run.h5"
    create(path).close()
    with HDF5Store.resume(path) as store:
        for name in ("id", "genes", "scores", "finished"):
            column = store._file["individuals"][name]
            _, n_bytes, _ = column.id.get_access_plist().get_chunk_cache()
            chunk_bytes = column.dtype.itemsize * math.prod(column.chunks)
            assert n_bytes < 4 * chunk_bytes
