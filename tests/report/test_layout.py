"""Boxes and lines of drawn networks, without a plotting library."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deap_nas import ChainSpace, HierarchicalSpace
from deap_nas.errors import SettingsError
from deap_nas.graph import RESIZE, Convolution, Graph, Node, Pooling, SeparableConvolution, Strided
from deap_nas.report.boxes import boxes_of
from deap_nas.report.layering import layered
from deap_nas.report.newspaper import page_of
from deap_nas.template import CellStack, NetworkTemplate, WholeNetwork, plan_network
from tests.graphs import GRAPHS, cell_pairs, whole_graphs
from tests.report.networks import LARGE, Bare, Norm, backbone, steps_of

pytest.importorskip("igraph")


def texts(boxes):
    return [[line.text for line in box.lines] for box in boxes]


def chain(*operations):
    nodes = [Node(operation, (place,), path=(place,)) for place, operation in enumerate(operations)]
    return Graph((Node("input"), *nodes), len(nodes))


def test_operations_are_told_in_words_with_their_parameters_and_shapes_where_they_change():
    graph = chain(Convolution(8, 3), SeparableConvolution(8, (1, 5)), Pooling("max", 3, 2), Convolution(4, 5, (1, 2)))
    image, conv, separable, pool, strided, head = boxes_of(steps_of(graph))
    assert texts([image, conv, separable, pool]) == [
        ["image"],
        ["conv 3x3"],
        ["separable conv 1x5"],
        ["max pool 3x3, /2"],
    ]
    assert texts([strided, head]) == [["conv 5x5, /1x2"], ["global average pool", "linear to 10"]]
    assert [box.shape for box in (image, conv, separable)] == [(3, 32, 32), (8, 32, 32), None]
    assert [box.shape for box in (pool, strided, head)] == [(8, 16, 16), (4, 16, 8), None]
    assert [line.n_parameters for line in (*conv.lines, *pool.lines)] == [3 * 8 * 9 + 16, 0]
    assert [line.n_parameters for line in head.lines] == [0, 50]


def test_normalisation_shares_the_box_of_what_it_follows_unless_something_else_branches_off_there():
    boxes = boxes_of(steps_of(chain(Bare(8, 3), Norm(), Bare(8, 1))))
    assert texts(boxes)[1:3] == [["conv 3x3", "BN + ReLU"], ["conv 1x1"]]
    assert [line.n_parameters for line in boxes[1].lines] == [216, 16]
    nodes = (*chain(Bare(8, 3), Norm()).nodes, Node("add", (1, 2)))
    assert texts(boxes_of(steps_of(Graph(nodes, 3))))[1:4] == [["conv 3x3"], ["BN + ReLU"], ["add"]]


def test_strides_are_told_whether_or_not_an_operations_label_tells_them():
    graph = chain(Strided("conv_3x3"), Strided("avg_pool_3x3", (1, 2)), Strided("identity"), "conv_3x3")
    assert texts(boxes_of(steps_of(graph, WholeNetwork(stem=((4, 1),)))))[2:-1] == [
        ["conv 3x3, /2"],
        ["avg pool 3x3, /1x2"],
        ["conv 1x1, /2"],
        ["conv 3x3"],
    ]


def test_the_stem_of_a_template_is_told_by_its_layers():
    template = WholeNetwork(10, 3, 32, stem=((16, 2),))
    boxes = boxes_of(steps_of(chain("max_pool_3x3"), template))
    assert texts(boxes)[1:3] == [["conv 3x3, /2"], ["max pool 3x3"]]
    assert boxes[1].lines[0].n_parameters == 3 * 16 * 9 + 32


def test_a_resize_takes_one_line_but_two_where_nothing_else_leads_on_from_its_pattern():
    skipped = boxes_of(steps_of(backbone(3, [(1, 3)])))
    (resize,) = [box for box in skipped if box.join == RESIZE]
    assert (len(resize.inputs), resize.pattern) == (1, None)
    nodes = (Node("input"), Node(Bare(4, 3, 2), (0,), path=(1,)), Node(RESIZE, (0, 1)))
    (resize,) = [box for box in boxes_of(steps_of(Graph(nodes, 2))) if box.join == RESIZE]
    assert (resize.inputs, resize.pattern) == ((0, 1), 1)


def test_what_gives_no_more_than_a_width_has_no_box():
    chain = [Node(Bare(4, 1, 1), (source,), path=(path,)) for path, source in enumerate((0, 1, 2), start=1)]
    graph = Graph((Node("input"), *chain, Node("conv_1x1", (0,), 3, (4,))), 4)
    assert [box.lines[0].text for box in boxes_of(steps_of(graph))] == ["image", "conv 1x1", "global average pool"]
    assert_readable(steps_of(graph))


def laid_out(steps):
    """Boxes, their places on a page, and the lines."""
    boxes = boxes_of(steps)
    sizes = [(30.0, 11.0) if box.join else (90.0, 15.0 + 10 * len(box.lines)) for box in boxes]
    edges = [(source, number) for number, box in enumerate(boxes) for source in box.inputs]
    layering = layered([width for width, _ in sizes], edges, small=[box.join == RESIZE for box in boxes])
    page = page_of(sizes, layering)
    frames = [
        (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        for (x, y), (width, height) in zip(page.centres, sizes, strict=True)
    ]
    return edges, layering, page, frames


def points_of(course, n_points=12):
    """Points along a line."""
    (start,) = course[0].points
    for stroke in course[1:]:
        corners = [start, *stroke.points]
        for step in range(n_points + 1):
            points = corners
            while len(points) > 1:  # de Casteljau's algorithm
                points = [
                    tuple(a + (b - a) * step / n_points for a, b in zip(*pair, strict=True))
                    for pair in itertools.pairwise(points)
                ]
            yield points[0]
        start = corners[-1]


def assert_readable(steps):
    """No box on another or off the page, no line through a box, and lines join the boxes that they should."""
    edges, layering, page, frames = laid_out(steps)
    for (left, top, right, bottom), other in itertools.combinations(frames, 2):
        apart = right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
        assert apart, "boxes overlap"
    for left, top, right, bottom in frames:
        assert -1e-9 <= left <= right <= page.width + 1e-9
        assert -1e-9 <= top <= bottom <= page.height + 1e-9
    for (source, target), course in zip(edges, page.courses, strict=True):
        (x0, y0), *_, (x1, y1) = points = list(points_of(course))
        assert y0 == pytest.approx(frames[source][3])
        assert y1 == pytest.approx(frames[target][1])
        assert frames[source][0] < x0 < frames[source][2]
        assert frames[target][0] < x1 < frames[target][2]
        for x, y in points:
            assert -1e-9 <= x <= page.width + 1e-9
            assert -1e-9 <= y <= page.height + 1e-9
            for left, top, right, bottom in frames:
                assert not (left + 0.1 < x < right - 0.1 and top + 0.1 < y < bottom - 0.1), "a line runs through a box"
    return layering


@settings(max_examples=60)
@given(whole_graphs(max_nodes=14))
def test_any_network_is_drawn_without_a_box_on_another_or_a_line_through_one(graph):
    assert_readable(steps_of(graph))


@settings(max_examples=20)
@given(cell_pairs)
def test_stacked_cells_are_too(cells):
    template = CellStack(n_classes=3, image_size=9, channels=2, n_normal=2, n_reductions=1)
    assert_readable(plan_network(GRAPHS, cells, template).steps)


@settings(max_examples=60)
@given(st.data(), st.integers(4, 40))
def test_a_backbone_is_one_straight_column_whatever_skips_there_are(data, n_convolutions):
    pairs = st.tuples(st.integers(0, n_convolutions - 2), st.integers(2, n_convolutions))
    skips = data.draw(st.lists(pairs.filter(lambda pair: pair[1] - pair[0] > 1), max_size=10, unique=True))
    layering = assert_readable(steps_of(backbone(n_convolutions, skips)))
    assert all(layering.xs[box] == 0 for box in layering.column)
    assert [layering.rows[box] for box in layering.column] == list(range(max(layering.rows) + 1))


def test_a_skip_runs_straight_beside_the_column():
    _, layering, _, _ = laid_out(steps_of(backbone(12, [(2, 10)])))
    (longest,) = [route for route in layering.routes if len(route) > 3]
    assert len({layering.xs[point] for point in longest[1:]}) == 1


@pytest.mark.parametrize("skips", [[(1, 5), (2, 4), (3, 8)], [(0, 9), (1, 8), (2, 7)], [(0, 4), (2, 6), (7, 9)]])
def test_skips_that_need_not_cross_do_not(skips):
    _, layering, _, _ = laid_out(steps_of(backbone(9, skips)))
    segments = [pair for route in layering.routes for pair in itertools.pairwise(route)]
    for (a, b), (c, d) in itertools.combinations(segments, 2):
        if layering.rows[a] == layering.rows[c]:
            assert (layering.xs[a] - layering.xs[c]) * (layering.xs[b] - layering.xs[d]) >= 0


def test_a_long_network_is_broken_into_columns_and_a_short_one_is_not():
    space = ChainSpace(max_layers=60)
    for n_layers, n_columns in ((10, 1), (30, 2), (60, 4)):
        steps = plan_network(space, [0, 0, 1, 0] * n_layers, space.default_template()).steps
        _, _, page, _ = laid_out(steps)
        assert len({x for x, _ in page.centres}) == n_columns
    assert_readable(steps_of(LARGE))


def test_the_layout_neither_draws_nor_seeds_random_numbers():
    state = random.getstate()
    first = laid_out(steps_of(LARGE))
    random.seed(7)
    assert laid_out(steps_of(LARGE)) == first
    random.setstate(state)
    laid_out(steps_of(LARGE))
    assert random.getstate() == state


def test_a_large_network_is_laid_out_too():
    space = HierarchicalSpace()
    assert_readable(plan_network(space, space.sample(rng=random.Random(3)), NetworkTemplate.small_cifar()).steps)


def test_lines_that_no_picture_could_show_are_refused():
    skips = [(source, source + 400) for source in range(130)]
    with pytest.raises(SettingsError, match=r"may pass 50,000 boxes in all, found \d{2,3},\d{3}$"):
        laid_out(steps_of(backbone(530, skips)))
