import random
import sys

import h5py
import pytest

from deap_nas import ChainSpace, FlatSpace, Genotype, NetworkTemplate, cli, cost, register_operation
from deap_nas.evaluation import Evaluation, Job
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store
from tests import lying
from tests.store import search
from tests.store.test_checking import change, write
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


def write_with_operation(path, operation):
    """A file whose only individual has the operation on its only edge."""
    space, template = FlatSpace(nodes=2, operations=(operation,)), NetworkTemplate.small_cifar(channels=4)
    size = cost(space, [1], template)
    with HDF5Store.create(path, space=space, settings={"fitness": {"template": template.to_dict()}}, seed=0) as store:
        store.submit([Job(0, Genotype([1]), 0)], random.Random(0).getstate())
        store.append([1], Evaluation((0.5,), n_parameters=size.n_parameters, flops=size.flops, id=0))


@pytest.mark.parametrize("kind", [lying.WithBias, lying.Shrinking, lying.Free])
def test_an_operation_that_is_wrong_about_itself_is_told_where_all_is_looked_at(tmp_path, capsys, kind):
    path, name = tmp_path / "run.h5", f"{kind.__name__} of the check"
    register_operation(name)(lambda in_channels, channels: (kind(in_channels),))
    write_with_operation(path, name)
    assert cli.main(["check", str(path)]) == 0
    capsys.readouterr()
    assert cli.main(["check", str(path), "--all"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"operation {name!r} has the layer {kind.__name__}(channels=16), which says ")
    assert out.count("\n") == 1
    assert err == f"deap-nas: {path} has one kind of problems\n"


def test_an_operation_that_cannot_be_built_for_all_channels_is_told_and_no_problem(tmp_path, capsys):
    @register_operation("for four channels")
    def for_four(in_channels, channels):
        if in_channels % 3 == 0:
            raise ValueError("no multiple of three")
        return (lying.Dilated(in_channels),)

    write_with_operation(tmp_path / "run.h5", "for four channels")
    assert cli.main(["check", str(tmp_path / "run.h5"), "--all"]) == 0
    out = capsys.readouterr().out
    assert "was not compared with its module: it has no layers for 48 channels: ValueError: no multiple" in out
    assert "is sound: 1 evaluated" in out


@pytest.mark.parametrize("numbers", [{"channels": (10**9,)}, {"kernel_sizes": (10**9 + 1,)}])
def test_layers_that_would_take_all_memory_are_not_built(tmp_path, capsys, numbers):
    space = ChainSpace(operations=("conv",), **numbers)
    with HDF5Store.create(tmp_path / "run.h5", space=space, settings={}, seed=0) as store:
        store.submit([Job(0, Genotype([0] * 4), 0)], random.Random(0).getstate())
        store.append([0] * 4, Evaluation((0.5,), id=0))
    assert cli.main(["check", str(tmp_path / "run.h5"), "--all"]) == 0
    out = capsys.readouterr().out
    assert "was not compared with its module: its layer Conv2d(" in out
    assert "parameters, too many to be built\n" in out


def test_without_torch_everything_else_is_looked_at(path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("deap_nas.assembly")]:
        monkeypatch.delitem(sys.modules, name)
    assert cli.main(["check", str(path), "--all"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("the operations were not compared with their modules: torch is not installed; ")
    assert out.endswith(f"{path} is sound: 30 evaluated, 1 pending\n")
