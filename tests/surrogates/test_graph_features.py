"""Networks as numbers: equal for one network, different for others."""

import math
import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deap_nas import ChainSpace, DNASpace, FlatSpace, Genotype, HierarchicalSpace, MacroSpace, MicroSpace, canonical_key
from deap_nas.errors import GenotypeError
from deap_nas.graph import graphs_of, simplify
from deap_nas.surrogates import GraphFeatures
from deap_nas.surrogates.feature_columns import FeatureColumns

CELLS = FlatSpace(nodes=4, operations=("identity", "conv_1x1", "conv_3x3", "avg_pool_3x3"), merge="add")
SPACES = [CELLS, FlatSpace(nodes=5), HierarchicalSpace(), ChainSpace(), MacroSpace(layers=4), MicroSpace(), DNASpace()]


def features_of(space, *genotypes):
    return GraphFeatures(space).of(genotypes)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
@given(seed=st.integers(0, 2**32))
def test_each_group_says_something_of_any_network(space, seed):
    (features,) = features_of(space, space.sample(rng=random.Random(seed)))
    assert all(np.isfinite(list(group.values())).all() for group in features)
    assert features.patterns
    assert features.walks


@given(seed=st.integers(0, 2**32))
def test_cells_have_the_same_features_if_they_are_the_same_network(seed):
    rng = random.Random(seed)
    found = {}
    for genotype in [CELLS.sample(rng=rng) for _ in range(60)]:
        (features,) = features_of(CELLS, genotype)
        assert found.setdefault(canonical_key(CELLS, genotype), features) == features


def test_an_edge_that_leads_nowhere_is_not_seen():
    # the third node is taken by nobody
    assert features_of(CELLS, Genotype([2, 3, 1, 3, 0, 0])) == features_of(CELLS, Genotype([0, 0, 0, 3, 0, 0]))


def test_patterns_count_operations_with_what_they_take():
    one, two, other = features_of(
        CELLS, Genotype([3, 0, 3, 0, 0, 3]), Genotype([2, 0, 3, 0, 0, 3]), Genotype([3, 0, 2, 0, 0, 3])
    )
    assert sum(map(len, (one.patterns, one.walks))) < sum(map(len, (two.patterns, two.walks)))
    assert two.patterns != other.patterns  # the same operations in another order
    assert sorted(two.size.values()) == sorted(other.size.values())  # of the same size
    # three convolutions in a row: the input; two, and the last one; and each of the three with what it takes
    assert sorted(2**value - 1 for value in one.patterns.values()) == [1, 1, 1, 1, 1, 2]


def test_walks_are_as_long_as_they_may_be():
    chain = Genotype([3, 0, 2, 0, 0, 3])  # 3x3, 1x1, 3x3
    n_walks = [len(GraphFeatures(CELLS, longest_walk=longest).of([chain])[0].walks) for longest in (1, 2, 3, 4)]
    # of one operation: two kinds, and the last before the output; then the first after the input; then longer ones
    assert n_walks == sorted(n_walks)
    assert n_walks[2] > n_walks[1] > n_walks[0]


def ends_of_walks(graph, index, longest):
    """The last so many operations of each walk to a node, one after the other, and where it begins, if it is known."""
    node = graph.nodes[index]
    if index < graph.n_inputs:
        return [("input", index)]
    before = [walk for i in node.inputs for walk in ends_of_walks(graph, i, longest)]
    if node.operation in ("add", "concat"):
        return before
    walks = [(node.operation,), *((*walk, node.operation) for walk in before)]
    return [walk if walk[0] == "input" and len(walk) <= longest + 2 else walk[-longest:] for walk in walks]


@pytest.mark.parametrize("longest", [1, 2, 3, 4])
@pytest.mark.parametrize("space", [CELLS, FlatSpace(nodes=5), MacroSpace(layers=4)], ids=["add", "concat", "layers"])
@given(seed=st.integers(0, 2**32))
def test_walks_are_counted_as_by_hand(space, longest, seed):
    genotype = space.sample(rng=random.Random(seed))
    (graph,) = map(simplify, graphs_of(space.lower(genotype)))
    assume(graph.output is not None)
    counts = Counter((*walk, "output") for walk in ends_of_walks(graph, graph.output, longest))
    for index, node in enumerate(graph.nodes):
        if node.operation not in ("input", "add", "concat"):
            counts.update(ends_of_walks(graph, index, longest))
    (features,) = GraphFeatures(space, longest_walk=longest).of([genotype])
    assert sorted(features.walks.values()) == pytest.approx([math.log2(1 + count) for count in sorted(counts.values())])


def test_widths_are_told_apart_by_patterns_and_sizes_not_by_walks():
    space = ChainSpace(max_layers=1)
    narrow, wide = [0, 0, 0, 0], [0, 2, 0, 0]  # operation, channels, window, stride
    one, other = features_of(space, Genotype(narrow), Genotype(wide))
    assert "conv_1x1_64" in space.describe(Genotype(wide))
    assert one.walks == other.walks
    assert one.patterns != other.patterns
    assert one.size != other.size


def test_no_network_is_one_point_of_its_own():
    none, other, network = features_of(CELLS, Genotype([0] * 6), Genotype([1, 0, 0, 0, 0, 0]), Genotype([1] * 6))
    assert none == other != network
    assert not none.size


def test_a_genotype_of_another_space_is_refused():
    with pytest.raises(GenotypeError):
        features_of(CELLS, Genotype([9] * 6))


def test_features_are_the_same_in_every_process():
    script = (
        "from deap_nas import *; from deap_nas.surrogates import GraphFeatures; "
        "print(GraphFeatures(FlatSpace(nodes=4)).of([Genotype([2, 3, 1, 3, 2, 5])]))"
    )
    texts = {
        subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=env).stdout
        for env in ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"})
    }
    assert len(texts) == 1


@given(seed=st.integers(0, 2**32))
def test_columns_of_some_networks_keep_the_distances_to_others(seed):
    rng = random.Random(seed)
    known = features_of(CELLS, *(CELLS.sample(rng=rng) for _ in range(6)))
    others = features_of(CELLS, *(CELLS.sample(rng=rng) for _ in range(6)))
    columns = FeatureColumns(known)
    rows, unknown = columns.rows(known), columns.rows(others)
    scale = [group._scale for group in columns._groups]
    for other, there in zip(others, unknown, strict=True):
        for each, here in zip(known, rows, strict=True):
            expected = sum(
                factor**2 * sum((a.get(number, 0) - b.get(number, 0)) ** 2 for number in {*a, *b})
                for factor, a, b in zip(scale, each, other, strict=True)
            )
            assert ((here - there) ** 2).sum() == pytest.approx(expected)


def test_the_mean_squared_distance_is_one_and_each_group_has_its_part():
    rng = random.Random(0)
    features = features_of(CELLS, *(CELLS.sample(rng=rng) for _ in range(50)))
    rows = FeatureColumns(features).rows(features)
    distances = ((rows[:, None] - rows[None]) ** 2).sum(axis=-1)
    assert distances.mean() == pytest.approx(1)
    sizes = rows[:, -3:]
    assert ((sizes[:, None] - sizes[None]) ** 2).sum(axis=-1).mean() == pytest.approx(1 / 3)
