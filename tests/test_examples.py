"""The examples, run small as a user runs them; tests/test_hier_evo.py has the search of the paper."""

import ast
import os
import re
import signal
import subprocess
from importlib import import_module
from itertools import pairwise

import pytest

from deap_nas import canonical_key
from deap_nas.store import HDF5Store
from tests.launch import HEED_INTERRUPTS, HIER_EVO, ROOT, command, environment, run
from tests.store.hdf5.test_population_file import rows
from tests.test_hier_evo import wait_for_evaluations

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SHORT = ("--steps=3", "--seed=1")
SMALL = (*SHORT, "--batch-size=32", "--channels=2")


def example(name, *arguments, folder, n_ranks=None):
    """What an example prints, run in ``folder``."""
    done = run(ROOT / "examples" / f"{name}.py", *arguments, n_ranks=n_ranks, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(pattern, text):
    """The numbers that the groups of a pattern match, one row a match."""
    found = re.findall(pattern, text, re.MULTILINE)
    assert found, text
    rows = [row if isinstance(row, tuple) else (row,) for row in found]
    return [tuple(float(number.replace(",", "")) for number in row) for row in rows]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_says_how_to_run_it_and_is_in_the_gallery(path):
    text = ast.get_docstring(ast.parse(path.read_text()))
    assert f"python examples/{path.name}" in text
    assert f"## {path.name}" in (ROOT / "docs" / "gallery.md").read_text()
    assert f"`{path.name}`" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_imports_public_names_only(path):
    nodes = ast.walk(ast.parse(path.read_text()))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module.startswith("deap_nas")]
    for node in imports:
        assert {alias.name for alias in node.names} <= set(import_module(node.module).__all__)
        assert (ROOT / node.module.replace(".", "/")).is_dir() or node.module == "deap_nas.errors"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_short_example_is_short(path):
    assert path == HIER_EVO or len(path.read_text().splitlines()) <= 90


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_ranks_and_processes_at_once_are_refused_in_one_line(path, tmp_path):
    done = run(path, "--workers=2", n_ranks=2, cwd=tmp_path)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.count("n_workers is for runs without mpirun") == 1
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("chain", ("--dataset=mnist",), "unknown dataset 'mnist'"),
        ("custom_evaluator", ("--workers=-1",), "--workers must be at least 0, found -1"),
        ("custom_operation", ("--steps=0",), "--steps must be at least 1, found 0"),
        ("ea_mu_plus_lambda", ("--dataset=mnist",), "unknown dataset 'mnist'"),
        ("flat_constrained", ("--dataset=mnist",), "unknown dataset 'mnist'"),
        ("islands", ("--dataset=mnist",), "unknown dataset 'mnist'"),
        ("nsga2_accuracy_parameters", ("--dataset=mnist",), "unknown dataset 'mnist'"),
        ("random_search", ("--dataset=mnist",), "unknown dataset 'mnist'"),
        ("resume", ("--show", "--file=none.h5"), "none.h5 is not there"),
    ],
)
def test_a_short_example_ends_in_one_line_when_it_is_asked_for_what_cannot_be(name, arguments, message, tmp_path):
    done = run(ROOT / "examples" / f"{name}.py", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_random_search_over_ranks_has_no_parents_and_ends_where_it_ended(tmp_path):
    arguments = (*SMALL, "--repeats=1", "--evaluations=4")
    printed = example("random_search", *arguments, folder=tmp_path, n_ranks=3)
    assert "evaluated   4 (" in printed
    assert list((tmp_path / "runs").glob("random_search-id?.png"))
    with HDF5Store.read(tmp_path / "runs" / "random_search.h5") as store:
        assert store.column("parent").tolist() == [-1] * 4
        assert set(store.column("worker").tolist()) <= {1, 2}
    assert "evaluated   4 (" in example("random_search", *arguments, folder=tmp_path)


def test_chains_of_layers_grow_are_drawn_and_go_on(tmp_path):
    arguments = (*SMALL, "--population=3", "--layers=4")
    printed = example("chain", *arguments, "--evaluations=8", "--workers=2", folder=tmp_path)
    assert "evaluated   8 (8 OK)" in printed
    printed = example("chain", *arguments, "--evaluations=24", folder=tmp_path)
    assert "evaluated   24 (24 OK)" in printed
    assert "reuse       canonical_key" in printed
    *_, png, svg = printed.splitlines()
    assert (tmp_path / png).read_bytes()[:4] == b"\x89PNG"
    assert "/2" in (tmp_path / svg).read_text() or "_by2" not in printed
    with HDF5Store.read(tmp_path / "runs" / "chain.h5") as store:
        layers = [len(record.genes) // 4 for record in store]
        assert store.space.channels == (2, 4, 8)
        assert (store.column("reused") >= 0).any()
    assert layers[:3] == [1, 1, 1]
    assert 1 < max(layers) <= 4


def test_constrained_flat_genotypes_keep_within_the_limit(tmp_path):
    arguments = (*SMALL, "--repeats=1", "--population=3", "--evaluations=5", "--nodes=6")
    printed = example("flat_constrained", *arguments, folder=tmp_path)
    ((limit,),) = numbers(r"^limit: ([\d,]+) parameters", printed)
    assert 3000 < limit < 30000  # the hierarchical median at two channels
    printed = example("flat_constrained", *arguments, "--max-parameters=2500", folder=tmp_path)
    ((n_members, largest),) = numbers(r"^members: (\d+), the largest of ([\d,]+)", printed)
    assert n_members == 5
    assert 0 < largest <= 2500


@pytest.mark.parametrize("surrogate", ["gp", "forest"])
def test_what_a_surrogate_chose_is_new_a_child_of_the_best_and_chosen_again_after_a_resume(surrogate, tmp_path):
    chosen = (f"--surrogate={surrogate}", "--children=20")
    arguments = (*SMALL, "--repeats=1", "--population=4", "--first=4", *chosen)
    printed = example("preselection", *arguments, "--evaluations=9", folder=tmp_path)
    assert "evaluated   9 (" in printed
    again = (*arguments, "--output=again.h5")
    example("preselection", *again, "--evaluations=6", folder=tmp_path)
    example("preselection", "--resume=again.h5", "--evaluations=9", folder=tmp_path)
    assert rows(tmp_path / "again.h5") == rows(tmp_path / "runs" / "preselection.h5")
    with HDF5Store.read(tmp_path / "again.h5") as store:
        parents, values = store.column("parent").tolist(), store.column("fitness")[:, 0]
        networks = [canonical_key(store.space, record.genes) for record in store]
    assert len(set(networks[4:])) == 5
    assert not set(networks[4:]) & set(networks[:4])
    for number in range(4, 9):
        assert values[parents[number]] == values[:number].max()


def test_mu_plus_lambda_never_loses_its_best(tmp_path):
    arguments = (*SMALL, "--mu=3", "--lambda=3", "--generations=2", "--workers=2")
    printed = example("ea_mu_plus_lambda", *arguments, folder=tmp_path)
    rows = numbers(r"^(\d)\s+(\d+)\s+([\d.]+)\s+([\d.]+)\s*$", printed)
    assert [row[0] for row in rows] == [0, 1, 2]
    assert rows[0][1] == 3
    assert [row[2] for row in rows] == sorted(row[2] for row in rows)
    assert max(numbers(r"^accuracy ([\d.]+), ", printed))[0] == pytest.approx(rows[-1][2], abs=1e-4)


def test_nsga2_prints_and_draws_a_front_in_which_nobody_dominates(tmp_path):
    arguments = (*SMALL, "--population=4", "--evaluations=9", "--output=there/front.png")
    printed = example("nsga2_accuracy_parameters", *arguments, folder=tmp_path)
    front = numbers(r"^ *([\d.]+) +([\d,]+)$", printed)
    for one, other in pairwise(front):
        assert one[0] < other[0]
        assert one[1] < other[1]
    assert (tmp_path / "there" / "front.png").read_bytes()[:4] == b"\x89PNG"


def test_the_picture_of_nsga2_is_put_into_the_home_folder_and_replaced_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = tmp_path / "home" / "there" / "front.png"
    script = (
        "import nsga2_accuracy_parameters as nsga2; from pathlib import Path;"
        "nsga2.draw([(0.5, 10.0), (0.7, 30.0)], [(0.5, 10.0)], Path('~/there/front.png'))"
    )
    done = run("-c", script, cwd=ROOT / "examples")
    assert done.returncode == 0, done.stderr
    before = path.read_bytes()
    assert before[:4] == b"\x89PNG"
    broken = script.replace("import", "import matplotlib.figure; import", 1) + (
        "\nmatplotlib.figure.Figure.savefig = lambda self, path, **others: Path(path).write_text('half') and 1 / 0"
        "\nnsga2.draw([(0.5, 10.0), (0.7, 30.0)], [(0.5, 10.0)], Path('~/there/front.png'))"
    )
    done = run("-c", broken, cwd=ROOT / "examples")
    assert "ZeroDivisionError" in done.stderr
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_migrants_bring_the_best_of_an_island_to_the_next(tmp_path):
    arguments = (*SMALL, "--islands=3", "--population=2", "--generations=2", "--interval=1")
    printed = example("islands", *arguments, folder=tmp_path, n_ranks=3)
    rows = [row[1:] for row in numbers(r"^ +(\d)  ([\d.]+)  ([\d.]+)  ([\d.]+)$", printed)]
    assert len(rows) == 3
    for before, after in pairwise(rows):
        for island in range(3):
            assert after[island] >= before[island]
            assert after[island] >= before[island - 1]
    assert numbers(r"^best: accuracy ([\d.]+)", printed) == [(max(rows[-1]),)]


@pytest.mark.parametrize("n_processes", [0, 2])
def test_an_operation_of_ones_own_is_searched_and_drawn(tmp_path, n_processes):
    arguments = (*SHORT, "--population=2", "--evaluations=3", "--output=mine.png", f"--workers={n_processes}")
    printed = example("custom_operation", *arguments, folder=tmp_path)
    assert "dilated_conv_3x3" in printed
    assert (tmp_path / "mine.png").read_bytes()[:4] == b"\x89PNG"


def test_the_operation_of_ones_own_costs_what_its_module_has(tmp_path):
    script = (
        "import custom_operation as mine; layer = mine.DilatedDepthwise(5); import torch; module = layer.build();"
        "assert sum(weights.numel() for weights in module.parameters()) == layer.n_parameters;"
        "assert module(torch.zeros(1, 5, 8, 8)).shape == (1, 5, 8, 8)"
    )
    done = run("-c", script, cwd=ROOT / "examples")
    assert done.returncode == 0, done.stderr


def test_a_fitness_of_ones_own_needs_no_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('this test has no torch')\n")
    variables = environment() | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    arguments = ("--population=20", "--evaluations=60", "--workers=2", "--depth=8", "--parameters=60000")
    done = subprocess.run(
        command(ROOT / "examples" / "custom_evaluator.py", *arguments),
        env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    best = [row[0] for row in numbers(r"^\d+\s+20\s+\d+\s+([\d.]+)\s*$", done.stdout)]
    assert len(best) == 3
    assert best == sorted(best, reverse=True)
    ((depth, n_parameters),) = numbers(r"^best: depth (\d+), ([\d,]+) parameters", done.stdout)
    assert abs(depth - 8) / 8 <= best[-1] + 1e-3
    assert 60_000 / 4 < n_parameters < 60_000 * 4


def test_an_interrupted_search_goes_on_when_it_is_started_again(tmp_path):
    path = tmp_path / "run.h5"
    arguments = (*SHORT, "--population=3", f"--file={path}")
    search = [*HEED_INTERRUPTS, *command(ROOT / "examples" / "resume.py", *arguments, "--evaluations=400")]
    with subprocess.Popen(
        search, env=environment(), cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_for_evaluations(path, 2)
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert err.count(f"stopped: {path} holds all ") == 1
    ((before, sessions),) = numbers(r"^(\d+) evaluated in (\d+) sessions", example(
        "resume", f"--file={path}", "--show", folder=tmp_path
    ))  # fmt: skip
    assert 2 <= before < 400
    assert sessions == 1
    printed = example("resume", *arguments, f"--evaluations={before + 2:.0f}", folder=tmp_path)
    assert numbers(r"^(\d+) evaluated in (\d+) sessions", printed) == [(before + 2, 2)]
    fitness = [row[2] for row in numbers(r"^ +(\d+) +(-?\d+) +([\d.]+) .* OK$", printed)]
    assert fitness == sorted(fitness, reverse=True)
