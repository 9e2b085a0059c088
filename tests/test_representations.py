"""The benchmark of representations: what it reads off population files, what it says of seeds, and the whole, small."""

import random
import re
import shutil
import subprocess
import time
from types import SimpleNamespace

import numpy as np
import pytest

from deap_nas import Evaluation, Genotype, Status
from deap_nas.evaluation import Job
from deap_nas.genotype import plain_genotype
from deap_nas.store import HDF5Store, find_problems
from deap_nas.strategies import END
from tests.launch import ROOT, command, environment, run
from tests.toolboxes import SPACE

BENCHMARKS = ROOT / "benchmarks"
SCRIPT = BENCHMARKS / "representations.py"


@pytest.fixture(autouse=True)
def _beside_the_scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def write_search(folder, row, ends, *, seed=0):
    """A population file with these (accuracy or None, compute, seconds), in the order in which they ended."""
    path = row.file(folder, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    genes = Genotype(SPACE.sample())
    with HDF5Store.create(path, space=SPACE, settings={}, seed=seed, weights=(1.0,)) as store:
        for number, (accuracy, compute, seconds) in enumerate(ends):
            store.submit([Job(number, genes, seed=0)], random.getstate())
            status = Status.FAILED if accuracy is None else Status.OK
            values = (0.0,) if accuracy is None else (accuracy,)
            spent = {"compute": compute, "started": 10.0, "finished": 10.0 + seconds}
            store.append(genes, Evaluation(values, status, id=number, **spent))


def test_a_budget_pays_for_the_evaluations_that_ended_within_it(tmp_path):
    from searches import Row, Search

    row = Row("flat")
    write_search(tmp_path, row, [(0.2, 100.0, 36.0), (None, 0.0, 36.0), (0.6, 300.0, 72.0), (0.5, 100.0, 36.0)])
    search = Search(tmp_path, row, 0)
    assert search.totals == {"evaluations": 4, "flops": 500.0, "hours": pytest.approx(0.05)}
    assert [search.n_within("evaluations", n) for n in (0, 1, 4, 9)] == [0, 1, 4, 4]
    assert [search.n_within("flops", n) for n in (99, 100, 399, 400, 500)] == [0, 2, 2, 3, 4]
    assert [search.n_within("hours", n) for n in (0.0099, 0.0101, 0.0401, 1)] == [0, 1, 3, 4]
    assert search.chosen("evaluations", 0) is None
    assert [search.chosen("evaluations", n).evaluation.id for n in (1, 2, 3, 4)] == [0, 0, 2, 2]
    np.testing.assert_equal(search.best_at("flops", [0, 100, 399, 400, 1e9]), [np.nan, 0.2, 0.2, 0.6, 0.6])
    assert [record.evaluation.id for record in search.bests()] == [0, 2]


def test_what_has_only_failed_has_found_nothing(tmp_path):
    from searches import Row, Search

    write_search(tmp_path, Row("flat"), [(None, 0.0, 1.0)] * 2)
    search = Search(tmp_path, Row("flat"), 0)
    assert search.chosen("evaluations", 2) is None
    assert np.isnan(search.best_at("evaluations", [2]))[0]
    assert search.bests() == []


def test_budgets_that_were_not_said_are_the_most_that_all_have_spent(tmp_path):
    from searches import Row, Search, common_budgets

    rows = Row("flat"), Row("flat", is_random=True)
    for row, seconds in zip(rows, (36.0, 72.0), strict=True):
        write_search(tmp_path, row, [(0.5, 10.0 * seconds, seconds)] * 3)
    searches = [Search(tmp_path, row, 0) for row in rows]
    assert searches[0].row.file("out", 3) != searches[1].row.file("out", 3)
    found = common_budgets(searches, {"evaluations": 2, "flops": None, "hours": None})
    assert found == {"evaluations": 2, "flops": 1080.0, "hours": pytest.approx(0.03)}


class Counting:
    """A strategy that proposes numbers."""

    def __init__(self):
        self.n_proposed, self.updates = 0, []

    def generate(self):
        self.n_proposed += 1
        return self.n_proposed

    def update(self, individual):
        self.updates.append(individual)

    def getstate(self):
        return {"n_proposed": self.n_proposed}


def test_a_strategy_ends_when_all_that_was_said_is_spent():
    from deap import base
    from spending import Spending

    inner = Counting()
    spending = Spending(inner, {"evaluations": 2, "flops": 300.0, "hours": None})
    toolbox = base.Toolbox()
    spending.register(toolbox)
    for number, compute in enumerate((200.0, -1.0, 50.0, 60.0), start=1):
        assert toolbox.generate() == number
        individual = SimpleNamespace(evaluation=Evaluation((0.5,), compute=compute, started=0.0, finished=9.0))
        toolbox.update(individual)
    assert spending.totals == {"evaluations": 4, "flops": 310.0, "hours": pytest.approx(0.01)}
    assert toolbox.generate() is END
    assert (inner.n_proposed, len(inner.updates), spending.share) == (4, 4, 1)
    assert toolbox.getstate() == {"n_proposed": 4}
    assert not hasattr(toolbox, "remove")


def test_seeds_and_differences_are_those_of_the_t_test():
    from power import least_difference, pooled_deviation, power_of, seeds_needed

    # Cohen 1988, "Statistical power analysis for the behavioral sciences", table 2.4.1: d = 1, 0.8 and 0.5
    assert [seeds_needed(1.0, deviation) for deviation in (1.0, 1.25, 2.0)] == [17, 26, 64]
    assert power_of(17, 1.0, 1.0) > 0.8 > power_of(16, 1.0, 1.0)
    assert power_of(20, 0.0, 1.0) == pytest.approx(0.05)
    for n_seeds in (2, 4, 300):
        assert power_of(n_seeds, least_difference(n_seeds, 2.0), 2.0) == pytest.approx(0.8, abs=1e-6)
    assert pooled_deviation([[1, 3], [10, 12, 14], [7]]) == pytest.approx(np.sqrt((2 + 8) / 3))


def test_only_what_differs_by_more_than_chance_is_told_apart():
    from power import told_apart

    rng = np.random.default_rng(0)
    samples = {name: mean + rng.normal(0, 1, 8) for name, mean in (("low", 50), ("high", 55), ("as low", 50.2))}
    found = told_apart(samples)
    assert {(better, worse) for better, worse, *_ in found} == {("high", "low"), ("high", "as low")}
    assert all(3 < difference < 7 and p < 0.05 for _, _, difference, p in found)
    assert [difference for _, _, difference, _ in found] == sorted((pair[2] for pair in found), reverse=True)


def test_the_table_tells_mean_deviation_and_standard_error():
    from representation_table import Found, difference_lines, table_lines

    seeds = [Found(10, share, (share - 0.1,), None, 1000, 10**6) for share in (0.4, 0.44, 0.48)]
    found = {"flat": seeds, "DNA": [Found(10, 0.3, (), 0.29, 20, 2000)], "chain": []}
    _, _, flat, dna, chain = table_lines("equal evaluations: 10", found)
    assert re.split("  +", flat) == ["flat", "10", "44.0 +- 4.0 (2.3)", "34.0 +- 4.0 (2.3)", "-", "1,000", "1.0e+06"]
    assert re.split("  +", dna) == ["DNA", "10", "30.0", "-", "29.0", "20", "2.0e+03"]
    assert "nothing was found" in chain
    assert list(difference_lines(found)) == ["one seed, or one row, tells nothing apart"]
    better = [Found(10, 0.6 + one.validation, (), None, 1, 1) for one in seeds]
    lines = list(difference_lines({"flat": seeds, "better": better}))
    assert "4.00 percent points" in lines[0]
    assert re.search(r"takes 253 seeds of each; these 3 find one of 12\.3", lines[1])
    assert lines[-1].split()[:5] == ["better", ">", "flat", "by", "60.0"]


@pytest.mark.parametrize("name", ["hierarchical", "flat", "DNA", "chain"])
def test_named_mutations_are_those_that_the_search_draws_from(name):
    from compared import REPRESENTATIONS

    representation, counts = REPRESENTATIONS[name], {}
    rng = random.Random(0)
    individual = representation.random(representation.individual, representation.space, rng=rng)
    for _ in range(400):
        kind, individual = representation.mutate_named(individual, representation.space, rng=rng)
        counts[kind] = counts.get(kind, 0) + 1
        representation.space.validate(plain_genotype(individual))
    assert sum(counts.values()) == 400
    expected = {
        "hierarchical": {f"level {n}: edge {what}" for n in (2, 3) for what in ("added", "removed", "relabelled")},
        "flat": {f"edge {what}" for what in ("added", "removed", "relabelled")},
        "DNA": {"identity", "add-skip", "filter-size", "reset-weights"},
        "chain": {"layer inserted", "layer removed", "window altered", "operation altered", "the same gene"},
    }
    assert counts.keys() >= expected[name]


TINY = (
    "--evaluations=4", "--population=2", "--steps=3", "--test-steps=3", "--batch-size=32", "--channels=2",
    "--max-flops=600000", "--device=cpu", "--seeds=2",
)  # fmt: skip
ROWS = ("hierarchical", "flat", "flat, limited", "DNA, inherited weights", "DNA", "chain")


def test_the_benchmark_prints_three_budgets_draws_both_figures_and_goes_on_where_it_was(tmp_path):
    done = run(SCRIPT, *TINY, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    blocks = re.split(r"^equal (.*?): ", done.stdout, flags=re.MULTILINE)[1:]
    assert blocks[::2] == ["evaluations", "floating-point operations", "hours of work"]
    labels = {label for row in ROWS for label in (row, f"{row}, random")}
    for block in blocks[1::2]:
        assert labels == {re.split("  +", line)[0] for line in block.splitlines()} & labels
    row = r"^([\w, ]+?) +(\d+) +(\d+\.\d) \+- \d+\.\d \(\d+\.\d\) +\d+\.\d \+- .*? +[\d,]+ +\d\.\de\+\d+$"
    found = {name: int(n) for name, n, _ in re.findall(row, blocks[1], re.MULTILINE)}
    assert found == dict.fromkeys(labels, 4)
    assert len(re.findall(r"^DNA, inherited weights.*(?:\+-.*){3}", blocks[1], re.MULTILINE)) == 2
    for name in ("curves.png", "populations.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
    files = {path: path.read_bytes() for path in tmp_path.rglob("seed*/*.h5")}
    assert len(files) == 2 * 12
    for seed in range(2):  # what is not needed any more
        shutil.rmtree(tmp_path / f"seed{seed}" / "DNA-inherited-weights-weights")
        shutil.rmtree(tmp_path / f"seed{seed}" / "DNA-inherited-weights-weights-of-bests")
    again = run(SCRIPT, *TINY, "--output", tmp_path)
    assert again.stdout == done.stdout
    assert {path: path.read_bytes() for path in files} == files


def test_a_benchmark_that_is_killed_goes_on_as_if_it_had_not_been(tmp_path):
    settings = (
        "--representations", "chain", "DNA, inherited weights", "--evaluations=25", "--population=4", "--steps=3",
        "--test-steps=3", "--batch-size=32", "--max-flops=100000", "--device=cpu", "--seeds=1",
    )  # fmt: skip
    whole = run(SCRIPT, *settings, "--output", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    parts, rng = tmp_path / "parts", random.Random(0)
    for _ in range(4):
        options = {"env": environment(), "cwd": ROOT, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command(SCRIPT, *settings, "--output", parts), **options) as process:
            while not list(parts.glob("seed0/*.h5")) and process.poll() is None:
                time.sleep(0.05)
            time.sleep(rng.uniform(1, 3))
            process.kill()
    done = run(SCRIPT, *settings, "--output", parts)
    assert done.returncode == 0, done.stderr
    files = sorted(path.relative_to(parts) for path in parts.glob("seed0/*.h5"))
    assert len(files) == 4
    for file in files:
        with HDF5Store.read(parts / file) as store, HDF5Store.read(tmp_path / "whole" / file) as other:
            assert find_problems(store) == []
            assert store.records() == other.records()
    for file in (tmp_path / "whole").glob("seed0/*-inherited.json"):
        assert (parts / "seed0" / file.name).read_text() == file.read_text()


MINE = """
import sys
sys.path.insert(0, {benchmarks!r})
from compared import REPRESENTATIONS, Representation
from representations import arguments, compare
import deap_nas
from deap_nas.command_line import run

REPRESENTATIONS["mine"] = Representation(deap_nas.ChainSpace(max_layers=2), deap_nas.initChain, deap_nas.mutChain)

if __name__ == "__main__":
    run(compare, arguments)
"""


def test_a_representation_of_ones_own_takes_a_dozen_lines(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(MINE.format(benchmarks=str(BENCHMARKS)))
    own = ("--representations", "mine", "chain", "--output", tmp_path / "out")
    done = run(script, *TINY, *own, n_ranks=3)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^mine(?:, random)? ", done.stdout, re.MULTILINE)) == 6
    with HDF5Store.read(tmp_path / "out" / "seed1" / "mine.h5") as store:
        assert {len(record.genes) for record in store} <= {4, 8}
        assert store.n_evaluated >= 4
    assert list((tmp_path / "out" / "seed0" / "mine").glob("id*/result.json"))
