"""Pages to keep, in a real browser: plots drawn, table sorted and searched, individuals opened, strangers harmless."""

import re

import numpy as np
import pytest

from deap_nas.evaluation import Status
from deap_nas.facts.run_columns import RunColumns
from deap_nas.page import write_page
from deap_nas.page.document import document_of
from deap_nas.page.packing import compressed
from deap_nas.report.panel import short_label
from deap_nas.store import HDF5Store
from tests.page.runs import write_progressive, write_search
from tests.page.test_page import content_of
from tests.store.test_curves import write as write_curves

#: What stands where there is no number.
MISSING = "\N{EN DASH}"
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=document.title='owned'>"


@pytest.fixture
def page_of_search(tmp_path, open_page):
    def make(**options):
        write_page([write_search(tmp_path / "run.h5")], tmp_path / "run.html")
        return open_page(tmp_path / "run.html", **options)

    return make


def column(page, number):
    return page.locator(f"#table tbody tr td:nth-child({number})").all_inner_texts()


def dark_dots(page, plot):
    """Whether anything but the ground is drawn in a plot: its largest canvas, as a picture."""
    picture = page.locator(f"#plot-{plot}").screenshot()
    return len(set(picture)) > 100 and len(picture) > 4000


def test_plots_are_drawn_and_sections_without_content_are_hidden(page_of_search, keep_picture):
    page = page_of_search()
    keep_picture(page, "page", full_page=True)
    for plot in ("by-evaluations", "by-hours", "by-compute", "population", "parameters", "workers", "utilisation"):
        assert page.locator(f"#plot-{plot} canvas, #plot-{plot} > *").count(), plot
        assert dark_dots(page, plot), plot
    for section in ("objectives", "surrogate"):
        assert page.locator(f"#{section}").is_hidden()
    for plot in ("curves", "predicted"):
        assert page.locator(f"#{plot}-figure").is_hidden()
    links = page.locator("#contents a")
    assert "Objectives against each other" not in links.all_inner_texts()
    assert page.locator("#found svg").count() == 1
    assert "deap-nas retrain" in page.locator("#found").inner_text()


def test_the_table_is_sorted_by_each_column(page_of_search):
    page = page_of_search()
    header = page.locator("#table th", has_text="fitness")
    assert header.get_attribute("aria-sort") == "descending"
    values = [float(text) for text in column(page, 2) if text != MISSING]
    assert values == sorted(values, reverse=True)
    assert column(page, 2)[-2:] == [MISSING, MISSING], "who has none comes last"
    page.click("#table th button:has-text('id')")
    assert [int(text) for text in column(page, 1)] == list(range(30))
    page.click("#table th button:has-text('id')")
    assert [int(text) for text in column(page, 1)] == list(range(29, -1, -1))
    assert page.locator("#table th", has_text="id").first.get_attribute("aria-sort") == "descending"


def test_the_table_is_searched_by_id_status_operation_and_error(page_of_search):
    page = page_of_search()
    for words, ids in (("7", ["7"]), ("lost", ["11"]), ("a bug", ["7"]), ("nowhere", [])):
        page.fill("#search", words)
        assert column(page, 1) == ids, words
    page.fill("#search", "conv_1x1")
    assert 0 < len(column(page, 1)) < 30
    page.fill("#search", "")
    page.select_option("#status", "FAILED")
    assert column(page, 1) == ["7"]
    assert "1 individual of 30" in page.locator("#individuals").inner_text()


def test_a_row_opens_its_drawing_and_its_genotype(page_of_search, keep_picture):
    page = page_of_search()
    page.click("#table tbody tr:nth-child(1) td button")
    panel = page.locator("#individual")
    panel.locator("svg.motif").first.wait_for()
    keep_picture(page, "individual")
    assert re.match(r"Individual \d+", panel.locator("h2").inner_text())
    assert panel.locator(".panel").count() == 3
    assert panel.locator("pre.genes").inner_text().startswith("[")
    assert page.locator("#table tr.open").count() == 1
    parent = panel.locator("dd button").first.inner_text()
    panel.locator("dd button").first.click()
    page.locator(f"#individual h2:has-text('Individual {parent}')").wait_for()
    page.keyboard.press("Escape")
    assert panel.is_hidden()


def test_the_page_is_used_with_the_keyboard(page_of_search):
    page = page_of_search()
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to what was found"
    button = page.locator("#table tbody button").first
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("#individual").is_visible()
    assert page.locator("#individual:focus").count() == 1
    page.keyboard.press("Escape")
    assert page.locator("#table tbody button:focus").inner_text() == button.inner_text()


#: The table that all plots share.
COLUMNS = """() => {
  const view = [...Bokeh.index].find((each) => each.model.type === "Figure");
  const data = view.model.renderers[0].data_source.data;
  return Object.fromEntries(Object.entries(data).map(([name, values]) => [name, Array.from(values)]));
}"""
_CURVES = """
  const figures = [...Bokeh.index].map((each) => each.model);
  const curves = figures.flatMap((figure) => figure.renderers || []).map((each) => each.data_source)
    .find((source) => source && source.name === "curves");
"""
#: Ids of the curves that are chosen; a tap on the curve of the first individual.
CURVE_IDS = f"() => {{ {_CURVES} return curves.selected.indices.map((place) => curves.data.id[place]); }}"
CHOOSE_CURVE = f"() => {{ {_CURVES} curves.selected.indices = [curves.data.id.indexOf('0')]; }}"
#: Where on the page a row's dot is in the first plot.
PLACE = """row => {
  const view = [...Bokeh.index].find((each) => each.model.type === "Figure");
  const source = view.model.renderers[0].data_source, frame = view.frame;
  const box = view.canvas_view.el.getBoundingClientRect();
  const {evaluation, fitness} = source.data;
  return [box.x + frame.x_scale.compute(evaluation[row]), box.y + frame.y_scale.compute(fitness[row])];
}"""


def test_pointing_at_a_dot_says_what_it_is_and_a_click_opens_it(page_of_search):
    page = page_of_search(bypass_csp=True)  # for the script that finds the dot
    page.locator("#plot-by-evaluations").scroll_into_view_if_needed()
    x, y = page.evaluate(PLACE, 20)
    page.mouse.move(x, y, steps=3)
    tip = page.locator(".bk-tooltip-row-value").first
    tip.wait_for()
    assert tip.inner_text() == "20 of run.h5"
    page.mouse.click(x, y)
    page.locator("#individual h2", has_text="Individual 20").wait_for()
    assert page.locator("#table tr.open button").inner_text() == "20"


def test_a_box_in_a_plot_chooses_in_the_table(page_of_search):
    page = page_of_search()
    plot = page.locator("#plot-by-evaluations")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    plot.hover()
    page.locator("#plot-by-evaluations").get_by_title("Box Select").first.click()
    page.mouse.move(box["x"] + 80, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 70, steps=5)
    page.mouse.up()
    page.wait_for_timeout(300)
    note = page.locator("button.chosen")
    assert re.fullmatch(r"\d+ chosen in a plot: show all again", note.inner_text())
    n_chosen = int(note.inner_text().split()[0])
    assert 1 < n_chosen < 30
    assert len(column(page, 1)) == n_chosen
    note.click()
    assert len(column(page, 1)) == 30


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_gain_is_better_whatever_the_sign_of_the_weight(tmp_path, open_page, sign):
    write_page([write_search(tmp_path / "run.h5", weights=(sign,))], tmp_path / "run.html")
    page = open_page(tmp_path / "run.html")
    (run,) = content_of(tmp_path / "run.html")
    line = [step["fitness"][0] for step in run["head"]["lineage"]]
    told = page.locator("#population-more tbody tr td:nth-child(3)").all_inner_texts()
    for before, after, gain in zip(line, line[1:], told[1:], strict=False):
        assert not gain or float(gain) == pytest.approx(sign * (after - before), abs=1e-4)
    gains = {change["kind"]: change for change in run["gains"]["changes"]}
    for row in page.locator("#changes table").last.locator("tbody tr").all():
        kind, *_, mean, best = row.locator("td").all_inner_texts()
        known = gains[kind]["mean_gain"]
        assert mean == MISSING if known is None else float(mean) == pytest.approx(known, abs=1e-4)
        assert (best == MISSING) is (known is None)
    assert any(change["mean_gain"] is None for change in gains.values())


def test_a_curve_is_chosen_with_its_row_and_a_row_with_its_curve(tmp_path, open_page):
    write_page([write_curves(tmp_path / "run.h5")], tmp_path / "run.html")
    page = open_page(tmp_path / "run.html", bypass_csp=True)
    assert page.locator("#curves-figure").is_visible()
    page.fill("#search", "1")
    page.click("#table tbody tr button")
    assert page.evaluate(CURVE_IDS) == ["1"]
    page.fill("#search", "2")  # it has diverged, and has no curve
    page.click("#table tbody tr button")
    assert page.evaluate(CURVE_IDS) == []
    page.fill("#search", "")
    page.evaluate(CHOOSE_CURVE)
    page.locator("#individual h2", has_text="Individual 0").wait_for()
    assert page.locator("#table tr.open button").inner_text() == "0"


def test_plots_have_the_columns_of_the_file(page_of_search, tmp_path):
    page = page_of_search(bypass_csp=True)
    columns = page.evaluate(COLUMNS)
    with HDF5Store.read(tmp_path / "run.h5") as store:
        found = RunColumns.of(store)
        assert columns["id"] == list(map(str, found.ids.tolist()))
        assert columns["alive"] == ["alive" if alive else "dead" for alive in found.alive]
    wanted = {
        "hours": found.finished / 3600,
        "compute": found.compute,
        "parameters": found.n_parameters,
        "flops": found.flops,
        "fitness": found.fitness[:, 0],
        "objective0": found.fitness[:, 0],
    }
    for name, values in wanted.items():
        np.testing.assert_allclose(np.array(columns[name], float), values, rtol=1e-6, err_msg=name)


def test_a_drawing_has_each_edge_with_its_label(page_of_search, tmp_path):
    page = page_of_search()
    page.fill("#search", "4")
    page.click("#table tbody tr button")
    page.locator("#individual svg.motif").first.wait_for()
    panels = page.locator("#individual .panel")
    with HDF5Store.read(tmp_path / "run.h5") as store:
        motifs = store.space.motifs_of(store.space.decode(store.column("genes")[4]))
    assert panels.count() == len(motifs)
    for panel, motif in zip(panels.all(), motifs, strict=True):
        edges = [edge for edge in motif.edges if edge.label != "none"]
        assert panel.locator("path").count() == len(edges)
        assert panel.locator("path.used").count() == sum(edge.used for edge in edges)
        assert panel.locator("text.label").all_text_contents() == [short_label(edge.label) for edge in edges]
        words = [f"{edge.predecessor} \u2192 {edge.successor}: {edge.label}" for edge in edges] or ["no edges"]
        assert [text.removesuffix(" (dead)") for text in panel.locator("li").all_text_contents()] == words


def test_of_a_picture_only_what_draws_is_taken(tmp_path, open_page):
    write_page([write_search(tmp_path / "run.h5")], tmp_path / "run.html")
    contents = content_of(tmp_path / "run.html")
    parts = "<script>1</script><foreignObject/><a href='x'/><circle onclick='1' onload='1' r='3'/>"
    contents[0]["drawing"] = f"<svg xmlns='http://www.w3.org/2000/svg'>{parts}</svg>"
    html = document_of(compressed(contents), title="x", objectives=["fitness"])
    (tmp_path / "hostile.html").write_text(html, encoding="utf-8")
    page = open_page(tmp_path / "hostile.html", expects="inline event handler")  # the policy stops these, too
    picture = page.locator("#found .paper svg")
    assert picture.locator("*").count() == 1
    circle = picture.locator("circle")
    assert (circle.get_attribute("r"), circle.get_attribute("onclick"), circle.get_attribute("onload")) == (
        "3",
        None,
        None,
    )


def test_several_runs_are_compared(tmp_path, open_page, keep_picture):
    files = [write_search(tmp_path / f"{name}.h5", 20, seed=seed) for seed, name in enumerate(("a", "b", "c", "d"))]
    write_page(files, tmp_path / "all.html")
    page = open_page(tmp_path / "all.html")
    keep_picture(page, "comparison", full_page=True)
    assert page.locator("#found table tbody tr").count() == 4
    assert page.locator("#table th", has_text="run").count() == 1
    assert "80 individuals of 80" in page.locator("#individuals").inner_text()
    page.fill("#search", "b.h5")
    assert set(column(page, 2)) == {"b.h5"}


def test_objectives_and_steps_have_their_sections(tmp_path, open_page, keep_picture):
    settings = {"fitness": {"objectives": ["accuracy", "parameters"]}}
    write_search(tmp_path / "two.h5", settings=settings, weights=(1.0, -1.0))
    write_page([tmp_path / "two.h5"], tmp_path / "two.html")
    page = open_page(tmp_path / "two.html")
    keep_picture(page, "objectives", full_page=True)
    assert page.locator("#plot-front-0-1").is_visible()
    assert "hypervolume of the front" in page.locator("#found").inner_text()
    write_page([write_progressive(tmp_path / "steps.h5")], tmp_path / "steps.html")
    page = open_page(tmp_path / "steps.html")
    assert page.locator("#surrogate table tbody tr").count() == 3
    assert page.locator("#predicted-figure").is_visible()
    assert "level" in page.locator("#table thead").inner_text()


def test_networks_that_were_retrained_are_ranked(tmp_path, open_page):
    path = write_search(tmp_path / "run.h5")
    for number, accuracy in ((3, 0.5), (20, 0.9), (25, 0.7)):
        (tmp_path / f"run-id{number}-x").mkdir()
        (tmp_path / f"run-id{number}-x" / "result.json").write_text(f'{{"accuracies": [{accuracy}]}}')
    write_page([path], tmp_path / "run.html")
    page = open_page(tmp_path / "run.html")
    assert page.locator("#surrogate tbody tr").count() == 3
    assert "(Kendall's tau): 0.33" in page.locator("#surrogate").inner_text()


def test_texts_of_strangers_are_texts(tmp_path, open_page, keep_picture):
    name = "x<img src=x onerror=alert(1)>.h5"
    settings = {"note": HOSTILE, HOSTILE: [HOSTILE], "fitness": {"objectives": [HOSTILE]}}
    failures = {7: (Status.FAILED, HOSTILE)}
    write_search(tmp_path / name, settings=settings, host=HOSTILE[:60], failures=failures)
    write_search(tmp_path / "b.h5", host="node2")
    write_page([tmp_path / name, tmp_path / "b.h5"], tmp_path / "page.html")
    page = open_page(tmp_path / "page.html")
    page.click("#table tbody tr:nth-child(1) td button")
    page.fill("#search", "onerror")
    for summary in page.locator("details summary").all():
        summary.click()
    keep_picture(page, "hostile", full_page=True)
    assert "owned" not in page.title()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 4
    assert HOSTILE in page.locator("#facts").inner_text()
    assert HOSTILE.splitlines()[-1] in page.locator("#failures").inner_text()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("phone", {"viewport": {"width": 360, "height": 740}, "is_mobile": True}),
        ("dark", {"color_scheme": "dark"}),
        ("print", {}),
    ],
)
def test_on_a_phone_in_the_dark_and_on_paper(page_of_search, keep_picture, name, options):
    page = page_of_search(**options)
    if name == "print":
        page.emulate_media(media="print")
        assert page.locator("nav").is_hidden()
        assert page.locator(".copy").first.is_hidden()
    keep_picture(page, name, full_page=True)
    width = page.viewport_size["width"]
    assert page.locator("body").bounding_box()["width"] <= width
    assert page.locator("#plot-by-evaluations").bounding_box()["width"] <= width
    for plot in page.locator("main > section > div > figure:visible").all():
        box = plot.bounding_box()
        assert box["x"] + box["width"] <= width + 1
