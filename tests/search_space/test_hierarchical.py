import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deap_nas import FlatSpace, Genotype, HierarchicalSpace, NetworkTemplate, canonical_key, cost
from deap_nas.errors import GenotypeError, NotViableError, SettingsError, UnknownNameError
from deap_nas.graph import PAPER_OPERATIONS
from deap_nas.search_space import GenePlace
from tests.networks import Values, dead_edges, gene_numbers, needed, read_genes
from tests.strategies import flat_spaces, spaces, spaces_and_genes

TINY = HierarchicalSpace(motifs=(2, 1), nodes=(3, 3), operations=("conv_1x1", "max_pool_3x3", "identity"))


def test_the_papers_hierarchical_space_has_46_genes():
    space = HierarchicalSpace()
    assert space.n_genes == 46
    assert space.n_levels == 3
    assert space.low == [0] * 46
    assert space.up == [6] * 46
    assert space.operations == PAPER_OPERATIONS


@pytest.mark.parametrize(("motifs", "nodes"), [((1,), (100_000,)), ((10**12, 1), (2, 2)), ((2**16, 1), (2, 2))])
def test_a_vast_space_is_refused_before_it_is_laid_out(motifs, nodes):
    with pytest.raises(SettingsError, match="at most 65536 genes, found"):
        HierarchicalSpace(motifs=motifs, nodes=nodes)


def test_a_space_of_as_many_genes_as_a_file_can_hold_is_laid_out():
    space = HierarchicalSpace(motifs=(30_000, 1), nodes=(2, 200))
    assert len(space.up) == space.n_genes == 30_000 + 19_900
    assert set(space.up[30_000:]) == {30_000}


def test_the_papers_flat_space_has_55_genes():
    space = FlatSpace()
    assert (space.n_genes, space.n_levels, space.motifs, space.nodes) == (55, 2, (1,), (11,))
    assert space.up == [6] * 55


def test_a_nas_bench_201_cell_is_a_flat_space():
    space = FlatSpace(nodes=4, operations=("conv_1x1", "conv_3x3", "avg_pool_3x3", "identity"), merge="add")
    assert space.n_genes == 6
    assert space.up == [4] * 6


@given(spaces())
def test_genes_stand_in_the_pinned_order(space):
    expected = gene_numbers(space)
    assert space.n_genes == len(space.low) == len(space.up) == len(expected)
    for (level, motif, successor, predecessor), index in expected.items():
        place = GenePlace(level, motif, successor, predecessor)
        assert space.place(index) == place
        assert space.index(place) == index
        n_labels = len(space.operations) if level == 2 else space.motifs[level - 3]
        assert (space.low[index], space.up[index]) == (0, n_labels)
        assert index in range(space.n_genes)[space.motif_genes(level, motif)]


@given(spaces())
def test_the_genes_of_the_motifs_make_up_the_genotype(space):
    slices = [
        space.motif_genes(level, motif)
        for level, n_motifs in enumerate(space.motifs, start=2)
        for motif in range(1, n_motifs + 1)
    ]
    assert [gene for where in slices for gene in range(space.n_genes)[where]] == list(range(space.n_genes))


@given(spaces_and_genes())
def test_legal_genes_are_accepted_as_any_sequence(case):
    space, genes = case
    for sequence in (genes, tuple(genes), Genotype(genes)):
        assert space.validate(sequence) is None


@given(spaces_and_genes(), st.sampled_from(["uint8", "int32", "int64", "uint64"]))
def test_numpy_genes_mean_what_plain_ones_mean(case, dtype):
    space, genes = case
    array = np.array(genes, dtype=dtype)
    template = NetworkTemplate.small_cifar(channels=4)
    space.validate(array)
    space.validate(list(array))
    for method in (space.lower, space.motifs_of, space.describe, lambda genes: canonical_key(space, genes)):
        assert method(array) == method(genes)
    if space.lower(genes).output is None:
        with pytest.raises(NotViableError):
            cost(space, array, template)
    else:
        assert cost(space, array, template) == cost(space, genes, template)


@given(spaces_and_genes(), st.data())
def test_one_gene_out_of_its_range_is_refused(case, data):
    space, genes = case
    index = data.draw(st.integers(0, space.n_genes - 1))
    genes[index] = data.draw(st.integers(space.up[index] + 1) | st.integers(max_value=-1))
    for method in (space.validate, space.lower, space.motifs_of, space.describe):
        with pytest.raises(GenotypeError, match=rf"gene {index} .*in 0\.\.{space.up[index]}, found {genes[index]}"):
            method(genes)


def test_the_message_names_the_gene_its_place_its_range_and_the_value():
    message = r"^gene 4 \(level 2, motif 2, edge 1 -> 3\) must be an integer in 0\.\.3, found 9$"
    with pytest.raises(GenotypeError, match=message):
        TINY.validate([0, 0, 0, 0, 9, 0, 0, 0, 0])


def test_a_numpy_gene_out_of_its_range_is_shown_as_a_plain_integer():
    with pytest.raises(GenotypeError, match=r"gene 4 .* must be an integer in 0\.\.3, found 9$"):
        TINY.validate(np.array([0, 0, 0, 0, 9, 0, 0, 0, 0]))


@pytest.mark.parametrize("value", [1.0, "1", None, True, np.float64(1), np.True_, np.array([1])])
def test_a_gene_that_is_no_integer_is_refused(value):
    with pytest.raises(GenotypeError, match=r"gene 0 .* must be an integer"):
        TINY.validate([value] + [0] * 8)


@pytest.mark.parametrize("length", [0, 8, 10])
def test_a_wrong_number_of_genes_is_refused(length):
    with pytest.raises(GenotypeError, match=f"expected 9 genes, found {length}"):
        TINY.validate([0] * length)


@given(spaces())
def test_a_space_survives_json_pickle_and_deepcopy(space):
    fields = json.loads(json.dumps(space.to_dict()))
    for twin in (HierarchicalSpace.from_dict(fields), pickle.loads(pickle.dumps(space)), copy.deepcopy(space)):
        assert twin == space
        assert hash(twin) == hash(space)
        assert (twin.n_genes, twin.low, twin.up) == (space.n_genes, space.low, space.up)


def test_spaces_with_other_genes_or_meanings_differ():
    different = [
        HierarchicalSpace(),
        HierarchicalSpace(motifs=(5, 1)),
        HierarchicalSpace(nodes=(4, 4)),
        HierarchicalSpace(operations=PAPER_OPERATIONS[::-1]),
        HierarchicalSpace(merge="add"),
        HierarchicalSpace(projected_levels=()),
        FlatSpace(),
    ]
    assert all((a == b) == (i == j) for i, a in enumerate(different) for j, b in enumerate(different))
    assert HierarchicalSpace() != "hierarchical"


@given(flat_spaces())
def test_a_flat_space_is_a_hierarchical_one_of_one_motif(space):
    twin = HierarchicalSpace(motifs=(1,), nodes=space.nodes, operations=space.operations, merge=space.merge)
    assert space == twin
    assert hash(space) == hash(twin)


def test_lists_are_as_good_as_tuples():
    space = HierarchicalSpace(motifs=[2, 1], nodes=[3, 3], operations=["conv_1x1", "max_pool_3x3", "identity"])
    assert space == TINY


def test_numpy_integers_become_plain_ones():
    space = HierarchicalSpace(motifs=np.array([6, 1]), nodes=list(np.array([4, 5])), projected_levels=(np.int8(2),))
    assert space == HierarchicalSpace()
    assert FlatSpace(nodes=np.int64(11)) == FlatSpace()
    assert {type(n) for n in (*space.motifs, *space.nodes, *space.projected_levels)} == {int}
    assert json.loads(json.dumps(space.to_dict())) == space.to_dict()


def test_a_space_shows_the_arguments_that_make_it():
    assert repr(HierarchicalSpace(operations=("identity",))) == (
        "HierarchicalSpace(motifs=(6, 1), nodes=(4, 5), operations=('identity',), merge='concat', "
        "projected_levels=(2,))"
    )
    assert repr(FlatSpace()) == f"FlatSpace(nodes=11, operations={PAPER_OPERATIONS}, merge='concat')"


@given(spaces() | flat_spaces())
def test_a_space_is_made_again_from_what_it_shows(space):
    twin = eval(repr(space))
    assert twin == space
    assert type(twin) is type(space)


@given(flat_spaces())
def test_a_flat_space_stays_one_through_its_description_pickle_and_deepcopy(space):
    fields = json.loads(json.dumps(space.to_dict()))
    for twin in (FlatSpace.from_dict(fields), pickle.loads(pickle.dumps(space)), copy.deepcopy(space)):
        assert type(twin) is FlatSpace
        assert twin == space
        assert hash(twin) == hash(space)
        assert (twin.n_genes, twin.low, twin.up) == (space.n_genes, space.low, space.up)


def test_what_a_description_leaves_out_takes_its_default():
    assert HierarchicalSpace.from_dict({"kind": "hierarchical"}) == HierarchicalSpace()
    assert HierarchicalSpace.from_dict({"nodes": [3, 3]}) == HierarchicalSpace(nodes=(3, 3))
    assert FlatSpace.from_dict({}) == FlatSpace()
    assert FlatSpace.from_dict({"merge": "add"}) == FlatSpace(merge="add")


def test_a_description_of_more_than_one_level_is_no_flat_space():
    with pytest.raises(SettingsError, match=r"a flat space has one level of motifs, found motifs=\(2, 1\)"):
        FlatSpace.from_dict(TINY.to_dict())


def test_a_space_cannot_be_changed():
    with pytest.raises(AttributeError):
        TINY.merge = "add"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"motifs": (6,)}, "motifs and nodes need one entry a level"),
        ({"motifs": (), "nodes": ()}, "motifs and nodes need one entry a level"),
        ({"motifs": (6, 2)}, "end with 1, the cell"),
        ({"motifs": (0, 1)}, "motifs must be positive"),
        ({"motifs": (1.5, 1)}, "motifs must be positive"),
        ({"motifs": (1, True)}, "motifs must be positive"),
        ({"motifs": 6}, "motifs must be a sequence"),
        ({"motifs": np.int64(6)}, "motifs must be a sequence"),
        ({"nodes": None}, "nodes must be a sequence"),
        ({"nodes": (1, 5)}, "at least 2 nodes"),
        ({"nodes": (4, 5.0)}, "at least 2 nodes"),
        ({"operations": ()}, "at least one"),
        ({"operations": ("identity", "identity")}, "different names"),
        ({"operations": "identity"}, "operations must be a sequence"),
        ({"projected_levels": (2.0,)}, r"projected_levels must lie in 2\.\.3"),
        ({"projected_levels": (4,)}, r"projected_levels must lie in 2\.\.3"),
        ({"projected_levels": (1,)}, r"projected_levels must lie in 2\.\.3"),
    ],
)
def test_arguments_that_make_no_space_are_refused(arguments, message):
    with pytest.raises(SettingsError, match=message):
        HierarchicalSpace(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"operations": ("conv_9x9",)}, "unknown operation 'conv_9x9'; known: .*identity"),
        ({"operations": ("none",)}, "unknown operation 'none'"),
        ({"merge": "multiply"}, "unknown merge 'multiply'; known: add, concat"),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(arguments, message):
    with pytest.raises(UnknownNameError, match=message):
        FlatSpace(**arguments)


@pytest.mark.parametrize("kind", [HierarchicalSpace, FlatSpace])
def test_a_description_with_unknown_fields_is_refused_by_their_names(kind):
    with pytest.raises(SettingsError, match=r"unknown 'colour', 'size': a space is described by motifs, nodes, "):
        kind.from_dict({"colour": "red", "merge": "add", "size": 3})


def test_labels_are_operations_at_level_2_and_motifs_above():
    space = HierarchicalSpace(motifs=(2, 3, 1), nodes=(2, 2, 2), operations=("identity", "conv_1x1"))
    assert space.labels(2) == ("none", "identity", "conv_1x1")
    assert space.labels(3) == ("none", "motif 1", "motif 2")
    assert space.labels(4) == ("none", "motif 1", "motif 2", "motif 3")


def test_lowering_follows_the_edges_of_a_flat_cell():
    graph = FlatSpace(nodes=4).lower([1, 2, 0, 6, 3, 4])
    assert [(node.operation, node.inputs, node.path) for node in graph.nodes] == [
        ("input", (), ()),
        ("conv_1x1", (0,), (0,)),
        ("depthwise_conv_3x3", (0,), (1,)),
        ("identity", (0,), (3,)),
        ("separable_conv_3x3", (1,), (4,)),
        ("max_pool_3x3", (2,), (5,)),
        ("concat", (3, 4, 5), ()),
    ]
    assert graph.output == 6


def test_lowering_puts_the_motif_on_the_edge_and_a_projection_behind_it():
    graph = TINY.lower([0, 0, 0, 2, 0, 1, 2, 0, 2])
    assert [(node.operation, node.inputs, node.width_of, node.path) for node in graph.nodes[1:]] == [
        ("max_pool_3x3", (0,), 0, (6, 3)),
        ("conv_1x1", (1,), 0, (6, 5)),
        ("conv_1x1", (2,), 0, (6,)),
        ("max_pool_3x3", (3,), 0, (8, 3)),
        ("conv_1x1", (4,), 0, (8, 5)),
        ("conv_1x1", (5,), 3, (8,)),
    ]
    assert graph.output == 6


def test_a_motif_whose_sink_is_unreachable_acts_as_none():
    assert TINY.lower([1, 0, 0, 3, 0, 3, 1, 1, 1]).output is None
    graph = TINY.lower([1, 0, 0, 3, 0, 3, 1, 2, 1])
    assert graph.nodes[graph.output].path == (7,)


def test_a_cell_whose_sink_is_unreachable_lowers_to_no_output():
    assert HierarchicalSpace().lower([0] * 46).output is None


@given(spaces_and_genes())
def test_an_edge_is_used_exactly_when_something_the_network_computes_came_from_it(case):
    space, genes = case
    values = Values()
    output = read_genes(space, genes, values)
    motifs = space.motifs_of(genes)
    edges = {}
    for motif in motifs:
        m = int(motif.name.rpartition(" ")[2]) if "motif" in motif.name else 1
        assert motif.n_nodes == space.nodes[motif.level - 2]
        edges |= {(motif.level, m, edge.successor, edge.predecessor): edge for edge in motif.edges}
    number = gene_numbers(space)
    assert set(edges) == set(number)
    used = {index for place, index in number.items() if edges[place].used}
    for place, index in number.items():
        assert edges[place].label == space.labels(place[0])[genes[index]]
    if output is None:
        assert not used
    else:
        weighted = {gene for n in needed(values, output) for gene in values.keys[n][2] or ()}
        assert weighted <= used
    for level, motif in {place[:2] for place in number}:
        assert not used & set(dead_edges(space, genes, level, motif))
    assert not used & {index for index in number.values() if genes[index] == 0}


def test_motifs_are_listed_from_the_cell_down():
    names = [motif.name for motif in HierarchicalSpace(motifs=(2, 2, 1), nodes=(2, 2, 2)).motifs_of([0] * 5)]
    assert names == [
        "level 4, cell",
        "level 3, motif 1",
        "level 3, motif 2",
        "level 2, motif 1",
        "level 2, motif 2",
    ]


def test_describe_says_what_is_used_unused_and_dead():
    assert TINY.describe([3, 1, 0, 0, 0, 0, 1, 1, 0]) == "\n".join(
        [
            "level 3, cell",
            "  1 -> 2  motif 1  (dead)",
            "  1 -> 3  motif 1",
            "level 2, motif 1",
            "  1 -> 2  identity  (dead)",
            "  1 -> 3  conv_1x1",
            "level 2, motif 2 (unused)",
            "  no edges",
        ]
    )
