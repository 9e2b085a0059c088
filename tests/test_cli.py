import json
import random
import subprocess
import sys

import h5py
import pytest

from deap_nas import cli
from deap_nas.evaluation import Evaluation, Job, Status
from deap_nas.executors import SerialExecutor
from deap_nas.genotype import Genotype
from deap_nas.store import HDF5Store
from tests.store import search
from tests.toolboxes import SPACE


@pytest.fixture(scope="module")
def run_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run.h5"
    with SerialExecutor() as executor:
        search.run(path, 30, executor)
    return path


def test_info_says_what_the_file_holds(run_file, capsys):
    assert cli.main(["info", str(run_file)]) == 0
    out = capsys.readouterr().out
    for part in (str(run_file), "evaluated   30 (", "NOT_VIABLE", "0 pending", "seed        5", "level 2, cell"):
        assert part in out


def test_info_as_json_names_the_best(run_file, capsys):
    assert cli.main(["info", "--json", str(run_file)]) == 0
    summary = json.loads(capsys.readouterr().out)
    with HDF5Store.read(run_file) as store:
        succeeded = [r for r in store.records() if r.evaluation.status == 0]
    best = max(record.evaluation.values[0] for record in succeeded)
    assert summary["best"]["fitness"] == [best]
    assert sum(summary["best"]["genes"]) == best
    assert sum(summary["statuses"].values()) == summary["n_evaluated"] == 30
    assert summary["settings"] == {"n_evaluations": 30}
    assert summary["sessions"][0]["packages"]["numpy"]


def make_file(path, *endings):
    """A population file with an individual for each (status, error)."""
    genes = Genotype([0] * SPACE.n_genes)
    with HDF5Store.create(path, space=SPACE, settings={}, seed=0) as store:
        for number, (status, error) in enumerate(endings):
            store.submit([Job(number, genes, 0)], random.Random(0).getstate())
            store.append(genes, Evaluation((0.5,), status, error=error, id=number))
    return str(path)


def test_info_tells_the_commonest_error_of_each_kind_of_failure(tmp_path, capsys):
    trace = "Traceback (most recent call last):\n  File 'x.py', line {}\nRuntimeError: no kernel\n"
    path = make_file(
        tmp_path / "run.h5",
        (Status.OK, ""),
        (Status.FAILED, "KeyError: 'x'"),
        (Status.FAILED, trace.format(1)),
        (Status.FAILED, trace.format(2)),
        (Status.NOT_VIABLE, "no path"),
        (Status.OUT_OF_MEMORY, "MemoryError"),
        (Status.LOST, ""),
        (Status.TIMED_OUT, "ended"),
        (Status.TIMED_OUT, "ended"),
    )
    assert cli.main(["info", path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[4:8] == [
        "FAILED      3 times, 2 of them: RuntimeError: no kernel",
        "LOST        1 time: no message",
        "OUT_OF_MEMORY 1 time: MemoryError",
        "TIMED_OUT   2 times: ended",
    ]
    assert cli.main(["info", "--json", path]) == 0
    assert json.loads(capsys.readouterr().out)["errors"] == {
        "FAILED": {"RuntimeError: no kernel": 2, "KeyError: 'x'": 1},
        "LOST": {"no message": 1},
        "OUT_OF_MEMORY": {"MemoryError": 1},
        "TIMED_OUT": {"ended": 2},
    }


def test_info_without_failures_tells_no_errors(tmp_path, capsys):
    path = make_file(tmp_path / "run.h5", (Status.OK, ""), (Status.NOT_VIABLE, "no path"))
    assert cli.main(["info", path]) == 0
    assert "no path" not in capsys.readouterr().out
    assert cli.main(["info", "--json", path]) == 0
    assert json.loads(capsys.readouterr().out)["errors"] == {}


def test_info_on_a_file_without_a_success(tmp_path, capsys):
    from tests.store.hdf5.test_population_file import create

    create(tmp_path / "run.h5").close()
    assert cli.main(["info", str(tmp_path / "run.h5")]) == 0
    assert "none: no evaluation has succeeded" in capsys.readouterr().out
    assert cli.main(["draw", str(tmp_path / "run.h5")]) == 1
    assert "no individual with a fitness; choose one with --id" in capsys.readouterr().err


def test_draw_makes_pictures_beside_the_file_or_where_told(run_file, tmp_path, capsys):
    assert cli.main(["draw", str(run_file), "--id", "4"]) == 0
    paths = capsys.readouterr().out.split()
    assert [path.rpartition("/")[2] for path in paths] == ["run-id4.png", "run-id4.svg"]
    with open(paths[0], "rb") as png, open(paths[1], encoding="utf-8") as svg:
        assert png.read(4) == b"\x89PNG"
        assert "individual 4" in svg.read()
    assert cli.main(["draw", str(run_file), "--output", str(tmp_path / "best.svg")]) == 0
    assert (tmp_path / "best.svg").stat().st_size > 1000


def test_unknown_individual_is_one_line(run_file, capsys):
    assert cli.main(["draw", str(run_file), "--id", "99"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "has no evaluated individual 99; ids reach from 0 to 29" in err


def test_bad_files_are_one_line_and_exit_1(tmp_path, capsys):
    (tmp_path / "text.h5").write_text("no file of ours")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    for name in ("text.h5", "other.h5", "missing.h5"):
        for command in ("info", "draw"):
            assert cli.main([command, str(tmp_path / name)]) == 1
            out, err = capsys.readouterr()
            assert out == ""
            assert err.startswith(f"deap-nas: {tmp_path / name} ")
            assert err.count("\n") == 1


def test_picture_of_an_unknown_format_is_one_line(run_file, tmp_path, capsys):
    assert cli.main(["draw", str(run_file), "--output", str(tmp_path / "x.xyz")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_ctrl_c_is_one_line_and_the_exit_status_of_a_signal(run_file, capsys, monkeypatch):
    def pressed(store):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "summarise", pressed)
    assert cli.main(["info", str(run_file)]) == 130
    assert capsys.readouterr() == ("", "deap-nas: stopped\n")


def test_command_is_installed_and_helps():
    done = subprocess.run([sys.executable, "-m", "deap_nas.cli", "--help"], capture_output=True, text=True, check=True)
    assert "info" in done.stdout
    assert "draw" in done.stdout


def test_output_into_a_closed_pipe_is_no_error(run_file):
    reader = f"{sys.executable} -m deap_nas.cli info {run_file} | head -1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {reader}"], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_file_with_operations_of_the_users_own_is_read_after_their_import(tmp_path, capsys, monkeypatch):
    (tmp_path / "my_operations.py").write_text(
        "from deap_nas import register_operation\n"
        "from deap_nas.graph import conv_bn_relu\n"
        "@register_operation('conv_9x9_of_the_cli_test')\n"
        "def conv_9x9(in_channels, channels):\n"
        "    return conv_bn_relu(in_channels, channels, 9)\n"
    )
    monkeypatch.chdir(tmp_path)
    make = (
        "import my_operations\n"
        "from deap_nas import FlatSpace\n"
        "from deap_nas.store import HDF5Store\n"
        "space = FlatSpace(operations=('conv_9x9_of_the_cli_test',))\n"
        "HDF5Store.create('own.h5', space=space, settings={}, seed=0).close()\n"
    )
    subprocess.run([sys.executable, "-c", make], check=True)
    assert cli.main(["retrain", "own.h5"]) == 1
    assert "unknown operation 'conv_9x9_of_the_cli_test'" in capsys.readouterr().err
    assert cli.main(["info", "own.h5", "--import", "nowhere"]) == 1
    assert "--import nowhere: No module named" in capsys.readouterr().err
    assert cli.main(["retrain", "own.h5", "--import", "my_operations"]) == 1
    assert "no individual with a fitness" in capsys.readouterr().err
