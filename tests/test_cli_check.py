import h5py
import pytest

from deap_nas import cli
from deap_nas.evaluators import SerialExecutor
from deap_nas.store import HDF5Store
from tests.store import search
from tests.store.test_soundness import change, write
from tests.toolboxes import gene_sum


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "run.h5")


def test_a_sound_file_is_one_line(path, capsys):
    assert cli.main(["check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path} is sound: 30 evaluated, 1 pending\n"


def test_each_kind_of_problem_is_one_line_and_the_exit_status_is_1(path, capsys):
    change(path, "individuals/flops", slice(8, 10), 1)
    change(path, "individuals/started", 7, 100.0)
    assert cli.main(["check", str(path), "--all"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "individuals that ended before they began (1): 7",
        "individuals that have other parameters or FLOPs than their network in the template (2): 8, 9",
    ]
    assert err == f"deap-nas: {path} has 2 kinds of problems\n"


def test_torn_rows_are_told_and_no_problem(path, capsys):
    with h5py.File(path, "r+") as file:
        for name in ("parent", "genes"):
            file["individuals"][name].resize(31, axis=0)
    assert cli.main(["check", str(path)]) == 0
    assert "1 torn rows at the end of individuals do not count" in capsys.readouterr().out


def test_a_row_that_a_search_is_writing_is_not_told(path, capsys):
    with HDF5Store.resume(path) as writer:
        writer._file["individuals/parent"].resize(31, axis=0)
        writer._file.flush()
        assert cli.main(["check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path} is sound: 30 evaluated, 1 pending\n"


def test_what_a_search_writes_is_sound_at_any_time(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(search, "troubled", gene_sum)  # that one calls what is a network none
    seen = []
    with SerialExecutor() as executor:
        search.run(
            tmp_path / "run.h5", 20, executor, lambda *_: seen.append(cli.main(["check", str(tmp_path / "run.h5")]))
        )
    assert seen == [0] * 20


def test_a_file_that_cannot_be_read_is_one_line(tmp_path, capsys):
    (tmp_path / "run.h5").write_bytes(b"no file")
    assert cli.main(["check", str(tmp_path / "run.h5")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
