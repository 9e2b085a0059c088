"""Pages to keep: what stands in them, without a browser."""

import base64
import gzip
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from deap_nas import cli
from deap_nas.errors import SettingsError, StorageError, StoreError
from deap_nas.evaluation import Status
from deap_nas.facts.run_columns import RunColumns
from deap_nas.page import write_page
from deap_nas.page.content import shown_rows, spread_rows
from deap_nas.page.packing import array_of, compressed
from deap_nas.store import HDF5Store
from tests.page.runs import write_progressive, write_search

TYPES = {"Uint8Array": "u1", "Int32Array": "i4", "Float32Array": "f4", "Float64Array": "f8"}


def content_of(page):
    """What a page carries of its runs."""
    (letters,) = re.findall(r'<script type="application/octet-stream" id="content">([^<]*)</script>', page.read_text())
    return json.loads(gzip.decompress(base64.b64decode(letters)))


def numbers_of(packed):
    return np.frombuffer(base64.b64decode(packed["data"]), "<" + TYPES[packed["array"]])


@pytest.mark.parametrize("dtype", ["u1", "i4", "f4", "f8"])
def test_arrays_come_back_as_they_were(dtype):
    values = np.array([[0, 1], [2, 250]]).astype(dtype)
    assert numbers_of(array_of(values, dtype)).tolist() == [0, 1, 2, 250]


def test_content_is_compressed_alike_each_time_and_has_no_number_that_json_lacks():
    assert compressed({"a": 1}) == compressed({"a": 1})
    assert json.loads(gzip.decompress(base64.b64decode(compressed({"a": [1, "ä"]})))) == {"a": [1, "ä"]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        compressed([float("nan")])


def test_a_page_holds_all_rows_and_their_genotypes(tmp_path):
    page = tmp_path / "run.html"
    write_page([write_search(tmp_path / "run.h5")], page)
    (run,) = content_of(page)
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert numbers_of(run["rows"]["id"]).tolist() == store.column("id").tolist()
        assert numbers_of(run["rows"]["alive"]).tolist() == store.column("alive").tolist()
        ok = store.column("status") == 0
        fitness = numbers_of(run["rows"]["fitness"][0])
        assert fitness[ok].tolist() == store.column("fitness")[ok, 0].tolist()
        assert np.isnan(fitness[~ok]).all()
        assert run["genotypes"]["genes"] == store.column("genes").tolist()
    assert run["rows"]["errors"] == {"7": "Traceback\nRuntimeError: a bug", "11": "the worker died"}
    assert run["head"]["failures"] == [
        {"status": "FAILED", "text": "RuntimeError: a bug", "n": 1},
        {"status": "LOST", "text": "the worker died", "n": 1},
    ]
    assert run["drawing"].startswith("<svg")


def test_each_genotype_is_drawn_by_the_motifs_of_its_space(tmp_path):
    page = tmp_path / "run.html"
    write_page([write_search(tmp_path / "run.h5")], page)
    (run,) = content_of(page)
    fields = run["genotypes"]
    with HDF5Store.read(tmp_path / "run.h5") as store:
        for row, drawing in enumerate(fields["drawings"]):
            for number, motif in zip(
                drawing, store.space.motifs_of(store.space.decode(fields["genes"][row])), strict=True
            ):
                name, used, nodes, edges = fields["motifs"][number]
                assert (name, used, len(nodes)) == (motif.name, motif.used, motif.n_nodes)
                told = [edges[at : at + 4] for at in range(0, len(edges), 4)]
                wanted = [edge for edge in motif.edges if edge.label != "none"]
                assert [(a + 1, b + 1, fields["labels"][label][0], bool(used)) for a, b, label, used in told] == [
                    (edge.predecessor, edge.successor, edge.label, edge.used) for edge in wanted
                ]


def test_the_line_of_the_best_leads_from_the_first_population_to_it(tmp_path):
    page = tmp_path / "run.html"
    write_page([write_search(tmp_path / "run.h5")], page)
    (run,) = content_of(page)
    line = run["head"]["lineage"]
    assert line[-1]["id"] == run["head"]["best"]["id"]
    assert line[0]["changes"] == []
    assert all(len(step["changes"]) <= 1 for step in line)


def test_stages_of_a_progressive_search_are_told(tmp_path):
    page = tmp_path / "run.html"
    write_page([write_progressive(tmp_path / "run.h5")], page)
    (run,) = content_of(page)
    assert numbers_of(run["head"]["stages"]["level"]).tolist() == [1] * 4 + [2] * 4 + [3] * 4
    assert np.isnan(numbers_of(run["head"]["stages"]["predicted"])[:4]).all()
    assert [step["level"] for step in run["head"]["steps"]] == [1, 2, 3]
    assert run["head"]["steps"][0]["tau"] is None


def test_retrainings_beside_the_file_are_told_with_how_the_search_ranked_them(tmp_path):
    path = write_search(tmp_path / "run.h5")
    with HDF5Store.read(path) as store:
        fitness = store.column("fitness")[:, 0].tolist()
    results = {
        "run-id3-large-cifar": [0.5, 0.7],
        "run-id20-large-cifar": [0.8],
        "run-id25-small-cifar": [0.7],
        "run-id7-large-cifar": [0.9],  # has no fitness of its own
        "run-id300-large-cifar": [0.9],  # is not in the file
        "run2-id3-large-cifar": [0.1],  # of another run
    }
    for name, accuracies in results.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(json.dumps({"accuracies": accuracies}))
    for name, text in (("run-id4-broken", "{"), ("run-id5-odd", '{"accuracies": [1e999]}'), ("run-id6-none", "[]")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(text)
    write_page([path], tmp_path / "run.html")
    (run,) = content_of(tmp_path / "run.html")
    told = run["head"]["retrainings"]
    assert {one["folder"]: (one["id"], one["fitness"], one["accuracies"]) for one in told["networks"]} == {
        name: (number, fitness[number], results[name])
        for name, number in (("run-id3-large-cifar", 3), ("run-id20-large-cifar", 20), ("run-id25-small-cifar", 25))
    }
    assert fitness[3] < fitness[20] < fitness[25]
    assert told["tau"] == pytest.approx(1 / 3)


def test_of_a_fitness_that_is_minimised_the_smallest_is_ranked_highest(tmp_path):
    path = write_search(tmp_path / "run.h5", weights=(-1.0,))
    for number, accuracy in ((3, 0.9), (20, 0.1)):
        (tmp_path / f"run-id{number}-x").mkdir()
        (tmp_path / f"run-id{number}-x" / "result.json").write_text(f'{{"accuracies": [{accuracy}]}}')
    write_page([path], tmp_path / "run.html")
    assert content_of(tmp_path / "run.html")[0]["head"]["retrainings"]["tau"] == 1


def test_of_a_long_error_the_end_is_told(tmp_path):
    failures = {7: (Status.FAILED, "begin" + 3000 * "x" + "the end")}
    write_page([write_search(tmp_path / "run.h5", 10, failures=failures)], tmp_path / "run.html")
    text = content_of(tmp_path / "run.html")[0]["rows"]["errors"]["7"]
    assert text.endswith("the end")
    assert len(text) == 2000


def test_of_many_the_fittest_the_living_and_others_evenly_spread_are_drawn(tmp_path):
    with HDF5Store.read(write_search(tmp_path / "run.h5", 40)) as store:
        columns = RunColumns.of(store)
    everyone = replace(columns, alive=np.arange(40) < 4)
    rows = shown_rows(everyone, most=16)
    fittest = set(np.argsort(-np.nan_to_num(columns.score))[:8].tolist())
    assert fittest | {0, 1, 2, 3, 13, 26, 39} == set(rows)
    assert rows == sorted(rows)
    assert shown_rows(everyone, most=40) == list(range(40))
    assert spread_rows(everyone, most=4) == [0, 13, 26, 39]


def test_the_policy_lets_the_scripts_of_the_page_run_and_nothing_else(tmp_path):
    page = tmp_path / "run.html"
    write_page([write_search(tmp_path / "run.h5")], page)
    html = page.read_text()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    rules = dict(rule.split(" ", 1) for rule in policy.replace("&#39;", "'").split("; "))
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    hashes = {
        "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'" for script in scripts
    }
    assert set(rules["script-src"].split()) == hashes
    assert rules["default-src"] == rules["connect-src"] == rules["base-uri"] == "'none'"
    assert "unsafe-eval" not in policy
    markup = re.sub(r"<script.*?</script>|<style.*?</style>", "", html, flags=re.DOTALL)
    places = re.findall(r"""\s(?:src|href|action|srcset)\s*=\s*["']?([^"'\s>]*)""", markup)
    assert places, "there are links"
    assert all(place.startswith("#") for place in places), "nothing is loaded from elsewhere"


def test_the_same_files_give_the_same_page(tmp_path):
    path = write_search(tmp_path / "run.h5")
    pages = []
    for number in range(2):
        script = f"from deap_nas.page import write_page; write_page(['{path}'], '{tmp_path}/{number}.html')"
        subprocess.run([sys.executable, "-c", script], check=True)
        pages.append(content_of(tmp_path / f"{number}.html"))
    assert pages[0] == pages[1]


def test_a_page_that_cannot_be_made_leaves_the_old_one(tmp_path):
    page = tmp_path / "run.html"
    page.write_text("old")
    with pytest.raises(SettingsError, match=r"ends with .html, found .*run.txt"):
        write_page([tmp_path / "run.h5"], tmp_path / "run.txt")
    with pytest.raises(SettingsError, match="shows one population file or more, found none"):
        write_page([], page)
    with pytest.raises(StoreError):
        write_page([tmp_path / "none.h5"], page)
    assert page.read_text() == "old"
    with pytest.raises(StorageError):
        write_page([write_search(tmp_path / "run.h5")], tmp_path / "none" / "run.html")


def test_the_command_makes_a_page_beside_the_first_file(tmp_path, capsys):
    files = [write_search(tmp_path / f"{seed}.h5", 12, seed=seed) for seed in range(2)]
    assert cli.main(["report", *map(str, files)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / '0.html'}\n"
    assert [run["head"]["name"] for run in content_of(tmp_path / "0.html")] == ["0.h5", "1.h5"]
    assert cli.main(["report", str(files[0]), "--output", str(tmp_path / "x.pdf")]) == 1
    assert "ends with .html" in capsys.readouterr().err


def test_a_file_without_success_or_without_rows_has_a_page(tmp_path):
    nothing = dict.fromkeys(range(5), (Status.FAILED, "a bug"))
    write_page(
        [write_search(tmp_path / "a.h5", 5, failures=nothing), write_search(tmp_path / "b.h5", 0)], tmp_path / "a.html"
    )
    failed, empty = content_of(tmp_path / "a.html")
    assert failed["head"]["best"] is empty["head"]["best"] is None
    assert failed["drawing"] is None
