"""Lineages: told, and drawn."""

import json
import random

import h5py
import numpy as np
import pytest

from deap_nas import ChainSpace, Genotype, cli
from deap_nas.errors import GenotypeError, StoreError, UnknownNameError
from deap_nas.evaluation import Evaluation, Job, Status
from deap_nas.report import draw_lineage, draw_member, lineage, lineage_in_words, save_figure
from deap_nas.report.lineage_drawing import _apart, _spread
from deap_nas.search_space import space as base
from deap_nas.store import HDF5Store, merge_runs
from deap_nas.template import NetworkTemplate, WholeNetwork
from tests.chain import PlainChain
from tests.toolboxes import SPACE

CHAINS = ChainSpace(operations=("conv", "max_pool"))
CONV, POOL = [0, 0, 1, 0], [1, 0, 1, 1]
#: Genes, parent, fitness; others of its evaluation.
LINE = [
    (CONV, -1, 0.25, {}),
    (POOL, -1, 0.75, {}),
    (CONV + POOL, 0, 0.375, {}),
    (CONV + POOL, 2, 0.375, {"reused": 2}),
    (POOL + POOL, 1, -1e100, {"status": Status.FAILED, "error": "a bug"}),
    (POOL + CONV + POOL, 3, 0.875, {"n_parameters": 1234}),
]


def write(path, rows=LINE, *, space=CHAINS, settings=None, killed=(0, 1)):
    state = random.Random(0).getstate()
    with HDF5Store.create(path, space=space, settings=settings or {}, seed=1) as store:
        for number, (genes, parent, value, fields) in enumerate(rows):
            store.submit([Job(number, Genotype(genes), 0, parent)], state)
            times = {"submitted": 1000.0 + number, "started": 1001.0 + number, "finished": 1000.0 + 1800 * (number + 1)}
            evaluation = Evaluation((value,), id=number, parent=parent, **times | fields)
            store.append(Genotype(genes), evaluation)
        store.kill(killed)
    return path


@pytest.fixture
def run_file(tmp_path):
    return write(tmp_path / "run.h5")


def test_the_lineage_of_the_best_is_told_from_its_first_ancestor_on(run_file):
    with HDF5Store.read(run_file) as store:
        ancestors = lineage(store)
    assert [one.id for one in ancestors] == [0, 2, 3, 5]
    assert [one.parent for one in ancestors] == [-1, 0, 2, 3]
    assert [one.alive for one in ancestors] == [False, True, True, True]
    assert [one.fitness for one in ancestors] == [(0.25,), (0.375,), (0.375,), (0.875,)]
    assert [one.reused for one in ancestors] == [-1, -1, 2, -1]
    assert [one.n_parameters for one in ancestors] == [-1, -1, -1, 1234]
    assert ancestors[1].finished == 1000 + 1800 * 3
    assert [one.changes for one in ancestors] == [
        (), ("layer 2 inserted: max_pool_3x3_by2",), (), ("layer 1 inserted: max_pool_3x3_by2",),
    ]  # fmt: skip
    assert lineage_in_words(ancestors).splitlines() == [
        "id  fitness  parameters  change",
        " 0   0.2500              the first of its line",
        " 2   0.3750              layer 2 inserted: max_pool_3x3_by2",
        " 3   0.3750              nothing (the same network as 2, whose fitness it took)",
        " 5   0.8750       1,234  layer 1 inserted: max_pool_3x3_by2",
    ]


def test_any_individual_has_a_lineage_and_one_that_failed_says_so(run_file):
    with HDF5Store.read(run_file) as store:
        assert [one.id for one in lineage(store, 4)] == [1, 4]
        assert "\n 4   FAILED              layer 2 inserted" in lineage_in_words(lineage(store, 4))
        assert [one.id for one in lineage(store, 0)] == [0]
        with pytest.raises(StoreError, match="no evaluated individual 6; ids reach from 0 to 5"):
            lineage(store, 6)


def test_where_nobody_has_a_fitness_there_is_no_lineage(tmp_path):
    path = write(tmp_path / "run.h5", [(CONV, -1, 0.0, {"status": Status.FAILED, "error": "a bug"})])
    with HDF5Store.read(path) as store:
        for function in (lineage, draw_lineage):
            with pytest.raises(StoreError, match="no individual with a fitness"):
                function(store)
        assert [one.status for one in lineage(store, 0)] == ["FAILED"]
        assert draw_lineage(store, 0).axes


def edit(path, column, values):
    with h5py.File(path, "r+") as file:
        file["individuals"][column][:] = values


@pytest.mark.parametrize(
    ("parents", "ids"),
    [
        ([-1, -1, 0, 2, 1, 5], [5]),
        ([5, -1, 0, 2, 1, 3], [0, 2, 3, 5]),
        ([-1, -1, 3, 2, 1, 3], [2, 3, 5]),
        ([-1, -1, 77, 2, 1, 3], [2, 3, 5]),
        ([-1, -1, 0, 2, 1, -(2**63)], [5]),
    ],
    ids=["own parent", "ring", "ring above", "missing", "negative"],
)
def test_parents_that_cannot_be_end_a_lineage(run_file, parents, ids):
    edit(run_file, "parent", parents)
    with HDF5Store.read(run_file) as store:
        assert [one.id for one in lineage(store, 5)] == ids
        assert draw_lineage(store, 5).axes


def test_of_equal_ids_the_first_counts(run_file):
    edit(run_file, "id", [0, 1, 2, 3, 3, 5])
    with HDF5Store.read(run_file) as store:
        assert [one.id for one in lineage(store, 5)] == [0, 2, 3, 5]


def test_genes_that_are_none_of_the_space_are_told_and_not_drawn(run_file):
    with h5py.File(run_file, "r+") as file:
        file["individuals/genes/values"][8] = 99  # of individual 2
    with HDF5Store.read(run_file) as store:
        unknown = ("genes that the search space does not have",)
        assert [one.changes for one in lineage(store, 5)][1:3] == [unknown, unknown]
        with pytest.raises(GenotypeError):
            draw_lineage(store, 2)


@pytest.mark.parametrize("column", ["submitted", "finished", "fitness"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -1e300])
def test_numbers_that_cannot_be_are_left_out(run_file, tmp_path, column, value):
    with h5py.File(run_file, "r+") as file:
        file["individuals"][column][1:4] = value
    with HDF5Store.read(run_file) as store:
        assert [one.id for one in lineage(store, 5)] == [0, 2, 3, 5]
        save_figure(draw_lineage(store, 5), [tmp_path / "x.png"])
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_the_columns_are_read_once_however_long_the_lineage(tmp_path, monkeypatch):
    counts = []
    for n_rows in (2, 40):
        path = write(tmp_path / f"{n_rows}.h5", [(CONV, n - 1, n / 100, {}) for n in range(n_rows)])
        with HDF5Store.read(path) as store:
            read, names = store.column, []
            monkeypatch.setattr(store, "column", lambda name, read=read, names=names: names.append(name) or read(name))
            assert len(lineage(store)) == n_rows
        counts.append(sorted(names))
    assert counts[0] == counts[1]


def offsets(axes):
    return {c.get_label(): np.asarray(c.get_offsets()).tolist() for c in axes.collections}


def test_dots_tell_time_and_fitness_of_the_living_and_the_dead_and_of_no_failure(run_file):
    with HDF5Store.read(run_file) as store:
        axes = draw_lineage(store).axes[0]
    assert offsets(axes) == {
        "dead": [[0.5, 0.25], [1.0, 0.75]],
        "alive": [[1.5, 0.375], [2.0, 0.375], [3.0, 0.875]],
    }
    (line,) = axes.lines
    assert line.get_xydata().tolist() == [[0.5, 0.25], [1.5, 0.375], [2.0, 0.375], [3.0, 0.875]]
    assert axes.get_xlabel() == "hours since the first submission"


def test_the_individual_and_three_ancestors_are_drawn_with_the_letters_of_their_dots(run_file, tmp_path):
    with HDF5Store.read(run_file) as store:
        figure = draw_lineage(store)
        assert len(figure.axes) == 5
        assert len(draw_lineage(store, 4).axes) == 3
    headings = [text.get_text() for text in figure.texts]
    assert headings[0] == "individual 5 and its 3 ancestors"
    assert headings[1::2] == [f"{letter}: individual {n}" for letter, n in zip("ABCD", (0, 2, 3, 5), strict=True)]
    assert headings[-1] == "fitness 0.8750, 1,234 parameters"
    dots = {text.get_text(): text.xy for text in figure.axes[0].texts}
    assert dots == {"A": (0.5, 0.25), "B": (1.5, 0.375), "C": (2.0, 0.375), "D": (3.0, 0.875)}


@pytest.mark.parametrize("n_ancestors", [1, 2, 3, 4, 5, 12, 100])
def test_who_is_drawn_is_spread_from_the_first_to_the_last(n_ancestors):
    places = _spread(n_ancestors)
    assert len(places) == len(set(places)) == min(4, n_ancestors)
    assert (places[0], places[-1]) == (0, n_ancestors - 1)
    gaps = np.diff(places)
    assert not len(gaps) or max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("wanted", [[1, 2, 3, 4], [50, 50, 50], [97, 98, 99], [10, 60, 61, 100]])
def test_letters_are_apart_and_in_order(wanted):
    places = _apart(wanted, 15.0, 100.0)
    assert min(np.diff(places)) >= 15 - 1e-9
    assert max(places) <= 100
    assert _apart([10, 40, 80], 15.0, 100.0) == [10, 40, 80]


def test_dots_of_a_large_file_are_pixels(tmp_path):
    path = write(tmp_path / "run.h5", [(CONV, n - 1, n / 3000, {}) for n in range(20)])
    with h5py.File(path, "r+") as file:
        rows = file["individuals"]
        for name in rows:
            parts = rows[name].values() if isinstance(rows[name], h5py.Group) else [rows[name]]
            for part in parts:
                values = np.concatenate([part[:]] * 150)
                part.resize(len(values), axis=0)
                part[:] = values
        rows["id"][:] = np.arange(3000)
        rows["genes/offsets"][:] = 4 * np.arange(1, 3001)
    with HDF5Store.read(path) as store:
        save_figure(draw_lineage(store, 19), [tmp_path / "x.svg", tmp_path / "y.svg"])
    assert (tmp_path / "x.svg").read_bytes() == (tmp_path / "y.svg").read_bytes()
    assert "<image" in (tmp_path / "x.svg").read_text()
    assert (tmp_path / "x.svg").stat().st_size < 300_000


def test_each_run_of_a_merged_file_has_a_beginning_of_its_own(tmp_path, run_file):
    later = []
    for number, (genes, parent, value, fields) in enumerate(LINE):
        times = {"submitted": 1e9 + number, "started": 1e9 + number, "finished": 1e9 + 3600 * (number + 1)}
        later.append((genes, parent, value, times | fields))
    merge_runs(tmp_path / "merged.h5", [run_file, write(tmp_path / "later.h5", later)])
    with HDF5Store.read(tmp_path / "merged.h5") as store:
        assert [one.id for one in lineage(store, 11)] == [6, 8, 9, 11]
        axes = draw_lineage(store).axes[0]
    assert max(x for places in offsets(axes).values() for x, _ in places) == pytest.approx(6.0)


def test_motifs_are_drawn_with_one_legend(tmp_path):
    rows = [([1, 0, 0, 0, 0, 1], -1, 0.5, {}), ([1, 0, 0, 0, 3, 1], 0, 0.6, {})]
    with HDF5Store.read(write(tmp_path / "run.h5", rows, space=SPACE)) as store:
        figure = draw_lineage(store)
        assert [one.changes for one in lineage(store)][1] == ("level 2, cell: 2 -> 4 separable_conv_3x3, was none",)
    assert len(figure.axes) == 3
    assert {text.get_text() for text in figure.legends[0].get_texts()} >= {"conv 1x1", "separable conv 3x3"}


def test_a_space_that_is_not_registered_is_told_and_not_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "_SPACES", dict(base._SPACES))
    base.register_space("plain chain")(PlainChain)
    rows = [([0] * 6, -1, 0.5, {}), ([0] * 5 + [1], 0, 0.6, {})]
    path = write(tmp_path / "run.h5", rows, space=PlainChain())
    del base._SPACES["plain chain"]
    with HDF5Store.read(path) as store:
        assert [one.id for one in lineage(store)] == [0, 1]
        with pytest.raises(UnknownNameError):
            draw_lineage(store)


def svg(store, tmp_path):
    draw_member(store, 0, paths=[tmp_path / "x.svg"])
    return (tmp_path / "x.svg").read_text()


def test_an_individual_is_drawn_with_the_shapes_of_its_search(tmp_path):
    settings = {"fitness": {"template": WholeNetwork(7, 1, 12).to_dict()}}
    with HDF5Store.read(write(tmp_path / "run.h5", settings=settings)) as store:
        text = svg(store, tmp_path)
        assert ">1 x 12 x 12<" in text
        assert ">linear to 7<" in text
        assert "1 x 12 x 12" in [text.get_text() for text in draw_lineage(store).axes[1].texts]


@pytest.mark.parametrize(
    "template",
    [
        3, None, [], {}, {"kind": "no such"}, {"kind": []}, {"kind": "whole", "image_size": "x"},
        {"kind": "whole", "stem": 7}, {"kind": "whole", "more": 1},
        {"kind": "whole", "n_classes": -1}, {"kind": "stack"},
    ],
)  # fmt: skip
def test_a_template_that_cannot_be_read_is_as_good_as_none(tmp_path, template):
    with HDF5Store.read(write(tmp_path / "run.h5", settings={"fitness": {"template": template}})) as store:
        assert "3 x 32 x 32" in svg(store, tmp_path)


def test_cells_are_drawn_as_motifs_whatever_their_template(tmp_path):
    settings = {"fitness": {"template": NetworkTemplate.small_cifar().to_dict()}}
    rows = [([1, 0, 0, 0, 0, 1], -1, 0.5, {})]
    with HDF5Store.read(write(tmp_path / "run.h5", rows, space=SPACE, settings=settings)) as store:
        assert "level 2, cell" in svg(store, tmp_path)


def test_the_command_prints_a_table_and_draws_beside_the_file(run_file, capsys):
    assert cli.main(["lineage", str(run_file)]) == 0
    *table, png, svg = capsys.readouterr().out.splitlines()
    with HDF5Store.read(run_file) as store:
        assert "\n".join(table) == lineage_in_words(lineage(store))
    folder = run_file.parent
    assert [png, svg] == [str(folder / "run-id5-lineage.png"), str(folder / "run-id5-lineage.svg")]
    assert (folder / "run-id5-lineage.png").read_bytes()[:4] == b"\x89PNG"
    assert "individual 5 and its 3 ancestors" in (folder / "run-id5-lineage.svg").read_text()
    assert cli.main(["lineage", str(run_file), "--id", "4", "--output", str(folder / "x.pdf")]) == 0
    assert capsys.readouterr().out.endswith(f"{folder / 'x.pdf'}\n")
    assert (folder / "x.pdf").read_bytes()[:4] == b"%PDF"


def test_the_command_prints_json_and_draws_only_where_it_is_told(run_file, capsys):
    assert cli.main(["lineage", str(run_file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in found] == [0, 2, 3, 5]
    assert found[1]["changes"] == ["layer 2 inserted: max_pool_3x3_by2"]
    assert found[1]["fitness"] == [0.375]
    assert [path.name for path in run_file.parent.iterdir()] == ["run.h5"]
    assert cli.main(["lineage", str(run_file), "--json", "--output", str(run_file.with_suffix(".svg"))]) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert run_file.with_suffix(".svg").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "error"),
    [(("--id", "99"), "no evaluated individual 99"), (("--output", "x.xyz"), "no picture drawn: ")],
)
def test_what_the_command_cannot_do_is_one_line(run_file, capsys, monkeypatch, arguments, error):
    monkeypatch.chdir(run_file.parent)
    assert cli.main(["lineage", str(run_file), *arguments]) == 1
    err = capsys.readouterr().err
    assert error in err
    assert err.count("\n") == 1


def test_the_command_works_while_the_search_writes(tmp_path, capsys):
    state = random.Random(0).getstate()
    with HDF5Store.create(tmp_path / "run.h5", space=CHAINS, settings={}, seed=1) as store:
        store.submit([Job(0, Genotype(CONV), 0), Job(1, Genotype(POOL), 0)], state)
        store.append(Genotype(CONV), Evaluation((0.5,), id=0))
        assert cli.main(["lineage", str(tmp_path / "run.h5")]) == 0
    assert "the first of its line" in capsys.readouterr().out
