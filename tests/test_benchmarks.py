"""The benchmarks, on the smallest scale at which they print what they are for."""

import itertools
import json
import random
import re

import numpy as np
import pytest

import deap_nas
from deap_nas.evaluation import Evaluation, Job
from deap_nas.store import open_run
from deap_nas.training import AccuracyFitness, Recipe
from tests.launch import ROOT, run

BENCHMARKS = ROOT / "benchmarks"


def test_genotypes_prints_times_and_statistics_of_both_representations():
    done = run(BENCHMARKS / "genotypes.py", "--samples=25")
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^(hierarchical, 46|flat, 55) genes, 25 random genotypes$", done.stdout, re.MULTILINE)) == 2
    assert len(re.findall(r"mutations that change nothing +\d+\.\d\d%", done.stdout)) == 2
    for place in ("ranked population", "list"):
        found = re.findall(rf"^  tournament in a {place} +(\d+\.\d) ", done.stdout, re.MULTILINE)
        assert len(found) == 2
        assert all(float(microseconds) > 0 for microseconds in found)


def test_store_prints_each_bar_beside_what_it_measured():
    sizes = ("--rows=3000", "--ragged-rows=500", "--appends=50", "--session=400", "--kills=2")
    done = run(BENCHMARKS / "store.py", *sizes)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"  (?:met|MISSED)", done.stdout)) == 18
    assert re.search(r"^2 of 2 kills lose nothing +2  met$", done.stdout, re.MULTILINE)
    assert re.search(r"^in the file, at most 1 KB a row +\d+ B  met$", done.stdout, re.MULTILINE)


def test_surrogates_prints_what_scoring_takes_beside_its_bars_and_what_a_fit_takes():
    done = run(BENCHMARKS / "surrogates.py", "--survivors=1", "--networks", "2", "5", "--rounds=1", "--share=0.01")
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^  (m[ai]cro), \w+ .* ([\d,]+) +(?:20|78) +\d+\.\d\d   (.*)$", done.stdout, re.MULTILINE)
    assert [(name, n_candidates) for name, n_candidates, _ in found] == [
        ("micro", "2,304"),
        ("macro", "12,288"),
        ("micro", "1,600"),
        ("macro", "6,144"),
    ]
    assert [rest[:6].split()[:2] for *_, rest in found[:2]] == [["5", "met"], ["30", "met"]]
    assert all(float(rest.split()[-1]) < 1e-5 for *_, rest in found), "scores are those of the plain LSTM"
    fits = re.findall(r"^  m[ai]cro, (?:20|78) tokens +(\d+\.\d\d) +(\d+\.\d\d)$", done.stdout, re.MULTILINE)
    assert len(fits) == 2


def test_sample_efficiency_prints_what_each_search_has_found_and_goes_on_where_it_was(tmp_path):
    searches = ("--searches", "random search", "evolution, nobody removed", "Gaussian process", "forest")
    sizes = ("--evaluations=14", "--workers", "1", "3", "--found=found.jsonl", "--output=picture.png")
    for seeds in ("--seeds=1", "--seeds=2"):
        done = run(BENCHMARKS / "sample_efficiency.py", *searches, *sizes, seeds, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    rows = re.findall(
        r"^(random search|evolution.*|Gaussian process|forest) +(-?\d\.\d{3}) \+-", done.stdout, re.MULTILINE
    )
    assert len(rows) == 8
    assert len(re.findall("what evolution, nobody removed has after 14 evaluations, the Gaussian", done.stdout)) == 2
    found = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert len({tuple(key) for *key, _, _ in found}) == len(found) == 16
    assert all(values == sorted(values) and len(values) == 14 for *_, values, _ in found)
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_virtual_workers_end_in_the_order_of_their_clock(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from virtual_workers import VirtualWorkers

    channel = VirtualWorkers(3, random.Random(0)).open_channel(str)
    ends = []
    for number in range(30):
        channel.submit(number)
        if number >= 2:
            ((argument, end),) = channel.wait()
            assert end.result() == str(argument)
            ends.append(argument)
    assert sorted(ends)[:20] == list(range(20))
    assert ends != sorted(ends)


def test_preselection_prints_the_share_of_ideal_scheduling_with_and_without_a_surrogate():
    done = run(BENCHMARKS / "preselection.py", "--workers=2", "--evaluations=4", "--rounds=1")
    assert done.returncode == 0, done.stderr
    rows = re.findall(
        r"^ +2 workers  (cells of 4 nodes|hierarchical) +(none|Gaussian process|forest) +(\d\.\d+)",
        done.stdout,
        re.MULTILINE,
    )
    assert len(rows) == 6
    assert all(0 < float(share) <= 1 for *_, share in rows)


def test_scale_prints_utilisation_and_load_for_each_number_of_workers():
    done = run(BENCHMARKS / "scale.py", "--workers", "5", "50", "--evaluations-each=3", "--members=400", "--store")
    assert done.returncode == 0, done.stderr
    rows = re.findall(
        r"^ +(\d+) +(\d+)  (?:log-normal|heavy tail) +(\d\.\d+) +(\d\.\d+) +(\d\.\d+) +(\d+) ",
        done.stdout,
        re.MULTILINE,
    )
    assert [(int(n_workers), int(n)) for n_workers, n, *_ in rows] == [
        (n_workers, n) for n_workers, n in ((5, 15), (50, 150), (50, 400)) for _ in range(2)
    ]
    for _, _, utilisation, load, signs, each in rows:
        assert 0.9 < float(utilisation) <= 1
        assert 0 <= float(signs) < 1 > float(load)
        assert int(each) > 0


def test_waiting_prints_what_waiting_ranks_take_from_those_that_compute():
    done = run(BENCHMARKS / "waiting.py", "--waiting=2", "--computing=1", "--seconds=0.2", "--rounds=1")
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"   (?:met|NOT MET)$", done.stdout, re.MULTILINE)) == 8
    rows = re.findall(r"^  (nobody waits|ours|blocking receive) +(\d+\.\d+) \(", done.stdout, re.MULTILINE)
    assert [name for name, _ in rows] == ["nobody waits", "ours", "blocking receive"] * 2
    assert all(float(seconds) > 0.01 for _, seconds in rows)


def test_evaluator_prints_what_each_contender_takes_with_the_bars_beside_it():
    done = run(
        BENCHMARKS / "evaluator.py", "--only=throughput", "--workers=3", "--rounds=1", "--evaluations=60"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^ +3 workers +(\w+) +([\d,]+) \(", done.stdout, re.MULTILINE)
    assert [name for name, _ in rows][:4] == ["plain", "sleeping", "ours", "futures"]
    assert all(int(rate.replace(",", "")) > 0 for _, rate in rows)
    bars = ("CPU / plain loop", "CPU / mpi4py.futures", "rate / mpi4py.futures")
    assert all(len(re.findall(rf"{bar} .* bar .= .*met", done.stdout, re.IGNORECASE)) == 1 for bar in bars)


def test_controller_prints_its_cost_by_how_often_it_gives_its_core_away():
    done = run(BENCHMARKS / "controller.py", "--evaluations=48", "--rounds=1", "--others=1")
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^(\d+) +(\d+\.\d) \(.*?\) +(\d+\.\d) \(", done.stdout, re.MULTILINE)
    assert [int(n_at_once) for n_at_once, *_ in rows] == [16, 8, 4, 2, 1]
    assert all(float(alone) > 0 < float(beside) for _, alone, beside in rows)


def test_networks_prints_each_ratio_beside_its_bar():
    done = run(BENCHMARKS / "networks.py", "--samples=1", "--rounds=1", "--batch-size=2", "--channels=2")
    assert done.returncode == 0, done.stderr
    for what in ("step, naive / network", "saved for backward, network / naive", "construction / cost()"):
        found = re.findall(
            rf"^  {re.escape(what)} +(\d+\.\d\d) +\d+\.\d\d +\d+\.\d\d +at (?:least|most) ", done.stdout, re.MULTILINE
        )
        assert len(found) == 2
        assert all(float(ratio) > 0 for ratio in found)
    least = r"^  step, naive channels-last / network .* at least 1\.1, in each 0\.95$"
    assert len(re.findall(least, done.stdout, re.MULTILINE)) == 2
    assert len(re.findall(r"one by one \d+\.\d\d, foreach \d+\.\d\d, fused \d+\.\d\d$", done.stdout, re.MULTILINE)) == 2


def test_segments_prints_a_ratio_for_each_size_of_the_batch():
    done = run(BENCHMARKS / "segments.py", "--samples=2", "--rounds=1", "--batch-sizes", "1", "3")
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^(?:hierarchical|flat), 2 of \d+ concatenations", done.stdout, re.MULTILINE)) == 2
    rows = re.findall(r"^ +(\d+) +(\d+\.\d\d) +(\d+\.\d\d) +(\d+\.\d\d)$", done.stdout, re.MULTILINE)
    assert [int(n_images) for n_images, *_ in rows] == [1, 3] * 2
    assert all(0 < float(least) <= float(median) <= float(most) for _, median, least, most in rows)


def test_switches_prints_the_time_of_each_beside_the_plain_step():
    done = run(
        BENCHMARKS / "switches.py", "--samples=1", "--rounds=1", "--steps=1", "--batch-size=2", "--channels=2",
        "--repeats=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in ("plain", "bfloat16", "float16", "stacked"):
        found = re.findall(rf"^  {name} +(\d+\.\d{{3}}) +\d+\.\d\d ", done.stdout, re.MULTILINE)
        assert len(found) == 2
        assert all(float(seconds) > 0 for seconds in found)


@pytest.fixture
def table(tmp_path):
    """A table in the form of NAS-Bench-201, whose accuracy is the share of 3x3 convolutions."""
    ops = np.array(list(itertools.product(range(5), repeat=6)), dtype=np.int8)
    accuracy = (10 + 14 * (ops == 3).sum(axis=1)).astype(np.float32)
    names = ("cifar10_val_acc_12", *(f"{name}_test_acc_200" for name in ("cifar10", "cifar100", "imagenet16")))
    path = tmp_path / "table.npz"
    np.savez(path, ops=ops, isomorph_of=np.arange(len(ops)), **dict.fromkeys(names, accuracy))
    return path


def test_nasbench201_prints_what_each_strategy_has_found_and_draws_it(table, tmp_path):
    picture = tmp_path / "found.png"
    done = run(BENCHMARKS / "nasbench201.py", "--table", table, "--seeds=2", "--evaluations=60", "--output", picture)
    assert done.returncode == 0, done.stderr
    assert "15,625 cells, 15,625 classes in the table, 5,260 canonical keys" in done.stdout
    found = {
        name: float(re.search(rf"^{name} .* (\d+\.\d+) \+- \d+\.\d+ \(", done.stdout, re.MULTILINE)[1])
        for name in ("random search", "regularised evolution", "evolution, nobody removed")
    }
    assert all(52 <= accuracy <= 94 for accuracy in found.values())
    assert found["regularised evolution"] > found["random search"]
    assert picture.read_bytes()[:4] == b"\x89PNG"


def shares_of(numbers):
    """Shares of all outcomes, one after the other, of the numbers that ``operators.py`` has written of a kind."""
    return [outcome["share"] for outcome in numbers["percent"].values()]


def test_operators_prints_what_mutations_do_without_a_training(table, tmp_path):
    sizes = ("--synthetic=40", "--fitnesses=1", "--evaluations=60")
    done = run(BENCHMARKS / "operators.py", *sizes, "--table", table, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "all cells: 15,284 cells, 366,816 children; " in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if " | " in line) <= 150
    numbers = json.loads((tmp_path / "operators.json").read_text(encoding="utf-8"))
    assert list(numbers["synthetic"]) == ["hierarchical", "flat", "flat, limited", "DNA", "chain"]
    for found in (*numbers["synthetic"].values(), *numbers["nasbench201"].values()):
        kinds = found["kinds"]
        assert sum(kind["children"] for kind in kinds.values()) == 2 * kinds["all"]["children"]
        assert all(sum(shares_of(kind)) == pytest.approx(100) for kind in kinds.values())
    for name in ("hierarchical", "flat"):
        assert numbers["synthetic"][name]["kinds"]["the same label"]["percent"]["neutral"]["share"] == 100
    cells = numbers["nasbench201"]["all cells"]["kinds"]["edge relabelled"]  # each change there and back
    assert cells["percent"]["worse"] == cells["percent"]["better"]
    for part in ("synthetic", "nasbench201"):
        for picture in ("operators", "parameters"):
            assert (tmp_path / f"{picture}-{part}.png").read_bytes()[:4] == b"\x89PNG"


def leave_population(path, space, members):
    """Write a population file as a search would; nothing is trained."""
    fitness = AccuracyFitness(space, recipe=Recipe(steps=2, batch_size=32), repeats=1, device="cpu", n_images=100)
    with open_run(path, space=space, settings={"fitness": fitness.to_dict()}, seed=0, n_repeats=1) as store:
        for number, genes in enumerate(members):
            store.submit([Job(number, genes, number)], random.Random(0).getstate())
            store.append(genes, Evaluation((0.5,), scores=(0.5,), id=number))


def test_operators_trains_parents_and_children_and_goes_on_where_it_was(tmp_path):
    rng, linear, chain = random.Random(0), deap_nas.DNA(), deap_nas.ChainSpace(max_layers=2, channels=(2, 4))
    leave_population(tmp_path / "seed0" / "DNA.h5", deap_nas.DNASpace(), [linear, linear])
    leave_population(tmp_path / "seed1" / "DNA.h5", deap_nas.DNASpace(), [linear])
    leave_population(tmp_path / "seed0" / "chain.h5", chain, [chain.sample(rng=rng) for _ in range(3)])
    options = ("--synthetic=0", "--children=8", "--representations", "DNA", "chain", "--device=cpu")
    folders = ("--searches", tmp_path, "--output", tmp_path / "found")
    first = run(BENCHMARKS / "operators.py", *options, *folders)
    assert first.returncode == 0, first.stderr
    row = r"^all +8 +\d+ \d+-\d+ "
    assert len(re.findall(row, first.stdout, re.MULTILINE)) == 2
    found = json.loads((tmp_path / "found" / "operators.json").read_text(encoding="utf-8"))["trainings"]
    for each in found.values():
        assert sum(shares_of(each["kinds"]["all"])) == pytest.approx(100)
        assert each["kinds"]["all"]["compared"] > 0
    assert found["DNA"]["kinds"]["insert-convolution"]["factor"]["0.5"] > 1
    trainings = tmp_path / "found" / "trainings.jsonl"
    kept = trainings.read_bytes()
    assert run(BENCHMARKS / "operators.py", *options, *folders).stdout == first.stdout
    assert trainings.read_bytes() == kept


TINY_TABLE = (
    "--population=2", "--evaluations=3", "--tournament=0.5", "--channels=2", "--steps=3", "--repeats=1",
    "--large-channels=2", "--large-cells=1", "--large-steps=3", "--runs=2", "--batch-size=32", "--device=cpu",
)  # fmt: skip


def test_table1_prints_its_eight_rows_draws_both_figures_and_goes_on_where_it_was(tmp_path):
    first = run(BENCHMARKS / "table1.py", *TINY_TABLE, "--output", tmp_path / "table1")
    assert first.returncode == 0, first.stderr
    rows = re.findall(r"^(?:flat|hierarchical) .*\d+\.\d\d \+- \d+\.\d\d .*$", first.stdout, re.MULTILINE)
    assert len(rows) == 8
    for name in ("figure3.png", "figure4.png"):
        assert (tmp_path / "table1" / name).read_bytes()[:4] == b"\x89PNG"
    files = {path: path.read_bytes() for path in tmp_path.rglob("run0.safetensors")}
    assert len(files) >= 2 * 4
    again = run(BENCHMARKS / "table1.py", *TINY_TABLE, "--output", tmp_path / "table1")
    assert again.stdout == first.stdout
    assert {path: path.read_bytes() for path in files} == files


def test_inheritance_prints_the_difference_over_pairs_and_both_searches():
    done = run(
        BENCHMARKS / "inheritance.py", "--population=2", "--evaluations=6", "--tournament=0.5", "--images=300",
        "--channels=2", "--steps=3", "--batch-size=32", "--device=cpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    n_pairs = int(re.search(r"^(\d+) children, each from its parent's weights and from", done.stdout, re.MULTILINE)[1])
    assert 1 <= n_pairs <= 4
    counts = re.findall(r"^    after \d+ before .* (\d+) of the children$", done.stdout, re.MULTILINE)
    assert sum(map(int, counts)) == n_pairs
    share = float(re.search(r"parameters inherited +(\d+\.\d)% of a child's", done.stdout)[1])
    assert 10 < share <= 100
    assert len(re.findall(r"^  (?:inheriting|anew) +best 0\.\d{4}, median", done.stdout, re.MULTILINE)) == 2


def test_curves_prints_what_each_rule_would_have_stopped_and_what_curves_foretell(tmp_path):
    search = ["--population=6", "--evaluations=6", "--repeats=1", "--steps=20", "--batch-size=32", "--images=300"]
    rungs = [f"{number}/10" for number in range(1, 10)]
    path = tmp_path / "run.h5"
    options = [*search, "--channels=2", "--stopping=bound", "--whole=99", f"--output={path}", "--rungs", *rungs]
    done = run(ROOT / "examples" / "hier_evo.py", *options)
    assert done.returncode == 0, done.stderr
    done = run(BENCHMARKS / "curves.py", path, "--orders=4", "--whole=2")
    assert done.returncode == 0, done.stderr
    share, number = r" +(\d+\.\d)%", r" +(-?\d\.\d+|nan)"
    rules = re.findall(
        rf"^(none|halving|bound|extrapolation)\b.*?{share}{share} +(?:\d+\.\d%|-){share}{number}{number}$",
        done.stdout,
        re.MULTILINE,
    )
    assert [rule[0] for rule in rules] == ["none", *["halving"] * 2, *["bound"] * 3, *["extrapolation"] * 6]
    assert rules[0][1:] == ("0.0", "0.0", "0.0", "0.0000", "1.00")
    for _, saved, stopped, *_ in rules:
        assert 0 <= float(saved) <= float(stopped) * 0.9  # the first rung comes after a tenth of the steps
    shares = re.findall(r"^ *(\d)0%(?: +(?:-?\d\.\d{3}|nan)){5} +\d+\.\d%$", done.stdout, re.M)
    assert shares == list("123456789")
    assert re.search(r"^\d+\.\d\d ms a decision$", done.stdout, re.M)


def test_fidelity_prints_a_row_for_each_estimate_and_each_rule():
    done = run(
        BENCHMARKS / "fidelity.py", "--samples=4", "--steps=4", "--channels=2", "--batch-size=32", "--images=300"
    )
    assert done.returncode == 0, done.stderr
    number = r" +(?:-?\d\.\d\d|nan) \+- +(?:\d\.\d\d|nan)"
    rows = re.findall(rf"^(.+?){number}{number} +(\d+\.\d)% +0\.\d{{4}}$", done.stdout, re.MULTILINE)
    assert len(rows) == 6
    shares = {name.strip(): float(share) for name, share in rows}
    assert 0 < shares["quarter steps, half height and width"] < shares["the same with other seeds"]
    rules = re.findall(
        r"^(?:successive halving|bound on the curve).* (\d+\.\d)% +\d+\.\d% +\d+\.\d%$", done.stdout, re.M
    )
    assert len(rules) == 2
    assert all(10 < float(share) <= 100 for share in rules)


def test_large_scale_prints_a_row_for_each_search_and_draws_them(tmp_path):
    sizes = ("--population=3", "--evaluations=7", "--steps=4", "--batch-size=32", "--max-flops=100000", "--device=cpu")
    for _ in range(2):  # the second time there is nothing left to search
        done = run(BENCHMARKS / "large_scale.py", *sizes, "--output", tmp_path)
        assert done.returncode == 0, done.stderr
        row = r"^(evolution|no inheritance|no selection) +7  +(\d+\.\d) %  +(\d+\.\d) %  +\d+\.\d %  +\d+ "
        found = re.findall(row, done.stdout, re.MULTILINE)
        assert [name for name, *_ in found] == ["evolution", "no inheritance", "no selection"]
        assert all(float(best) >= float(first) for _, first, best in found)
    for name in ("figure2.png", "evolution-lineage.png", "no-selection-lineage.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"


def test_overhead_prints_what_an_evaluation_takes_besides_its_steps_with_the_bar():
    done = run(BENCHMARKS / "overhead.py", "--members", "0", "5", "--evaluations=4", "--steps=3", "--layers=2")
    assert done.returncode == 0, done.stderr
    row = r"^(linear|mid-size) +(\d+) +(\d+\.\d) +\d+\.\d +(met|MISSED)? +(\d+\.\d)(?: +-?\d+\.\d){7} +(\d+)$"
    found = re.findall(row, done.stdout, re.MULTILINE)
    assert [(name, members) for name, members, *_ in found] == [
        ("linear", "0"), ("linear", "5"), ("mid-size", "0"), ("mid-size", "5"),
    ]  # fmt: skip
    assert all(float(besides) > float(validation) > 0 for _, _, besides, _, validation, _ in found)
    assert [int(n_files) <= 7 for *_, n_files in found] == [True] * 4


def test_dna_prints_the_time_of_each_mutation_and_of_cost_and_key_beside_their_bars():
    done = run(BENCHMARKS / "dna.py", "--samples=6", "--edges", "3", "6")
    assert done.returncode == 0, done.stderr
    row = r"^  ([\w-]+) +(\d+\.\d) +\d+\.\d +\d+\.\d +(\d+\.\d)  (?:met|MISSED)$"
    found = re.findall(row, done.stdout, re.MULTILINE)
    assert len(found) == 2 * (2 + 12)
    assert {name for name, *_ in found} >= {"cost", "canonical_key", "mutLargeScale", "add-skip", "reset-weights"}
    assert all(float(microseconds) > 0 and float(ratio) > 1 for _, microseconds, ratio in found)


def test_reach_prints_a_row_for_each_target_and_representation_and_draws_them(tmp_path):
    sizes = ("--starts=2", "--mutations=120", "--samples=6", "--seed=1")
    done = run(BENCHMARKS / "reach.py", *sizes, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = re.findall(
        r"^(\w+) +(\d) of 2 \(\d+% to \d+%\) +(?:\d+|> 120) +(\d+|> 120) +(?:\d+|> 120) +(0\.\d{3}) +(0\.\d{3}) "
        r"+(0\.\d{3}) +\d+\.\d%   (is there|none: .+)$",
        done.stdout, re.MULTILINE,
    )  # fmt: skip
    assert [name for name, *_ in rows] == ["hierarchical", "flat", "DNA", "chain"] * 3
    assert [said[:4] for *_, said in rows].count("none") == 3
    for _, n_arrived, median, first, end, least, said in rows:
        assert float(first) >= float(end) >= float(least)
        assert (float(least) == 0) == (n_arrived != "0") == (median != "> 120")
        assert n_arrived == "0" or said == "is there"
    assert len(re.findall(r"^\w+ +\d+ +\d+\.\d% +\d+\.\d%(?: +0\.\d{3}){5}$", done.stdout, re.MULTILINE)) == 4
    numbers = json.loads((tmp_path / "reach.json").read_text())
    assert [len(each["chain"]) for each in numbers["climbs"].values()] == [2, 2, 2]
    assert (tmp_path / "reach.png").read_bytes()[:4] == b"\x89PNG"


EPNAS_SEARCHES = ("EPNAS", "EPNAS, down to 0.2", "PNAS, the K best", "uniform draws", "random search")


def test_epnas_compares_searches_on_the_table_and_on_images_and_goes_on_where_it_was(table, tmp_path):
    sizes = (
        "--table", table, "--table-seeds=2", "--k=2", "--iterations=2", "--epochs=0.05", "--alone-epochs=0.1",
        "--batch-size=32", "--channels=2", "--one-shot=2", "--ranked=3", "--device=cpu", "--output", tmp_path,
    )  # fmt: skip
    done = run(BENCHMARKS / "epnas.py", *sizes)
    assert done.returncode == 0, done.stderr
    part, _, images = done.stdout.partition("digits, MacroSpace")
    rows = re.findall(r"^([\w, .]+?) +(\d+)  +(\d+\.\d+) \+- \d+\.\d+  +(\d+\.\d+) \+- .*$", part, re.MULTILINE)
    assert [name for name, *_ in rows] == list(EPNAS_SEARCHES)
    assert {int(n_trainings) for _, n_trainings, *_ in rows} == {5 + 5 * 25}
    assert all(float(best) + float(regret) == pytest.approx(94, abs=0.02) for _, _, best, regret in rows)
    greedy, uniform = (float(rows[EPNAS_SEARCHES.index(name)][2]) for name in ("PNAS, the K best", "uniform draws"))
    assert greedy > uniform  # the share of 3x3 convolutions is easily learnt
    row = r"^(shared|fresh) +([\w, .]+?) +12  +\d+\.\d \+- \d+\.\d  +\d+\.\d \+- \d+\.\d +\d\.\de\+\d+ "
    assert re.findall(row, images, re.MULTILINE) == [
        (weights, name) for weights in ("shared", "fresh") for name in EPNAS_SEARCHES
    ]
    assert len(re.findall(r"^(?:alone|one-shot|surrogate).*? (?:-?\d\.\d\d|nan) ", done.stdout, re.MULTILINE)) == 6
    assert (tmp_path / "figure6.png").read_bytes()[:4] == b"\x89PNG"
    files = {path: path.read_bytes() for path in tmp_path.rglob("*.safetensors")}
    again = run(BENCHMARKS / "epnas.py", *sizes)
    assert again.stdout == done.stdout
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.safetensors")} == files


def test_page_prints_what_making_and_opening_a_page_takes():
    done = run(BENCHMARKS / "page.py", "--rows=300", "--looks=1", "--seconds=1")
    assert done.returncode == 0, done.stderr
    for what, unit in (("made in", "s"), ("size", "MB")):
        (number,) = re.findall(rf"^  {what} +(\d+\.\d\d) {unit}$", done.stdout, re.MULTILINE)
        assert float(number) > 0
    has_browser = "no browser" not in done.stdout
    assert (
        len(re.findall(r"^  (?:first plot|whole page) after +\d+\.\d\d s$", done.stdout, re.MULTILINE))
        == 2 * has_browser
    )
