"""Files whose operations or search space somebody else's module registers: with that module, and without it."""

import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from itertools import product

import h5py
import pytest

from deap_nas import ChainSpace, FlatSpace, Genotype, cli, load_genotype
from deap_nas.errors import SettingsError, UnknownNameError
from deap_nas.search_space.origins import explain, origins, origins_in_words
from deap_nas.store import HDF5Store
from deap_nas.template import template_from_dict
from tests.chain import PlainChain
from tests.launch import ROOT

OPERATIONS = """
from deap_nas import register_operation
from deap_nas.graph import conv_bn_relu

@register_operation("conv_9x9")
def conv_9x9(in_channels, channels):
    return conv_bn_relu(in_channels, channels, 9)
"""
SPACE = """
from tests.chain import PlainChain
from deap_nas.search_space import register_space

@register_space("plain chain")
class Mine(PlainChain):
    pass
"""
TEMPLATE = """
from dataclasses import dataclass
from deap_nas.template import WholeNetwork, register_template

@register_template("headless")
@dataclass(frozen=True)
class Headless(WholeNetwork):
    def to_dict(self):
        return {**super().to_dict(), "kind": "headless"}
"""
CHAIN = "ChainSpace(max_layers=3, operations=('conv', 'conv_9x9'))"
#: Writes a file with two individuals, of which the second has the size that the first has.
PROGRAM = """
import random, sys
from {module} import *
from deap_nas import ChainSpace, Evaluation, FlatSpace, Genotype, NetworkTemplate, cost, save_genotype
from deap_nas.evaluation import Job
from deap_nas.store import HDF5Store

space, path = {space}, sys.argv[1]
template = {template}
genes = Genotype(getattr(space, "up", [1, 0, 0, 0]))
size = cost(space, genes, template)
settings = {{"fitness": {{"template": template.to_dict()}}}}
with HDF5Store.create(path, space=space, settings=settings, seed=0) as store:
    for number in range(2):
        store.submit([Job(number, genes, 0)], random.Random(0).getstate())
        ended = Evaluation((0.5,), n_parameters=size.n_parameters, flops=size.flops, id=number)
        store.append(genes, ended)
save_genotype(path + ".json", space, genes, template)
"""


def make(folder, *, module, text, space, template="NetworkTemplate.small_cifar(channels=4)"):
    """Let a program write a population file; gives its path and that of the module."""
    (folder / "lib").mkdir()
    (folder / "lib" / f"{module}.py").write_text(text)
    (folder / "program.py").write_text(PROGRAM.format(module=module, space=space, template=template))
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{folder / 'lib'}"}
    subprocess.run([sys.executable, "program.py", "own.h5"], cwd=folder, env=environment, check=True)
    return folder / "own.h5", folder / "lib" / f"{module}.py"


@pytest.fixture(scope="module")
def operation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("operation")
    return make(folder, module="my_layers", text=OPERATIONS, space="FlatSpace(nodes=3, operations=('conv_9x9',))")


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    folder = tmp_path_factory.mktemp("space")
    return make(folder, module="my_space", text=SPACE, space="Mine(length=3)")


def check_named(done, name, module):
    """One line: a name is unknown, and where it came from."""
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith(f"deap-nas: unknown {name}; known: ")
    origin = f"when the file was made, it came from the module {module.stem} ({module}): "
    assert done.stderr.endswith(f"{origin}use --import {module.stem} or --import {module}\n")


def test_chains_of_ones_own_operation_do_without_it_and_say_where_it_came_from(tmp_path):
    path, module = make(tmp_path, module="my_layers", text=OPERATIONS, space=CHAIN)
    told = {command: deap_nas(command, path) for command in ("info", "table", "check")}
    assert [(name, done.stderr) for name, done in told.items() if done.returncode] == []
    assert "1 -> 2  conv_9x9" in told["info"].stdout
    assert deap_nas("draw", path).returncode == 0
    check_named(deap_nas("retrain", path), "operation 'conv_9x9'", module)


def test_a_template_of_ones_own_is_told_with_its_origin(tmp_path):
    path, module = make(tmp_path, module="my_heads", text=TEMPLATE, space="FlatSpace(nodes=3)", template="Headless()")
    told = {command: deap_nas(command, path) for command in ("info", "table", "check", "draw")}
    assert [(name, done.stderr) for name, done in told.items() if done.returncode] == []
    assert "unknown template 'headless'; known: " in told["check"].stdout
    assert f"--import {module}" in told["check"].stdout
    assert "sound, as far as it was looked at" in told["check"].stdout
    assert "is sound: 2 evaluated" in deap_nas("check", path, "--import", module).stdout
    with pytest.raises(UnknownNameError, match=rf"unknown template 'headless'.*--import {module}"):
        load_genotype(f"{path}.json")


def deap_nas(*arguments):
    """Run the command: in a process of its own where that imports something, so that this one goes on to lack it."""
    command = [*map(str, arguments)]
    if "--import" in command:
        command = [sys.executable, "-m", "deap_nas.cli", *command]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = cli.main(command)
    return subprocess.CompletedProcess(command, status, out.getvalue(), err.getvalue())


@pytest.mark.parametrize("which", ["operation", "space"])
def test_what_needs_no_network_does_without_the_module(which, request, tmp_path):
    path, module = request.getfixturevalue(which)
    told = {command: deap_nas(command, path) for command in ("info", "table", "check")}
    told["watch"] = deap_nas("watch", "--once", path)
    told["merge"] = deap_nas("merge", tmp_path / "merged.h5", path)
    assert [(name, done.stderr) for name, done in told.items() if done.returncode] == []
    assert f" of the module {module.stem} ({module})" in told["info"].stdout
    assert "conv_9x9" in told["info"].stdout if which == "operation" else "genes 3 3 3" in told["info"].stdout
    assert "--import" in told["check"].stdout
    assert "sound, as far as it was looked at" in told["check"].stdout
    with h5py.File(path) as one, h5py.File(tmp_path / "merged.h5") as other:
        assert one["individuals/genes"].dtype == other["individuals/genes"].dtype
        assert (one["individuals/genes"][:] == other["individuals/genes"][:]).all()
    assert str(module) in deap_nas("retrain", tmp_path / "merged.h5").stderr


def test_a_drawing_does_without_the_operation(operation, tmp_path):
    done = deap_nas("draw", operation[0], "--output", tmp_path / "cell.svg")
    assert done.returncode == 0, done.stderr
    assert "conv 9x9" in (tmp_path / "cell.svg").read_text()


@pytest.mark.parametrize(
    ("which", "command"),
    [*product(["operation", "space"], ["retrain", "replay", "export"]), ("space", "draw")],
)
def test_what_needs_the_module_says_where_it_came_from(which, command, request):
    path, module = request.getfixturevalue(which)
    done = deap_nas(command, path)
    name = {"operation": "operation 'conv_9x9'", "space": "search space 'plain chain'"}[which]
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"deap-nas: unknown {name}; known: ")
    assert done.stderr.endswith(
        f"when the file was made, it came from the module {module.stem} ({module}): "
        f"use --import {module.stem} or --import {module}\n"
    )


@pytest.mark.parametrize("which", ["operation", "space"])
def test_import_takes_the_path_of_a_file(which, request):
    path, module = request.getfixturevalue(which)
    done = deap_nas("check", path, "--import", module)
    assert (done.returncode, done.stdout) == (0, f"{path} is sound: 2 evaluated, 0 pending\n"), done.stderr


def test_a_genotype_file_says_where_its_names_came_from(operation):
    path, module = operation
    text = json.loads((path.parent / "own.h5.json").read_text())
    assert text["origins"]["operation"] == {"conv_9x9": {"module": "my_layers", "file": str(module)}}
    with pytest.raises(UnknownNameError, match=f"use --import my_layers or --import {module}"):
        load_genotype(path.parent / "own.h5.json")


def test_a_resume_says_where_the_names_came_from_and_leaves_the_file(operation):
    path, module = operation
    before = path.read_bytes()
    with pytest.raises(UnknownNameError, match=f"known: .*; import the module .*; when the file .*--import {module}"):
        HDF5Store.resume(path)
    assert path.read_bytes() == before


def test_a_file_never_imports_what_it_names(operation, tmp_path):
    path = operation[0]
    (tmp_path / "my_layers.py").write_text("raise SystemExit('imported by itself')")
    (tmp_path / "own.h5").write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "deap_nas.cli", "info", "own.h5"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nowhere_at_all\n", "No module named 'nowhere_at_all'"),
        ("x = 1\ny = 1 / 0\n", "ZeroDivisionError: division by zero .*broken.py, line 2"),
        ("def f(:\n", "SyntaxError: "),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(operation, tmp_path, text, message):
    (tmp_path / "broken.py").write_text(text)
    done = deap_nas("info", operation[0], "--import", tmp_path / "broken.py")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"deap-nas: --import {tmp_path / 'broken.py'}: ")
    assert re.search(message, done.stderr)


def test_a_path_that_is_not_there_is_one_line(operation, tmp_path):
    done = deap_nas("info", operation[0], "--import", tmp_path / "none.py")
    assert done.stderr == f"deap-nas: --import {tmp_path / 'none.py'}: {tmp_path / 'none.py'} is not there\n"


def test_an_imported_file_finds_what_lies_beside_it_and_is_imported_once(operation, tmp_path):
    path, module = operation
    (tmp_path / "beside.py").write_text(f"import sys; sys.path.append({str(module.parent)!r}); import my_layers")
    (tmp_path / "json.py").write_text("import beside")  # a name that another module has
    done = deap_nas("check", path, "--import", tmp_path / "json.py", "--import", module)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "record",
    [
        None,
        {},
        {"origins": 3},
        {"origins": {"operation": ["x"]}},
        {"origins": {"operation": {"x": None}}},
        {"origins": {"operation": {"x": {"module": 1, "file": []}}}},
    ],
)
def test_what_a_stranger_wrote_into_a_record_changes_no_error(record):
    error = UnknownNameError("operation", "x", ["y"])
    assert str(explain(error, [record])) == "unknown operation 'x'; known: y"
    assert origins_in_words("x", [record]) == []


def test_a_name_from_a_stranger_cannot_command_the_terminal():
    place = {"module": "a\x1b[2J; rm -rf ~", "file": "/b\n.py"}
    error = explain(UnknownNameError("operation", "x", "y"), [{"origins": {"operation": {"x": place}}}])
    assert str(error).isprintable()
    assert "--import 'a?[2J; rm -rf ~'" in str(error)


@pytest.mark.parametrize(
    ("file", "remedy"),
    [
        ("/home/me/search.py", "it came from the program /home/me/search.py: use --import /home/me/search.py"),
        ("", "it was defined in a notebook or an interactive session"),
    ],
)
def test_a_name_of_a_program_or_a_notebook_says_so(file, remedy):
    record = {"origins": {"operation": {"x": {"module": "__main__", "file": file}}}}
    error = UnknownNameError("operation", "x", "y")
    assert remedy in str(explain(error, [record]))
    assert str(explain(error, [record])).count(remedy) == 1  # said once, whoever else says it


def test_a_name_of_unknown_origin_is_told_with_import():
    for make in (lambda: ChainSpace(operations=("of_nobody",)), lambda: template_from_dict({"kind": "of_nobody"})):
        with pytest.raises(UnknownNameError, match=r"'of_nobody'; known: .*; import the module .* by --import"):
            make()


def test_only_names_from_outside_have_an_origin():
    assert {"identity", "hierarchical"}.isdisjoint(name for names in origins().values() for name in names)
    assert "chain of the tests" in origins()["search space"]


def test_a_file_of_a_space_that_is_not_registered_is_not_begun(tmp_path):
    with pytest.raises(SettingsError, match=r"PlainChain could not be read again: .*@register_space\('plain chain'\)"):
        HDF5Store.create(tmp_path / "run.h5", space=PlainChain(), settings={}, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_a_space_of_ones_own_is_read_where_its_class_is_not_known(space):
    with HDF5Store.read(space[0]) as store:
        assert (store.space.n_genes, store.space.to_dict()["kind"]) == (3, "plain chain")
        assert [record.genes for record in store] == [(3, 3, 3)] * 2
        with pytest.raises(UnknownNameError, match="unknown search space 'plain chain'"):
            store.space.lower(Genotype([0, 0, 0]))


def test_a_space_is_read_without_its_operations_only_where_asked_for():
    from deap_nas.search_space import space_from_dict

    fields = FlatSpace(nodes=3).to_dict() | {"operations": ["conv_of_nobody"]}
    assert space_from_dict(fields, unknown_operations=True).operations == ("conv_of_nobody",)
    for unknown in (fields, fields | {"operations": ["concat"]}):
        with pytest.raises(UnknownNameError):
            space_from_dict(unknown, unknown_operations="concat" in unknown["operations"])
