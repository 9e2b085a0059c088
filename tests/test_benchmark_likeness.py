"""How alike two networks are, in the words that the benchmarks have for networks of all spaces."""

import itertools
import math
import random
import statistics
from importlib import import_module

import igraph
import pytest

from deap_nas import FlatSpace, Genotype, HierarchicalSpace, canonical_key, initDiversified
from deap_nas.errors import NotViableError
from deap_nas.graph import BatchNormReLU, Pooling, ScaledConvolution
from tests.launch import ROOT


@pytest.fixture
def likeness(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return import_module("likeness")


@pytest.fixture
def targets(likeness):
    return import_module("targets")


@pytest.fixture
def spaces(targets):
    unprojected = HierarchicalSpace(projected_levels=())
    return {name: each.space for name, each in targets.REPRESENTATIONS.items()} | {"hierarchical": unprojected}


@pytest.fixture
def counts(likeness, spaces):
    """Neighbourhoods of a genotype of the representation with a name."""
    return lambda name, genotype: likeness.neighbourhoods(likeness.graph_of(spaces[name], genotype))


@pytest.fixture
def samples(counts, targets):
    """Neighbourhoods of random networks of all spaces."""
    rng, found = random.Random(4), []
    for name in ("hierarchical", "flat", "DNA", "chain"):
        representation = targets.REPRESENTATIONS[name]
        while len(found) % 6 or not found or found[-1][0] != name:
            genotype = representation.random(representation.genotype, representation.space, rng=rng)
            try:
                found.append((name, counts(name, genotype)))
            except NotViableError:
                continue
    return [each for _, each in found]


def sketch_of(likeness, *nodes):
    """Say a network as (word, sources ...), node by node."""
    sketch = likeness.Sketch()
    places = [sketch.add(word, *sources) for word, *sources in nodes]
    return sketch, places


def test_one_chain_is_the_same_network_in_every_space(likeness, targets, counts):
    of_motifs, chain, c3, identity = targets.of_motifs, targets.chain, targets.C3, targets.IDENTITY
    said = {
        "DNA": targets.dna(4),
        "chain": Genotype([0, 2, 1, 1] * 2 + [1, 0, 1, 0] * 2),  # other channels, strides, kinds of convolution
        "flat": of_motifs("flat", {(2, 1): chain(*[c3] * 3, *[identity] * 6, "depthwise_conv_3x3")}),
        "hierarchical": of_motifs(
            "hierarchical", {(2, 1): chain(c3, identity, c3), (3, 1): {(1, 3): "motif 1", (3, 5): "motif 1"}}
        ),
    }
    found = {name: counts(name, genotype) for name, genotype in said.items()}
    assert all(each == likeness.neighbourhoods(targets.plain(4)) for each in found.values())
    for other in (targets.dna(5), targets.dna(4, [(0, 2)])):
        assert all(likeness.distance(each, counts("DNA", other)) > 0 for each in found.values())


def test_a_residual_block_is_the_same_network_by_a_skip_and_by_an_edge(targets, counts):
    c3, identity = targets.C3, targets.IDENTITY
    motif = targets.chain(c3, c3, identity) | {(1, 4): identity}
    hierarchical = targets.of_motifs("hierarchical", {(2, 3): motif, (3, 1): {(1, 5): "motif 3"}})
    flat = targets.of_motifs("flat", {(2, 1): {(1, 4): c3, (4, 11): c3, (1, 11): identity}})
    dna = counts("DNA", targets.dna(2, [(0, 2)]))
    assert dna == counts("hierarchical", hierarchical) == counts("flat", flat)
    assert dna != counts("DNA", targets.dna(2))


def test_distance_is_a_metric(likeness, samples):
    distance = likeness.distance
    for one, other in itertools.product(samples, repeat=2):
        assert distance(one, other) == distance(other, one)
        assert (distance(one, other) == 0) == (one == other)
        assert 0 <= distance(one, other) <= 1
    for one, two, three in itertools.combinations(samples, 3):
        sides = sorted([distance(one, two), distance(two, three), distance(one, three)])
        assert sides[2] <= sides[0] + sides[1] + 1e-12


def test_distance_is_the_share_that_is_not_in_common(likeness, targets):
    two, three = (likeness.neighbourhoods(targets.plain(length), rounds=0) for length in (2, 3))
    assert likeness.distance(two, three) == pytest.approx(1 / 5)  # of a common input and output, and 3 convolutions
    assert likeness.distance(two, type(two)()) == 1


def test_the_names_of_motifs_mean_nothing(counts, spaces):
    space, rng, n_networks = spaces["hierarchical"], random.Random(0), 0
    for _ in range(20):
        genotype = initDiversified(Genotype, space, rng=rng)
        order = rng.sample(range(1, 7), 6)  # what each motif is called
        renamed = Genotype(genotype)
        for motif, name in enumerate(order, start=1):
            renamed[space.motif_genes(2, name)] = genotype[space.motif_genes(2, motif)]
        cell = space.motif_genes(3, 1)
        renamed[cell] = [label and order[label - 1] for label in genotype[cell]]
        try:
            assert counts("hierarchical", renamed) == counts("hierarchical", genotype)
        except NotViableError:
            continue
        n_networks += renamed != genotype
    assert n_networks > 10


def test_equal_networks_have_no_distance(counts, spaces):
    """As the canonical key says it, which tells more networks apart."""
    rng, found = random.Random(1), {}
    for _ in range(500):
        genotype = initDiversified(Genotype, spaces["flat"], n_mutations=rng.randrange(12), rng=rng)
        try:
            found.setdefault(canonical_key(spaces["flat"], genotype), []).append(counts("flat", genotype))
        except NotViableError:
            continue
    assert sum(len(each) > 1 for each in found.values()) > 20
    assert all(each == alike[0] for alike in found.values() for each in alike)


def test_networks_without_a_distance_are_equal(likeness):
    """For networks as small as the targets: any two in which the same neighbourhoods are found."""
    rng, space, found = random.Random(2), FlatSpace(nodes=6), {}
    for _ in range(4000):
        genes = [rng.randint(1, 6) if rng.random() < 0.4 else 0 for _ in range(space.n_genes)]
        try:
            sketch = likeness.graph_of(space, genes)
        except NotViableError:
            continue
        found.setdefault(frozenset(likeness.neighbourhoods(sketch).items()), []).append(sketch)
    groups = [[as_graph(sketch) for sketch in alike] for alike in found.values() if len(alike) > 1]
    assert len(groups) > 100
    for first, *others in groups:
        for other in others:
            colours = {"color1": first.vs["colour"], "color2": other.vs["colour"]}
            assert first.isomorphic_vf2(other, **colours)


def as_graph(sketch):
    living = sketch.living()
    place = {number: index for index, number in enumerate(living)}
    edges = [(place[source], place[number]) for number in living for source in sketch.sources[number]]
    graph = igraph.Graph(n=len(living), edges=edges, directed=True)
    graph.vs["colour"] = [hash(sketch.words[number]) % 2**31 for number in living]
    return graph


def test_values_that_have_met_meet_one_by_one_and_once(likeness):
    sketch, (_, a, b, c, first, again, all_three, alone) = sketch_of(
        likeness, ("input",), ("conv 3x3", 0), ("conv 3x3", 0), ("conv 1x1", 0),
        ("meeting", 1, 2), ("meeting", 2, 1, 2), ("meeting", 4, 3), ("meeting", 1, 1),
    )  # fmt: skip
    assert a != b, "each convolution has weights of its own"
    assert first == again
    assert sketch.sources[all_three] == (a, b, c)
    assert alone == a


def test_poolings_of_one_value_are_one_value(likeness):
    sketch, (_, first, again, other) = sketch_of(
        likeness, ("input",), ("max pool", 0), ("max pool", 0), ("avg pool", 0)
    )
    assert first == again != other
    assert len(sketch.words) == 3


def test_what_no_output_depends_on_does_not_count(likeness, targets):
    sketch, _ = sketch_of(likeness, ("input",), ("conv 3x3", 0), ("max pool", 1), ("conv 3x3", 1), ("output", 3))
    assert sketch.living() == [0, 1, 3, 4]
    assert likeness.neighbourhoods(sketch) == likeness.neighbourhoods(targets.plain(2))


def test_the_order_of_layers_and_the_direction_count(likeness):
    def chain(*words):
        nodes = [(word, place) for place, word in enumerate((*words, "output"))]
        return likeness.neighbourhoods(sketch_of(likeness, ("input",), *nodes)[0])

    assert chain("conv 1x1", "conv 3x3") != chain("conv 3x3", "conv 1x1")
    assert chain("conv 1x1", "conv 3x3") == chain("conv 1x1", "conv 3x3")


@pytest.mark.parametrize(
    ("operation", "word"),
    [
        ("input", "input"),
        ("conv_1x1", "conv 1x1"),
        ("depthwise_conv_3x3", "conv 3x3"),
        ("separable_conv_5x5", "conv 5x5"),
        (ScaledConvolution(1.5, (3, 5), 2), "conv 3x5"),
        ("max_pool_3x3", "max pool"),
        (Pooling("avg", 5, 2), "avg pool"),
        ("concat", "meeting"),
        ("add", "meeting"),
        ("resize", None),
        ("identity", None),
        (BatchNormReLU(), None),
    ],
)
def test_an_operation_is_called_by_its_layers(likeness, operation, word):
    assert likeness.word_of(operation) == word


def test_a_genotype_without_a_path_is_no_network(likeness):
    with pytest.raises(NotViableError):
        likeness.graph_of(FlatSpace(), [0] * 55)


def test_synthetic_fitness_is_one_function_of_the_network_in_all_processes(likeness, targets, spaces):
    of_dna, of_chain = (likeness.SyntheticFitness(spaces[name], seed=3) for name in ("DNA", "chain"))
    assert of_dna(targets.dna(3)) == of_chain(Genotype([0, 0, 1, 0] * 3)) == pytest.approx(-0.3072738256931811)
    assert of_dna(targets.dna(3)) != likeness.SyntheticFitness(spaces["DNA"], seed=4)(targets.dna(3))


def test_synthetic_fitness_is_a_normal_draw_and_smooth(likeness, targets, spaces):
    networks = [targets.dna(6), targets.dna(7), targets.dna(1)]
    drawn = [[likeness.SyntheticFitness(spaces["DNA"], seed)(network) for network in networks] for seed in range(400)]
    long, longer, short = zip(*drawn, strict=True)
    assert abs(statistics.mean(long)) < 4 / math.sqrt(400)
    assert statistics.stdev(long) == pytest.approx(1, abs=0.15)
    assert statistics.correlation(long, longer) > 0.9
    assert statistics.correlation(long, short) < 0.8
