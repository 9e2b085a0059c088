import os
import random
import subprocess
import sys
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deap_nas import FlatSpace, Graph, HierarchicalSpace, canonical_key
from deap_nas.errors import GenotypeError
from deap_nas.graph import Node, graph_key, prune, simplify
from tests.networks import brute_force_form, dead_edges, gene_numbers, reorder_motifs, reorder_nodes, used_motifs
from tests.strategies import genes_of, hierarchical_spaces, seeds, spaces_and_genes


def flat_genes(space, edges):
    """Genes of a flat space from {(predecessor, successor): operation}."""
    genes, number = [0] * space.n_genes, gene_numbers(space)
    for (j, i), operation in edges.items():
        genes[number[2, 1, i, j]] = space.operations.index(operation) + 1
    return genes


def assert_keys_agree_with_brute_force(space, genotypes):
    """Two keys are equal exactly where the brute-force forms are."""
    pairs = {(canonical_key(space, genes), brute_force_form(space, genes)) for genes in genotypes}
    keys, forms = {key for key, _ in pairs}, {form for _, form in pairs}
    assert len(keys) == len(pairs), "different networks share a key"
    assert len(forms) == len(pairs), "one network has several keys"
    assert len(forms) > 1


@pytest.mark.parametrize("merge", ["concat", "add"])
def test_all_genotypes_of_four_nodes_have_equal_keys_exactly_when_they_are_isomorphic(merge):
    space = FlatSpace(nodes=4, operations=("conv_1x1", "max_pool_3x3", "identity"), merge=merge)
    assert_keys_agree_with_brute_force(space, product(*(range(up + 1) for up in space.up)))


def test_genotypes_of_the_papers_operations_have_equal_keys_exactly_when_they_are_isomorphic():
    space, rng = FlatSpace(nodes=4), random.Random(1)
    assert_keys_agree_with_brute_force(space, [[rng.randint(0, up) for up in space.up] for _ in range(4000)])


def test_genotypes_of_five_nodes_have_equal_keys_exactly_when_they_are_isomorphic():
    space, rng = FlatSpace(nodes=5, operations=("depthwise_conv_3x3", "avg_pool_3x3", "identity")), random.Random(2)
    genotypes = [[rng.choice((0, 0, 1, 2, 3)) for _ in space.up] for _ in range(3000)]
    assert_keys_agree_with_brute_force(space, genotypes)


@pytest.mark.parametrize("projected_levels", [(2,), ()])
@pytest.mark.parametrize(("motifs", "nodes"), [((3, 1), (2, 3)), ((1, 2, 1), (2, 2, 3)), ((2, 1), (3, 2))])
def test_genotypes_of_small_hierarchies_have_equal_keys_exactly_when_they_are_isomorphic(
    motifs, nodes, projected_levels
):
    space = HierarchicalSpace(
        motifs=motifs,
        nodes=nodes,
        operations=("conv_1x1", "max_pool_3x3", "identity"),
        projected_levels=projected_levels,
    )
    assert_keys_agree_with_brute_force(space, product(*(range(up + 1) for up in space.up)))


@given(spaces_and_genes(), seeds, st.data())
def test_the_order_of_nodes_inside_a_motif_does_not_change_the_key(case, seed, data):
    space, genes = case
    level = data.draw(st.integers(2, space.n_levels))
    motif = data.draw(st.integers(1, space.motifs[level - 2]))
    changed = reorder_nodes(space, genes, level, motif, random.Random(seed))
    assert canonical_key(space, changed) == canonical_key(space, genes)


@pytest.mark.parametrize("merge", ["concat", "add"])
def test_the_order_of_nodes_does_not_change_the_key_of_many_sparse_cells(merge):
    rng, space = random.Random(3), FlatSpace(nodes=8, operations=("conv_1x1", "max_pool_3x3", "identity"), merge=merge)
    for _ in range(300):
        genes = [rng.choice((0, 0, 1, 2, 3)) for _ in range(space.n_genes)]
        changed = reorder_nodes(space, genes, 2, 1, rng)
        assert canonical_key(space, changed) == canonical_key(space, genes)


@given(spaces_and_genes(hierarchical_spaces()), st.data())
def test_the_order_of_motifs_does_not_change_the_key(case, data):
    space, genes = case
    level = data.draw(st.integers(2, space.n_levels))
    order = data.draw(st.permutations(range(1, space.motifs[level - 2] + 1)))
    assert canonical_key(space, reorder_motifs(space, genes, level, order)) == canonical_key(space, genes)


@given(spaces_and_genes(hierarchical_spaces()), st.data())
def test_genes_of_unused_motifs_do_not_change_the_key(case, data):
    space, genes = case
    used, other = used_motifs(space, genes), data.draw(genes_of(space))
    changed = [genes[index] if place[:2] in used else other[index] for place, index in gene_numbers(space).items()]
    assert canonical_key(space, changed) == canonical_key(space, genes)


@given(spaces_and_genes(), st.data())
def test_the_label_of_a_dead_edge_does_not_change_the_key(case, data):
    space, genes = case
    dead = [
        gene
        for level, n_motifs in enumerate(space.motifs, start=2)
        for motif in range(1, n_motifs + 1)
        for gene in dead_edges(space, genes, level, motif)
    ]
    if dead:
        gene = data.draw(st.sampled_from(dead))
        changed = [*genes[:gene], data.draw(st.integers(0, space.up[gene])), *genes[gene + 1 :]]
        assert canonical_key(space, changed) == canonical_key(space, genes)


@given(spaces_and_genes())
def test_graphs_keep_their_key_through_the_passes(case):
    space, genes = case
    graph = space.lower(genes)
    key = canonical_key(space, genes)
    assert key == graph_key(graph) == graph_key(prune(graph)) == graph_key(simplify(graph))


def test_genotypes_without_a_path_share_one_key_in_all_spaces():
    spaces = (FlatSpace(), HierarchicalSpace(), FlatSpace(nodes=3))
    assert len({canonical_key(space, [0] * space.n_genes) for space in spaces}) == 1


def test_the_trivial_cell_has_the_key_of_the_input_alone_in_flat_spaces():
    assert canonical_key(FlatSpace(nodes=3), [6, 0, 6]) == graph_key(Graph((Node("input"),), 0))


def test_concatenations_of_the_same_values_in_another_order_are_one_value():
    space = FlatSpace(nodes=7, operations=("conv_1x1", "conv_3x3", "max_pool_3x3", "identity"))
    tail = {(5, 7): "max_pool_3x3", (6, 7): "max_pool_3x3"}
    crossed = {(1, 2): "conv_1x1", (1, 3): "conv_3x3", (2, 4): "identity", (3, 5): "identity", (4, 5): "identity"}
    crossed |= {(2, 6): "identity", (3, 6): "identity"}
    straight = {(1, 2): "conv_1x1", (2, 3): "identity", (1, 4): "conv_3x3", (3, 5): "identity", (4, 5): "identity"}
    straight |= {(2, 6): "identity", (4, 6): "identity"}
    keys = {canonical_key(space, flat_genes(space, edges | tail)) for edges in (crossed, straight)}
    assert len(keys) == 1


def test_concatenations_that_become_one_value_by_way_of_another_are_one_value():
    start = (Node("input"), Node("conv_1x1", (0,)), Node("conv_3x3", (0,)), Node("concat", (1, 2)))
    start += (Node("max_pool_3x3", (3,)), Node("avg_pool_3x3", (0,)))
    crossed = (Node("concat", (2, 1)), Node("max_pool_3x3", (6,)), Node("concat", (5, 7)), Node("concat", (4, 5)))
    crossed += (Node("max_pool_3x3", (8,)), Node("max_pool_3x3", (9,)), Node("concat", (10, 11)))
    straight = (Node("concat", (4, 5)), Node("max_pool_3x3", (6,)), Node("concat", (7, 7)))
    assert graph_key(Graph(start + crossed, 12)) == graph_key(Graph(start + straight, 8))


def test_widths_are_compared_by_their_channels_and_not_by_the_value_that_sets_them():
    space = HierarchicalSpace(motifs=(2, 1), nodes=(2, 3), operations=("conv_1x1", "identity"))
    two_projections = [2, 1, 1, 0, 1]  # identity motif twice, each followed by its projection
    one_of_each = [2, 1, 0, 2, 0]  # the motif that is a 1x1 convolution, and its projection
    assert canonical_key(space, two_projections) == canonical_key(space, one_of_each)


def test_projections_to_different_widths_have_different_keys():
    nodes = (Node("input"), Node("concat", (0, 0)), Node("conv_1x1", (1,), width_of=1), Node("conv_1x1", (1,)))
    assert graph_key(Graph(nodes[:3], 2)) != graph_key(Graph((*nodes[:2], nodes[3]), 2))


def test_pools_of_a_concatenation_in_two_orders_are_one_value():
    start = (Node("input"), Node("conv_1x1", (0,)), Node("concat", (0, 1)), Node("concat", (1, 0)))
    twice = (*start, Node("max_pool_3x3", (2,)), Node("max_pool_3x3", (3,)), Node("concat", (4, 5)))
    once = (*start[:3], Node("max_pool_3x3", (2,)), Node("concat", (3, 3)))
    assert graph_key(Graph(twice, 6)) == graph_key(Graph(once, 4))


def test_values_that_differ_in_their_width_alone_may_come_in_any_order():
    wide, narrow = Node("conv_1x1", (1,), width_of=1), Node("conv_1x1", (1,))
    start = (Node("input"), Node("concat", (0, 0)))
    keys = {
        graph_key(Graph((*start, *pair, Node("max_pool_3x3", (2,)), Node("concat", (3, 4))), 5))
        for pair in ((wide, narrow), (narrow, wide))
    }
    assert len(keys) == 2
    keys = {graph_key(Graph((*start, *pair, Node("concat", (2, 3))), 4)) for pair in ((wide, narrow), (narrow, wide))}
    assert len(keys) == 1


def ring_cell(rings, rng):
    """A cell in which each convolution meets two others, so that they form rings of these lengths; in random order."""
    convolutions = list(range(1, sum(rings) + 1))
    rng.shuffle(convolutions)
    pairs, first = [], 0
    for length in rings:
        ring = convolutions[first : first + length]
        pairs += zip(ring, [*ring[1:], ring[0]], strict=True)
        first += length
    rng.shuffle(pairs)
    nodes = [Node("input"), *(Node("conv_1x1", (0,)) for _ in convolutions)]
    for pair in pairs:
        nodes += [Node("concat", pair), Node("conv_3x3", (len(nodes),))]
    ends = range(len(convolutions) + 2, len(nodes), 2)
    return Graph((*nodes, Node("concat", tuple(ends))), len(nodes))


@pytest.mark.parametrize("rings", [(6,), (3, 3), (6, 3, 3), (3, 4, 5), (5, 5)])
def test_cells_full_of_look_alikes_keep_their_key_in_any_order(rings):
    rng = random.Random(4)
    assert len({graph_key(ring_cell(rings, rng)) for _ in range(20)}) == 1


def test_cells_that_look_alike_everywhere_but_are_different_have_different_keys():
    rng, rings = (
        random.Random(5),
        [(12,), (6, 6), (3, 3, 6), (4, 4, 4), (3, 3, 3, 3), (5, 7), (4, 8), (3, 9), (3, 4, 5)],
    )
    assert len({graph_key(ring_cell(lengths, rng)) for lengths in rings}) == len(rings)


def test_a_sum_of_concatenations_minds_the_order_of_channels():
    def cell(second):
        return Graph(
            (
                Node("input"),
                Node("conv_1x1", (0,)),
                Node("conv_3x3", (0,)),
                Node("concat", (1, 2)),
                Node("concat", second),
                Node("add", (3, 4)),
            ),
            5,
        )

    assert graph_key(cell((1, 2))) != graph_key(cell((2, 1)))


def test_genes_of_another_space_are_refused():
    with pytest.raises(GenotypeError):
        canonical_key(FlatSpace(nodes=3), [1])


def test_the_key_of_a_genotype_is_the_same_in_every_version_of_python():
    assert canonical_key(FlatSpace(nodes=3), [1, 2, 6]) == "75753d5316eaa3fd7734897c01e4c394"


def test_the_key_is_32_hexadecimal_digits_and_the_same_in_every_process():
    key = canonical_key(HierarchicalSpace(), [3] * 36 + [2] * 10)
    script = "from deap_nas import *; print(canonical_key(HierarchicalSpace(), [3] * 36 + [2] * 10))"
    path = os.pathsep.join(filter(None, sys.path))
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
        output = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment).stdout
        assert output.decode().strip() == key
    assert len(key) == 32
    assert set(key) <= set("0123456789abcdef")
