"""The search space of Real 2017: what is legal, what it is lowered to, rows from strangers, words."""

import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deap_nas import DNA, DNASpace, canonical_key, cost
from deap_nas.assembly import build_network
from deap_nas.dna import Edge, Filters, Skip, Vertex
from deap_nas.errors import GenotypeError
from deap_nas.template import plan_network
from deap_nas.training import Recipe
from tests.operators.test_dna_operators import backbone
from tests.strategies import seeds

SPACE = DNASpace()
TEMPLATE = SPACE.default_template(image_size=9)


def operations(dna):
    return [
        node.operation if isinstance(node.operation, str) else node.operation.label for node in SPACE.lower(dna).nodes
    ]


def test_the_linear_model_classifies_mean_colours():
    network = build_network(SPACE, DNA(), TEMPLATE).eval()
    images = torch.randn(2, 3, 9, 9)
    means = images.mean(dim=(2, 3), keepdim=True).expand_as(images)
    torch.testing.assert_close(network(images), network(means), atol=1e-5, rtol=1e-5)
    assert operations(DNA()) == ["input"]


def test_edges_and_vertices_become_convolutions_and_activations():
    assert operations(backbone("c", "i", "c")) == ["input", "conv_3x3_times1", "bn_relu", "conv_3x3_times1", "bn_relu"]
    assert operations(backbone("i", "i")) == ["input", "bn_relu"]


def test_what_skips_bring_is_resized_to_the_primary_edge():
    dna = backbone("c", "c", "c", skips=[(0, 2), (0, 3)])
    dna.edges[1] = Edge(20, Filters(channels=4.0, scale=1.0))
    plan = plan_network(SPACE, dna, TEMPLATE)
    shapes = {step.merge: step.shape for step in plan.steps if step.merge}
    assert shapes == {"resize": (12, 5, 5), "add": (12, 5, 5)}
    assert operations(dna).count("resize") == 2


def test_channels_follow_the_input_and_are_at_least_1():
    dna = backbone("c", "c")
    dna.edges[0] = Edge(10, Filters(channels=5.0))
    dna.edges[1] = Edge(20, Filters(channels=2.0))
    assert plan_network(SPACE, dna, TEMPLATE).steps[-1].input_shape[0] == 30
    dna.edges[0] = Edge(10, Filters(channels=0.01))
    assert plan_network(SPACE, dna, TEMPLATE).steps[-1].input_shape[0] == 2


def test_maps_of_any_stride_have_at_least_one_pixel():
    dna = backbone("c", "c")
    dna.edges[0] = Edge(10, Filters(scale=16.0))
    assert build_network(SPACE, dna, TEMPLATE)(torch.randn(2, 3, 9, 9)).shape == (2, 10)


def test_weights_are_drawn_as_he_does_for_a_sum_of_several_values():
    dna = backbone("c", "c", "c", "c", skips=[(0, 2), (0, 3), (1, 3)])
    dna.edges[0] = Edge(10, Filters(channels=30.0))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = build_network(SPACE, dna, TEMPLATE)
    found = {
        name: float(value.detach().var()) * value[0].numel()
        for name, value in network.named_parameters()
        if value.dim() == 4
    }
    assert found["layers.graph_20.0.weight"] == pytest.approx(1, rel=0.05)
    assert found["layers.graph_30.0.weight"] == pytest.approx(2 / 3, rel=0.05)
    assert found["layers.graph_40.0.weight"] == pytest.approx(2, rel=0.05)


@given(seeds)
@settings(max_examples=30)
def test_the_cost_is_that_of_the_module_and_both_assemblies_agree(seed):
    dna = SPACE.sample(rng=random.Random(seed))
    network, naive = (build_network(SPACE, dna, TEMPLATE, naive=naive).double().eval() for naive in (False, True))
    assert sum(parameter.numel() for parameter in network.parameters()) == cost(SPACE, dna, TEMPLATE).n_parameters
    naive.load_state_dict(network.state_dict())
    images = torch.randn(2, 3, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network(images), naive(images))


def test_keys_tell_networks_apart_and_not_their_ids():
    one, other = backbone("c", "i", skips=[(0, 2)]), backbone("c", "i", skips=[(0, 2)])
    other.vertices[1], other.edges[0], other.head = Vertex(5, True), Edge(6, Filters()), 3
    assert canonical_key(SPACE, one) == canonical_key(SPACE, other)
    for change in (Filters(channels=1.5), Filters(half_width=2.0), Filters(scale=1.0)):
        other.edges[0] = Edge(6, change)
        assert canonical_key(SPACE, one) != canonical_key(SPACE, other)


def test_a_genotype_is_trained_with_its_own_learning_rate():
    dna = backbone("c")
    dna.learning_rate = 0.03
    assert SPACE.adapt_recipe(dna, Recipe(steps=7, drops=())) == Recipe(steps=7, drops=(), learning_rate=0.03)


BAD = {
    "a learning rate of 0": {"learning_rate": 0.0},
    "one that is no number": {"learning_rate": math.nan},
    "one that is infinite": {"learning_rate": math.inf},
    "a vertex too many": {"vertices": [Vertex(0), Vertex(1), Vertex(2)]},
    "no image": {"vertices": [Vertex(3), Vertex(4)]},
    "no vertex": {"vertices": []},
    "an image with ReLU": {"vertices": [Vertex(0, True), Vertex(4)]},
    "an id twice": {"vertices": [Vertex(0), Vertex(10)]},
    "an id that is none": {"head": -1},
    "an id that is too large": {"head": 2**60},
    "no channels": {"edges": [Edge(10, Filters(channels=0.0))]},
    "windows without end": {"edges": [Edge(10, Filters(half_width=math.inf))]},
    "a negative stride": {"edges": [Edge(10, Filters(scale=-1.0))]},
    "a number that is a text": {"edges": [Edge(10, Filters(scale="1"))]},
    "a skip beside an edge": {"skips": [Skip(8, 0, 11)]},
    "a skip from nowhere": {"skips": [Skip(8, 9, 11)]},
    "a skip backward": {"skips": [Skip(8, 11, 0)]},
    "a skip to itself": {"skips": [Skip(8, 11, 11)]},
}


@pytest.mark.parametrize("change", BAD.values(), ids=list(BAD))
def test_illegal_genotypes_are_refused_in_words(change):
    dna = backbone("c")
    SPACE.validate(dna)
    vars(dna).update(change)
    for method in (SPACE.validate, SPACE.lower, SPACE.describe):
        with pytest.raises(GenotypeError, match=r"must|a backbone is|a skip leads|ids"):
            method(dna)


def test_parallel_skips_and_other_objects_are_refused():
    dna = backbone("c", "c", skips=[(0, 2), (0, 2)])
    with pytest.raises(GenotypeError, match="skips must not be parallel"):
        SPACE.validate(dna)
    with pytest.raises(GenotypeError, match="expected a DNA, found"):
        SPACE.validate([1, 2])


@given(st.lists(st.floats() | st.sampled_from([0.0, 1.0, 2.0, 0.1]), max_size=30))
def test_any_row_is_read_or_refused(row):
    try:
        dna = SPACE.decode(np.array(row))
    except GenotypeError:
        return
    try:
        SPACE.validate(dna)
    except GenotypeError:
        return
    assert SPACE.encode(dna).tolist() == row


@pytest.mark.parametrize(
    "row", [[0.1, 7, 1e300], [0.1, 7, -1], [0.1, 7, 0.5], [0.1, math.nan, 0], [0.1, 7, 0, 1, 2], ["a", 1, 0]]
)
def test_rows_of_strangers_are_refused(row):
    with pytest.raises(GenotypeError, match="of no DNA"):
        SPACE.decode(row)


def test_a_genotype_is_said_in_words():
    dna = backbone("c", "i", "c", skips=[(0, 2)])
    dna.edges[2] = Edge(30, Filters(1.5, 2.0, 0.3, 1.0))
    assert SPACE.describe(dna).splitlines() == [
        "learning rate 0.1",
        "    1  conv 3x3 of 0, BN + ReLU",
        "    2  identity of 1 + 0",
        "    3  conv 5x1, 1.5 times the channels, /2 of 2, BN + ReLU",
    ]
    assert SPACE.describe(DNA()).splitlines() == ["learning rate 0.1", "    linear: no convolution"]


def test_what_turned_a_parent_into_its_child_is_said_in_words():
    parent = backbone("c", "i", "c", skips=[(0, 2)])

    def words(**changes):
        child = DNA(parent)
        vars(child).update(changes)
        return SPACE.changes(parent, child)

    def altered(**numbers):
        return words(edges=[Edge(10, Filters()._replace(**numbers)), *parent.edges[1:]])

    assert words() == []
    assert words(learning_rate=0.05) == ["learning rate 0.1 -> 0.05"]
    assert words(head=9) == ["reset weights"]
    assert words(skips=[]) == ["remove skip 0 -> 2"]
    assert words(skips=[*parent.skips, Skip(5, 11, 31)]) == ["add skip 1 -> 3"]
    assert altered(channels=1.5) == ["channels x1 -> x1.5 at 1"]
    assert altered(half_height=1.2) == ["window height 3, from 3 to 3.4 at 1"]
    assert altered(half_width=2.0) == ["window width 3 -> 5 at 1"]
    assert altered(scale=1.0) == ["stride 1 -> 2 at 1"]
    inserted = [parent.edges[0], Edge(5, Filters(scale=1.0)), *parent.edges[1:]]
    vertices = [*parent.vertices[:2], Vertex(6, True), *parent.vertices[2:]]
    assert words(edges=inserted, vertices=vertices) == ["insert conv 3x3, /2, BN + ReLU at 2"]
    assert words(edges=parent.edges[:2], vertices=parent.vertices[:3]) == ["remove conv 3x3, BN + ReLU at 3"]
