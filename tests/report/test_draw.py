import itertools
import random
import sys
from xml.etree import ElementTree

import pytest

from deap_nas import ChainSpace, FlatSpace, Genotype, HierarchicalSpace, MicroSpace, initDiversified, initTrivial
from deap_nas.errors import GenotypeError, MissingExtraError
from deap_nas.graph import PAPER_OPERATIONS
from deap_nas.report import draw_genotype, save_drawing
from deap_nas.report.arcs import arrange
from deap_nas.report.motif_page import draw_motifs
from deap_nas.report.panel import GREY, short_label
from deap_nas.search_space import Edge
from tests.cells import AMOEBANET, DARTS

SPACES = {
    "hierarchical": HierarchicalSpace(),
    "flat": FlatSpace(),
    "three levels": HierarchicalSpace(motifs=(3, 2, 1), nodes=(3, 3, 4)),
    "two nodes": FlatSpace(nodes=2),
    "many motifs in the cell": HierarchicalSpace(motifs=(12, 1), nodes=(2, 9)),
}


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib")


def genotype(space, seed):
    return initDiversified(Genotype, space, n_mutations=300, rng=random.Random(seed))


def colour(matplotlib, artist):
    """Colour of a line, a face or a text, as hexadecimal digits."""
    found = artist.get_color() if hasattr(artist, "get_color") else artist.get_edgecolor()
    return matplotlib.colors.to_hex(found)


def stems(axes):
    """Lines of the drawn edges, without their arrowheads."""
    return [patch for patch in axes.patches if type(patch).__name__ == "PathPatch"]


def circles(axes):
    return [patch for patch in axes.patches if type(patch).__name__ == "Circle"]


def labels(axes):
    """Texts on the drawn edges."""
    return [text for text in axes.texts if text.get_bbox_patch() is not None]


def title(axes):
    return axes.texts[0].get_text()


def texts_of(svg):
    return {element.text for element in ElementTree.parse(svg).iter() if element.tag.endswith("}text")}


def crossings(arcs):
    """Pairs of arcs that cross on one side of the nodes."""
    count = 0
    for one, other in itertools.combinations(arcs, 2):
        first, second = sorted((one.edge, other.edge), key=lambda edge: edge.predecessor)
        nested_starts = first.predecessor < second.predecessor < first.successor < second.successor
        count += one.side == other.side and nested_starts
    return count


def complete(n_nodes):
    return [Edge(j, i, "identity", True) for i in range(2, n_nodes + 1) for j in range(1, i)]


@pytest.mark.parametrize("name", SPACES)
def test_one_drawing_is_written_as_png_and_svg(matplotlib, tmp_path, name):
    space = SPACES[name]
    paths = [tmp_path / "x.png", tmp_path / "x.svg"]
    save_drawing(space, genotype(space, 1), paths, title="A title")
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert paths[0].stat().st_size > 1000
    names = {motif.name for motif in space.motifs_of(genotype(space, 1))}
    written = texts_of(paths[1])
    assert "A title" in written
    assert names <= {text.removesuffix(" (unused)") for text in written}


@pytest.mark.parametrize("name", SPACES)
def test_every_edge_but_none_is_drawn_and_every_node_numbered(matplotlib, name):
    space = SPACES[name]
    genes = genotype(space, 2)
    motifs = space.motifs_of(genes)
    figure = draw_genotype(space, genes)
    assert len(figure.axes) == len(motifs)
    for axes, motif in zip(figure.axes, motifs, strict=True):
        drawn = [edge for edge in motif.edges if edge.label != "none"]
        assert len(stems(axes)) == len(drawn)
        assert len(circles(axes)) == motif.n_nodes
        numbers = {text.get_text() for text in axes.texts[1:] if text not in labels(axes)}
        assert numbers == {str(node) for node in range(1, motif.n_nodes + 1)}


def test_labels_are_short_on_the_edges_and_full_in_the_legend(matplotlib, tmp_path):
    space = FlatSpace(nodes=4)
    save_drawing(space, [1, 2, 3, 4, 5, 6], [tmp_path / "x.svg"])
    written = texts_of(tmp_path / "x.svg")
    assert {"1x1", "dw 3x3", "sep 3x3", "max 3x3", "avg 3x3", "identity"} <= written
    assert {name.replace("_", " ") for name in PAPER_OPERATIONS} <= written


def test_the_cells_edges_carry_their_motifs(matplotlib):
    space = HierarchicalSpace()
    genes = genotype(space, 0)
    expected = [edge.label for edge in space.motifs_of(genes)[0].edges if edge.label != "none"]
    assert sorted(text.get_text() for text in labels(draw_genotype(space, genes).axes[0])) == sorted(expected)


@pytest.mark.parametrize(
    ("label", "short"),
    [
        ("depthwise_conv_5x5", "dw 5x5"),
        ("conv_3x3", "3x3"),
        ("max_pool", "max pool"),
        ("my_own_block", "my own block"),
        ("motif 3", "motif 3"),
        ("conv_3x3_32", "3x3, 32"),
        ("separable_conv_1x5_64_by2", "sep 1x5, 64, /2"),
        ("avg_pool_3x3_by2x1", "avg 3x3, /2x1"),
        ("my_block_8", "my block 8"),
    ],
)
def test_short_labels(label, short):
    assert short_label(label) == short


@pytest.mark.parametrize(("name", "expected"), [("flat", {""}), ("many motifs in the cell", set("123456789") | {"10"})])
def test_a_crowded_motif_names_no_operation_and_numbers_its_motifs(matplotlib, name, expected):
    space = SPACES[name]
    genes = [min(up, 1 + index % 10) for index, up in enumerate(space.up)]
    assert {text.get_text() for text in labels(draw_genotype(space, genes).axes[0])} == expected


def test_a_long_motif_names_every_layer_and_its_legend_each_kind_once(matplotlib):
    space = ChainSpace(max_layers=15, operations=("conv", "max_pool"), kernel_sizes=(3,))
    figure = draw_motifs(space.motifs_of([0, 0, 0, 1, *([0, 2, 0, 0] * 13), 1, 0, 0, 1]))
    assert [text.get_text() for text in labels(figure.axes[0])] == ["3x3, 16, /2", *["3x3, 64"] * 13, "max 3x3, /2"]
    first, *_, last = (colour(matplotlib, stem) for stem in stems(figure.axes[0]))
    assert {colour(matplotlib, stem) for stem in stems(figure.axes[0])} == {first, last}
    legend = zip(figure.legends[0].get_texts(), figure.legends[0].get_lines(), strict=True)
    shown = {text.get_text(): colour(matplotlib, line) for text, line in legend}
    assert shown == {"conv 3x3": first, "max pool 3x3": last}


def test_motifs_that_the_network_does_not_use_are_grey_as_a_whole_and_titled_so(matplotlib):
    space = HierarchicalSpace()
    cell, first, *others = draw_genotype(space, initTrivial(Genotype, space)).axes
    for axes in (cell, first):
        assert "unused" not in title(axes)
        assert GREY not in {colour(matplotlib, patch) for patch in (*stems(axes), *circles(axes))}
    assert len(others) == 5
    for axes in others:
        assert title(axes).endswith("(unused)")
        assert {colour(matplotlib, patch) for patch in (*stems(axes), *circles(axes))} == {GREY}
        assert len({colour(matplotlib, text) for text in axes.texts}) == 1


def test_a_dead_edge_of_a_used_motif_is_grey_and_dashed(matplotlib):
    space = FlatSpace(nodes=3)
    figure = draw_genotype(space, [1, 2, 0])  # 1 -> 2 leads nowhere
    dead, live = stems(figure.axes[0])
    assert (colour(matplotlib, dead), dead.get_linestyle()) == (GREY, "--")
    assert colour(matplotlib, live) != GREY
    assert live.get_linestyle() == "-"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["depthwise conv 3x3", "not used"]


def test_operations_differ_in_colour_and_the_legend_says_which(matplotlib):
    space = FlatSpace(nodes=5, operations=(*PAPER_OPERATIONS, "conv_3x3", "conv_5x5", "separable_conv_5x5"))
    figure = draw_genotype(space, [1, 2, 3, 4, 5, 6, 7, 8, 9, 1])
    handles = [colour(matplotlib, line) for line in figure.legends[0].get_lines()]
    assert len(set(handles)) == len(handles) == 9
    assert set(handles) == {colour(matplotlib, stem) for stem in stems(figure.axes[0])}


def test_a_genotype_without_edges_has_nodes_only(matplotlib):
    space = HierarchicalSpace()
    figure = draw_genotype(space, [0] * space.n_genes)
    assert all(title(axes).endswith("(unused)") and not stems(axes) for axes in figure.axes)
    assert figure.legends == []


@pytest.mark.parametrize("name", ["hierarchical", "three levels"])
@pytest.mark.parametrize("seed", range(5))
def test_no_text_touches_another_or_a_node_or_leaves_the_figure(matplotlib, name, seed):
    space = SPACES[name]
    assert_no_text_touches(draw_genotype(space, genotype(space, seed), title="A title"))


@pytest.mark.parametrize("space", [MicroSpace(), AMOEBANET, DARTS], ids=["micro", "amoebanet", "darts"])
@pytest.mark.parametrize("seed", range(10))
def test_no_text_of_a_cell_touches_another_whatever_its_blocks_read(matplotlib, space, seed):
    assert_no_text_touches(draw_genotype(space, space.sample(rng=random.Random(seed)), title="A title"))


def assert_no_text_touches(figure):
    canvas = pytest.importorskip("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    canvas.draw()  # places the legend
    renderer = canvas.get_renderer()
    texts = [*figure.texts, *figure.legends[0].get_texts()]
    texts += [text for axes in figure.axes for text in (axes.texts[0], *labels(axes))]
    boxes = [text.get_window_extent(renderer) for text in texts]
    boxes += [circle.get_window_extent(renderer) for axes in figure.axes for circle in circles(axes)]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert all(figure.bbox.containsx(x) for box in boxes for x in box.intervalx)
    assert all(figure.bbox.containsy(y) for box in boxes for y in box.intervaly)


@pytest.mark.parametrize("ending", [".svg", ".pdf", ".png"])
def test_the_same_genotype_gives_the_same_bytes(matplotlib, tmp_path, ending):
    space = HierarchicalSpace()
    paths = [tmp_path / f"{name}{ending}" for name in "ab"]
    for path in paths:
        save_drawing(space, genotype(space, 3), [path])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_drawing_uses_no_global_state(matplotlib, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    before = matplotlib.rcParams.copy()
    save_drawing(FlatSpace(nodes=3), [1, 1, 1], [tmp_path / "x.svg"])
    assert matplotlib.rcParams.copy() == before


def test_genes_of_another_space_are_refused(matplotlib):
    with pytest.raises(GenotypeError):
        draw_genotype(FlatSpace(nodes=3), [1, 1])


def test_an_unknown_format_is_refused(matplotlib, tmp_path):
    with pytest.raises(ValueError, match="xyz"):
        save_drawing(FlatSpace(nodes=2), [1], [tmp_path / "x.xyz"])


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'deap-nas\[report\]'"):
        save_drawing(FlatSpace(nodes=2), [1], [tmp_path / "x.png"])


@pytest.mark.parametrize("seed", range(20))
def test_arcs_of_a_small_motif_cross_as_little_as_possible(seed):
    rng = random.Random(seed)
    arcs = [arc for arc in arrange([edge for edge in complete(5) if rng.random() < 0.8]) if arc.side]
    sides = itertools.product((-1, 1), repeat=len(arcs))
    fewest = min(crossings([type(arc)(arc.edge, side, 1) for arc, side in zip(arcs, s, strict=True)]) for s in sides)
    assert crossings(arcs) == fewest


@pytest.mark.parametrize("compact", [True, False])
def test_arcs_that_overlap_on_a_side_have_tracks_of_their_own(compact):
    arcs = [arc for arc in arrange(complete(6), compact=compact) if arc.side]
    for one, other in itertools.combinations(arcs, 2):
        apart = one.edge.successor <= other.edge.predecessor or other.edge.successor <= one.edge.predecessor
        assert one.side != other.side or apart or one.track != other.track


@pytest.mark.parametrize("compact", [True, False])
def test_parallel_edges_are_drawn_beside_each_other(compact):
    edges = [Edge(*ends, "identity", True) for ends in [(1, 2), (3, 4), (2, 3), (1, 4), (3, 5), (4, 5)] * 2]
    arcs = arrange(edges, compact=compact)
    assert sorted(map(id, (arc.edge for arc in arcs))) == sorted(map(id, edges))
    assert len({(arc.edge.predecessor, arc.edge.successor, arc.side * arc.track) for arc in arcs}) == len(edges)
    assert sum(arc.side == 0 for arc in arcs) == 4
    assert all(arc.track > 0 for arc in arcs if arc.side)


def test_a_cell_of_blocks_has_names_in_its_nodes_and_on_each_edge(matplotlib):
    space = MicroSpace()
    genes = [0, 2, 1, 6, 0, 4, 0, 4, 1, 0, 1, 0, 1, 3, 0, 5, 0, 1, 1, 2]  # no block reads another
    (axes,) = draw_genotype(space, genes).axes
    names = [text.get_text() for text in axes.texts[1:] if text not in labels(axes)]
    assert names == ["c-2", "c-1", "1", "2", "3", "4", "5", "out"]
    assert len(circles(axes)) == 8
    expected = ["3x3", "identity", "dw 3x3", "dw 3x3", "max 3x3", "max 3x3", "5x5", "dw 5x5", "avg 3x3", "3x3"]
    assert sorted(text.get_text() for text in labels(axes)) == sorted([*expected, *["1x1"] * 5])


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("stacked_separable_conv_5x5", "2 sep 5x5"),
        ("dilated_separable_conv_3x3", "dil sep 3x3"),
        ("bottleneck_conv_1x7_7x1", "bottleneck 1x7 7x1"),
        ("bottleneck_dilated_conv_3x3", "bottleneck dil 3x3"),
        ("relu_conv_1x1", "relu 1x1"),
        ("conv_3x3_32_by2", "3x3, 32, /2"),
        ("max_pool_7x7", "max 7x7"),
        ("mine_1x1_of_two", "mine 1x1 of two"),
    ],
)
def test_an_operation_has_a_short_name_on_an_edge(label, expected):
    assert short_label(label) == expected


def test_edges_between_neighbours_are_straight_and_none_is_left_out():
    edges = [Edge(1, 2, "identity", True), Edge(1, 3, "none", False), Edge(2, 3, "identity", True)]
    assert [(arc.edge, arc.side, arc.track) for arc in arrange(edges)] == [(edges[0], 0, 0), (edges[2], 0, 0)]
