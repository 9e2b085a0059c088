"""Whole networks as they are drawn."""

import itertools
import random
import sys
from dataclasses import dataclass

import pytest

from deap_nas import ChainSpace, HierarchicalSpace
from deap_nas.errors import GenotypeError, MissingExtraError, NotViableError, SettingsError
from deap_nas.graph import Graph, Node, OperationValue
from deap_nas.report import draw_genotype, draw_network, save_drawing, save_figure
from deap_nas.report.styles import colours_of
from deap_nas.template import NetworkTemplate, WholeNetwork
from tests.lying import Dilated
from tests.report.networks import LARGE, GraphSpace, backbone

matplotlib = pytest.importorskip("matplotlib")
pytest.importorskip("igraph")

CHAINS = ChainSpace(max_layers=80)
NETWORKS = {
    "chain of 1": (CHAINS, [0, 0, 1, 0]),
    "chain of 5": (ChainSpace(min_layers=5, max_layers=5), None),
    "chain of 20": (ChainSpace(min_layers=20, max_layers=20), None),
    "chain of 80": (ChainSpace(min_layers=80, max_layers=80), None),
    "skips": (GraphSpace(), LARGE),
}


def network(name):
    space, genotype = NETWORKS[name]
    return space, space.sample(rng=random.Random(2)) if genotype is None else genotype


def written(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("name", NETWORKS)
def test_no_text_touches_another_or_leaves_its_box_or_the_figure(name):
    figure = draw_network(*network(name), title="A title")
    canvas = pytest.importorskip("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [*figure.texts, *figure.axes[0].texts]
    extents = [text.get_window_extent(renderer) for text in texts]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(extents, 2))
    frames = [p.get_window_extent() for p in figure.axes[0].patches if type(p).__name__ == "FancyBboxPatch"]
    for extent in extents[1:-1]:  # without title and note
        assert any(frame.padded(1).containsx(extent.x0) and frame.padded(1).containsx(extent.x1) for frame in frames)
    for extent in [*extents, *frames]:
        assert figure.bbox.padded(1).contains(extent.x0, extent.y0)
        assert figure.bbox.padded(1).contains(extent.x1, extent.y1)


def test_a_chain_tells_operations_parameters_and_shapes():
    space = ChainSpace(operations=("conv", "max_pool"))
    texts = written(draw_network(space, [0, 1, 1, 0, 1, 0, 1, 1], space.default_template(image_size=16)))
    assert texts[:-1] == [
        "image", "3 x 16 x 16", "conv 3x3", "928", "32 x 16 x 16", "max pool 3x3, /2", "32 x 8 x 8",
        "global average pool", "linear to 10", "330",
    ]  # fmt: skip


def test_the_template_gives_the_shapes():
    genotype = [0, 0, 0, 0]
    for template in (WholeNetwork(5, 1, 8), WholeNetwork(7, 3, 64)):
        texts = written(draw_genotype(CHAINS, genotype, template=template))
        size = template.image_size
        assert f"{template.image_channels} x {size} x {size}" in texts
        assert f"linear to {template.n_classes}" in texts


def test_networks_are_drawn_whole_and_others_motif_by_motif():
    space = HierarchicalSpace()
    assert not space.is_network
    genotype = space.sample(rng=random.Random(3))
    assert len(draw_genotype(space, genotype).axes) == 7
    assert len(draw_genotype(CHAINS, [0, 0, 0, 0]).axes) == 1
    assert "image" in written(draw_network(space, genotype, NetworkTemplate.small_cifar(channels=8)))


def test_a_kind_has_its_colour_in_every_picture_whatever_its_window():
    alone = colours_of(["max_pool_7x7"])["max_pool_7x7"]
    names = ["conv_1x1", "conv_3x3", "conv_7x7", "conv_3x5", "max_pool_3x3", "max_pool_7x7", "avg_pool_5x5", "mine"]
    colours = colours_of(names)
    assert colours["max_pool_7x7"] == colours["max_pool_3x3"] == alone
    assert colours["conv_7x7"] == colours["conv_3x5"]
    assert len(set(colours.values())) == 6


def test_what_is_no_network_is_drawn_as_a_motif():
    nowhere = Graph((Node("input"), Node("conv_1x1", (0,), path=(0,))), None)
    with pytest.raises(NotViableError):
        draw_network(GraphSpace(), nowhere)
    (axes,) = draw_genotype(GraphSpace(), nowhere).axes
    assert axes.texts[0].get_text() == "network (unused)"


@pytest.mark.parametrize("ending", [".svg", ".pdf", ".png"])
def test_the_same_genotype_gives_the_same_bytes(tmp_path, ending):
    paths = [tmp_path / f"{name}{ending}" for name in "ab"]
    for path in paths:
        save_drawing(GraphSpace(), LARGE, [path])
        random.random()
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_network_of_too_many_steps_is_refused():
    with pytest.raises(SettingsError, match="up to 2000 steps can be drawn, found 2001"):
        draw_network(ChainSpace(min_layers=2000, max_layers=2000), [0, 0, 0, 0] * 2000)


def test_a_genotype_of_another_space_is_refused():
    with pytest.raises(GenotypeError):
        draw_network(CHAINS, [9, 9, 9, 9])


@pytest.mark.parametrize("package", ["igraph", "matplotlib"])
def test_without_a_package_the_error_says_what_to_install(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed.*pip install 'deap-nas\[report\]'"):
        draw_network(GraphSpace(), backbone(3, [(0, 2)]))


@dataclass(frozen=True)
class Odd(OperationValue):
    """With a layer and a name from outside."""

    name: str

    def layers(self, in_channels, channels):
        return (Dilated(in_channels),)

    @property
    def label(self):
        return self.name


@pytest.mark.parametrize(("label", "words"), [("my_odd_block", "my odd block"), ("$x_{$ & <b>", "$x {$ & <b>")])
def test_a_label_from_outside_is_told_as_it_is_and_as_no_formula(tmp_path, label, words):
    figure = draw_network(GraphSpace(), Graph((Node("input"), Node(Odd(label), (0,), path=(0,))), 1))
    assert words in written(figure)
    save_figure(figure, [tmp_path / "x.svg"])
