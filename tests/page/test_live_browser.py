"""Pages that live, in a real browser: what a search finds appears without a reload, and what was chosen stays so."""

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import pytest

from deap_nas.page import live_runs
from deap_nas.store import HDF5Store
from tests.launch import ROOT, environment
from tests.page.runs import write_search
from tests.page.serving import served
from tests.page.test_server import HOSTILE, go_on

#: The number of individuals that the table and the first plot show.
N_SHOWN = """() => {
  const rows = Bokeh.documents[0].get_model_by_name("rows").data.fitness.length;
  const told = document.querySelector("#individuals [role=status]").textContent.match(/of ([\\d,]+)/)[1];
  return [rows, Number(told.replace(",", ""))];
}"""


@contextmanager
def search(path, n_evaluations, seconds=0.1):
    """A search in a process of its own, which is killed at the end of the block."""
    command = [sys.executable, "-m", "tests.page.searching", str(path), str(n_evaluations), str(seconds)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment())
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for_rows(path, n_rows):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists():
            with HDF5Store.read(path) as store:
                if store.n_evaluated >= n_rows:
                    return
        time.sleep(0.1)
    raise AssertionError(f"{path} has no {n_rows} rows yet")


def wait_until_shown(page, n_rows):
    """Wait until table and plots show so many individuals."""
    page.wait_for_function(f"() => ({N_SHOWN})().every((n) => n >= {n_rows})", timeout=60_000)


def mark(page):
    """What a reload would wipe out."""
    page.evaluate("() => { window.isSame = true; }")


def is_same(page):
    return page.evaluate("() => window.isSame === true")


@pytest.fixture
def path(tmp_path):
    return write_search(tmp_path / "run.h5")


def test_what_a_running_search_finds_appears_and_goes_on_after_a_kill_and_a_resume(tmp_path, open_page, keep_picture):
    path = tmp_path / "run.h5"
    with ExitStack() as stack:
        process = stack.enter_context(search(path, 500))
        wait_for_rows(path, 6)
        page = open_page(stack.enter_context(served(path)).url)
        mark(page)
        page.click("#table th button:has-text('id')")
        page.click("#table tbody tr:nth-child(1) td button")
        wait_until_shown(page, max(page.evaluate(N_SHOWN)) + 3)
        header = page.locator("#runs")
        assert re.search(r"run.h5 is running: \d+ of 500 evaluations, 1 running, about .* left", header.inner_text())
        assert page.locator("#table tr.open td").first.inner_text() == "0", "the choice stays"
        assert page.locator("#individual h2").inner_text() == "Individual 0"
        assert page.locator("#individual svg.motif").count(), "its genotype has been asked for and drawn"
        assert page.locator("#plot-by-evaluations > *").count()
        keep_picture(page, "live")
        process.kill()
        process.wait()
        header.filter(has_text="is not running: ").wait_for()
        n_rows = max(page.evaluate(N_SHOWN))
        stack.enter_context(search(path, 500))
        wait_until_shown(page, n_rows + 2)
        assert "is running" in header.inner_text()
        assert page.locator("#table tr.open td").first.inner_text() == "0"
        assert page.locator("#message").inner_text() == ""
        assert is_same(page)


def test_a_run_that_began_without_a_row_gets_its_plots(tmp_path, open_page):
    path = write_search(tmp_path / "run.h5", 0)
    with served(path) as asker:
        page = open_page(asker.url)
        mark(page)
        assert "Nothing yet" in page.locator("#found").inner_text()
        assert page.locator("#parameters-figure").is_hidden()
        path.unlink()
        write_search(path, 12)
        wait_until_shown(page, 12)
        page.locator("#plot-parameters > *").first.wait_for()
        assert page.locator("#found svg").count() == 1
        assert is_same(page)


def test_the_panel_follows_its_individual_and_what_is_unfolded_stays_so(path, tmp_path, open_page):
    other = write_search(tmp_path / "other.h5", 10, seed=3)
    with served(path, other) as asker:
        page = open_page(asker.url)
        page.fill("#search", "other.h5")
        row = page.locator("#table tbody tr").first
        number, name = row.locator("td").nth(0).inner_text(), row.locator("td").nth(1).inner_text()
        row.locator("button").click()
        panel = page.locator("#individual")
        panel.locator("svg.motif").first.wait_for()
        page.locator("#facts summary").first.click()
        with HDF5Store.read(other) as store:
            parent = int(store.column("id")[-1])
        page.evaluate("() => { document.querySelector('#individual svg').dataset.isSame = 'yes'; }")
        go_on(path, 3)
        go_on(other, 1)
        wait_until_shown(page, 44)
        assert panel.locator("h2").inner_text() == f"Individual {number} of {name}"
        assert panel.locator("svg[data-is-same]").count() == 1, "nothing was drawn anew"
        opened = page.locator("#table tr.open td")
        assert [opened.nth(0).inner_text(), opened.nth(1).inner_text()] == [number, name]
        assert page.locator("#facts details[open]").count() == 1
        page.fill("#search", "")
        page.keyboard.press("Escape")
        page.fill("#search", str(parent))
        page.locator("#table tbody tr", has_text="other.h5").locator("button").click()
        assert "1 child" in panel.inner_text()


def test_the_table_is_searched_by_operations_that_the_page_asks_for(path, open_page):
    with HDF5Store.read(path) as store:
        genotypes = [store.space.motifs_of(store.space.decode(row)) for row in store.column("genes")]
    used = [{edge.label for motif in motifs for edge in motif.edges if edge.used} for motifs in genotypes]
    expected = {number for number, labels in enumerate(used) if any("max_pool" in label for label in labels)}
    with served(path) as asker:
        page = open_page(asker.url)
        with page.expect_response("**/genotypes?**"):
            page.fill("#search", "max_pool")
        words = f"{len(expected)} individuals of 30"
        page.locator("#individuals [role=status]").filter(has_text=words).wait_for()
        assert 0 < len(expected) < 30
        found = page.locator("#table tbody td:first-child").all_inner_texts()
        assert {int(text) for text in found} == expected


def test_another_run_in_the_place_of_the_file_is_shown_and_nothing_of_the_old_one(path, open_page):
    with served(path) as asker:
        page = open_page(asker.url)
        mark(page)
        page.click("#table tbody tr:nth-child(1) td button")
        path.unlink()
        write_search(path, 50, seed=9)
        wait_until_shown(page, 50)
        assert page.locator("#individual").is_hidden()
        assert page.locator("#table tr.open").count() == 0
        assert is_same(page)
        path.unlink()
        write_search(path, 8, seed=10)
        page.wait_for_function(f"() => ({N_SHOWN})().every((n) => n === 8)", timeout=30_000)


def test_a_run_with_other_objectives_makes_the_page_anew(path, open_page):
    with served(path) as asker:
        page = open_page(asker.url)
        mark(page)
        path.unlink()
        write_search(path, 9, settings={"fitness": {"objectives": ["accuracy", "size"]}}, weights=(1.0, -1.0))
        page.locator("#plot-front-0-1 > *").first.wait_for()
        assert not is_same(page)


def test_a_file_that_is_away_for_a_moment_is_told_and_comes_back(path, tmp_path, open_page, monkeypatch):
    monkeypatch.setattr(live_runs, "_SECONDS_TO_RETRY", 0.5)
    with served(path) as asker:
        page = open_page(asker.url)
        mark(page)
        path.rename(tmp_path / "away")
        message = page.locator("#message[role=status]")
        message.filter(has_text="run.h5 is not there").wait_for()
        assert page.locator("#table tbody tr").count() == 30
        (tmp_path / "away").rename(path)
        go_on(path, 1)
        wait_until_shown(page, 31)
        assert message.inner_text() == ""
        assert is_same(page)


def test_a_server_that_is_away_for_a_moment_is_told_and_comes_back(path, browser):
    context = browser.new_context()
    page = context.new_page()
    with served(path) as asker:
        page.goto(asker.url)
        page.wait_for_selector("html[data-ready=yes]")
        mark(page)
        port = asker.address.port
    page.locator("#message").filter(has_text="the server does not answer").wait_for()
    page.click("#table tbody tr:nth-child(1) td button")
    assert "This page carries no drawing of it" in page.locator("#individual").inner_text()
    go_on(path, 1)
    with served(path, port=port):
        wait_until_shown(page, 31)
        assert page.locator("#message").inner_text() == ""
        assert is_same(page)
        context.close()


def test_a_page_with_a_token_is_opened_once_with_it_and_then_without(path, open_page):
    with served(path, token="secret-token") as asker:
        page = open_page(asker.url)
        assert page.url == asker.url.partition("?")[0]
        go_on(path, 1)
        wait_until_shown(page, 31)
        page.reload()
        page.wait_for_selector("html[data-ready=yes]")
        assert page.evaluate("() => document.cookie") == ""


def test_a_folder_is_a_list_that_lives_and_leads_to_pages(tmp_path, open_page, keep_picture):
    for name in ("a.h5", "b.h5"):
        write_search(tmp_path / name, 5, seed=len(name))
    (tmp_path / "broken.h5").write_bytes(b"x")
    with served(tmp_path) as asker:
        page = open_page(asker.url)
        mark(page)
        assert page.locator("#list tbody tr").count() == 3
        assert page.locator("#list input").count() == 2
        assert "is no population file" in page.locator("#list").inner_text()
        assert page.locator("#open").is_disabled()
        page.check("#list input[value='a.h5']")
        page.focus("#list input[value='a.h5']")
        shutil.copy(tmp_path / "a.h5", tmp_path / HOSTILE)
        go_on(tmp_path / "a.h5", 2)
        page.locator("#list tr", has_text="a.h5").filter(has_text="7").wait_for()
        page.locator("#list tbody tr").nth(3).wait_for()
        keep_picture(page, "list")
        assert page.locator("#list input:checked").evaluate_all("(ticks) => ticks.map((tick) => tick.value)") == [
            "a.h5"
        ]
        assert page.locator("#list input[value='a.h5']:focus").count() == 1
        assert page.locator("#list img").count() == 0
        assert is_same(page)
        page.check("#list input[value='b.h5']")
        page.click("#open")
        page.wait_for_selector("html[data-ready=yes] #runs")
        assert page.locator("#found table tbody tr").count() == 2
        go_on(tmp_path / "b.h5", 1)
        wait_until_shown(page, 13)
        page.click("text=All runs of the folder")
        page.click(f"#list a:has-text('{HOSTILE[:6]}')")
        page.wait_for_selector("html[data-ready=yes] #runs")
        assert page.locator("h1").inner_text() == HOSTILE
        assert page.locator("#runs .run").count() == 1


def test_a_page_that_waits_for_a_file_shows_it_when_it_can_be_read(tmp_path, open_page, browser):
    path = write_search(tmp_path / "run.h5", 5)
    sound = path.read_bytes()
    context = browser.new_context()
    page = context.new_page()
    with served(tmp_path) as asker:
        path.write_bytes(b"x")
        page.goto(f"{asker.url}page?run=run.h5")
        assert "is no population file" in page.locator("[role=status]").inner_text()
        os.replace(path, tmp_path / "old")
        path.write_bytes(sound)
        page.wait_for_selector("html[data-ready=yes]", timeout=30_000)
        assert re.search(r"5 evaluations", page.locator("#runs").inner_text())
        context.close()
