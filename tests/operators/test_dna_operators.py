"""The mutations of Real 2017: what each needs, does and draws, and long lineages of them."""

import math
import pickle
import random
from collections import Counter
from copy import deepcopy

import pytest
from deap import base, creator
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

import deap_nas
from deap_nas import (
    DNA,
    LARGE_SCALE_MUTATIONS,
    ChainSpace,
    DNASpace,
    cost,
    initLinear,
    mutAddSkip,
    mutAlterLearningRate,
    mutAlterNumberOfChannels,
    mutAlterStride,
    mutFilterSize,
    mutIdentity,
    mutInsertConvolution,
    mutInsertOneToOne,
    mutLargeScale,
    mutRemoveConvolution,
    mutRemoveSkip,
    mutResetWeights,
)
from deap_nas.assembly import build_network
from deap_nas.dna import Edge, Filters, Skip, Vertex
from deap_nas.errors import SettingsError
from tests.strategies import seeds

SPACE = DNASpace()
TEMPLATE = SPACE.default_template(image_size=8)
MUTATIONS = tuple(LARGE_SCALE_MUTATIONS.values())
OF_CONVOLUTIONS = (mutRemoveConvolution, mutAlterStride, mutAlterNumberOfChannels, mutFilterSize)

creator.create("DNAFitness", base.Fitness, weights=(1.0,))
creator.create("DNAIndividual", DNA, fitness=creator.DNAFitness)


def backbone(*kinds, skips=()):
    """A DNA of convolutions ("c") and identities ("i"), whose ids are 10, 20, ... and those of its vertices 11, ..."""
    edges = [Edge(10 * n, Filters() if kind == "c" else None) for n, kind in enumerate(kinds, start=1)]
    vertices = [Vertex(0), *(Vertex(10 * n + 1, n % 2 == 1) for n in range(1, len(kinds) + 1))]
    ids = [Skip(1000 + n, vertices[i].id, vertices[j].id) for n, (i, j) in enumerate(skips)]
    return DNA.of(learning_rate=0.1, head=7, vertices=vertices, edges=edges, skips=ids)


def ends(dna):
    """Places of the ends of each skip."""
    place = {vertex.id: number for number, vertex in enumerate(dna.vertices)}
    return sorted((place[skip.source], place[skip.target]) for skip in dna.skips)


def mutants(mutate, dna, n):
    return [mutate(deepcopy(dna), SPACE, rng=random.Random(seed))[0] for seed in range(n)]


def is_uniform(counts, n):
    """Whether counts of equally likely cases are within five deviations."""
    total = sum(counts.values())
    return len(counts) == n and all(
        abs(count - total / n) < 5 * math.sqrt(total / n * (1 - 1 / n)) for count in counts.values()
    )


def test_the_first_individual_is_a_linear_model_of_40_parameters():
    individual = initLinear(creator.DNAIndividual, SPACE)
    assert not individual.fitness.valid
    assert (individual.learning_rate, individual.edges, individual.skips) == (0.1, [], [])
    assert cost(SPACE, individual, SPACE.default_template()).n_parameters == 40


@given(st.integers(1, 40), seeds)
@settings(max_examples=60)
def test_lineages_of_any_length_are_legal_and_cost_what_they_are_built_of(n_mutations, seed):
    rng, individual = random.Random(seed), initLinear(creator.DNAIndividual, SPACE)
    for _ in range(n_mutations):
        before = deepcopy(individual)
        (individual,) = mutLargeScale(individual, SPACE, rng=rng)
        SPACE.validate(individual)
        assert SPACE.decode(SPACE.encode(individual)) == individual.to_genotype()
        assert bool(SPACE.changes(before, individual)) == (before != individual)
    if cost(SPACE, individual, TEMPLATE).n_parameters < 3e6:
        network = build_network(SPACE, individual, TEMPLATE)
        n_parameters = sum(parameter.numel() for parameter in network.parameters())
        assert n_parameters == cost(SPACE, individual, TEMPLATE).n_parameters


def test_a_lineage_of_thousands_of_mutations_stays_legal():
    rng, individual = random.Random(3), DNA()
    for _ in range(4000):
        mutLargeScale(individual, SPACE, rng=rng)
    SPACE.validate(individual)
    assert len(individual.edges) > 100
    assert cost(SPACE, individual, TEMPLATE).flops > 0


@given(seeds)
def test_every_mutation_changes_in_place_and_draws_from_its_generator_only(seed):
    state = random.getstate()
    for mutate in MUTATIONS:
        one, other = (SPACE.sample(rng=random.Random(seed)) for _ in range(2))
        (mutant,) = mutate(one, SPACE, rng=random.Random(seed))
        assert mutant is one
        assert mutate(other, SPACE, rng=random.Random(seed)) == (mutant,)
    assert random.getstate() == state


@pytest.mark.parametrize("mutate", [initLinear, mutLargeScale, *MUTATIONS])
def test_other_spaces_are_refused(mutate):
    arguments = (DNA, ChainSpace()) if mutate is initLinear else (DNA(), ChainSpace())
    with pytest.raises(SettingsError, match=f"{mutate.__name__} is for genotypes of DNASpace, and ChainSpace has"):
        mutate(*arguments)


def test_what_is_impossible_leaves_the_individual_as_it_is():
    for mutate in (*OF_CONVOLUTIONS, mutAddSkip, mutRemoveSkip):
        assert mutate(backbone("i"), SPACE)[0] == backbone("i")
    full = backbone("c", "c", "i", skips=[(0, 2), (0, 3), (1, 3)])
    assert mutAddSkip(deepcopy(full), SPACE)[0] == full


def test_the_learning_rate_is_multiplied_log_uniformly_between_a_half_and_two():
    logs = [math.log2(mutant.learning_rate / 0.1) for mutant in mutants(mutAlterLearningRate, DNA(), 1000)]
    assert kstest(logs, "uniform", (-1, 2)).pvalue > 1e-4


def test_identity_changes_nothing_and_draws_nothing():
    dna, rng = backbone("c", "i"), random.Random(1)
    before = rng.getstate()
    assert mutIdentity(deepcopy(dna), SPACE, rng=rng) == (dna,)
    assert rng.getstate() == before


def test_a_reset_gives_everything_another_id_and_keeps_the_architecture():
    dna = backbone("c", "c", "i", skips=[(0, 2), (1, 3)])
    (mutant,) = mutResetWeights(deepcopy(dna), SPACE, rng=random.Random(1))
    numbers = [
        {part.id for part in (*each.vertices[1:], *each.edges, *each.skips)} | {each.head} for each in (dna, mutant)
    ]
    assert not numbers[0] & numbers[1]
    assert ends(mutant) == ends(dna)
    assert [edge.filters for edge in mutant.edges] == [edge.filters for edge in dna.edges]
    assert [vertex.has_relu for vertex in mutant.vertices] == [vertex.has_relu for vertex in dna.vertices]
    assert deap_nas.canonical_key(SPACE, mutant) == deap_nas.canonical_key(SPACE, dna)


@pytest.mark.parametrize("mutate", [mutInsertConvolution, mutInsertOneToOne])
def test_an_edge_and_its_vertex_are_inserted_at_a_uniform_place(mutate):
    dna = backbone("c", "i", "c", skips=[(0, 2)])
    found, kinds = Counter(), Counter()
    for mutant in mutants(mutate, dna, 1200):
        (place,) = (place for place, edge in enumerate(mutant.edges) if edge not in dna.edges)
        rest = (
            mutant.edges[:place] + mutant.edges[place + 1 :],
            mutant.vertices[: place + 1] + mutant.vertices[place + 2 :],
        )
        assert rest == (dna.edges, dna.vertices)
        assert mutant.skips == dna.skips
        found[place] += 1
        kinds[mutant.edges[place].filters, mutant.vertices[place + 1].has_relu] += 1
    assert is_uniform(found, 4)
    filters = [None] if mutate is mutInsertOneToOne else [Filters(), Filters(scale=1.0)]
    assert set(kinds) == {(each, has_relu) for each in filters for has_relu in (False, True)}
    assert is_uniform(kinds, 2 * len(filters))


def test_an_inserted_convolution_has_3x3_windows_and_as_many_channels_as_its_input():
    (mutant,) = mutInsertConvolution(DNA(), SPACE, rng=random.Random(1))
    (convolution,) = [node.operation for node in SPACE.lower(mutant).nodes if node.path == (mutant.edges[0].id,)]
    (layer,) = convolution.layers(3, 64)
    assert (layer.in_channels, layer.out_channels, layer.kernel_size) == (3, 3, 3)
    assert layer.stride in (1, 2)


def test_a_uniform_convolution_is_removed_with_the_vertex_that_it_leads_to():
    dna, found = backbone("c", "i", "c", "c"), Counter()
    for mutant in mutants(mutRemoveConvolution, dna, 600):
        (gone,) = set(dna.edges) - set(mutant.edges)
        assert set(dna.vertices) - set(mutant.vertices) == {dna.vertices[dna.edges.index(gone) + 1]}
        found[gone.id] += 1
    assert set(found) == {10, 30, 40}
    assert is_uniform(found, 3)


@pytest.mark.parametrize(
    ("skips", "left"),
    [
        ([(0, 2), (2, 4)], [(1, 3)]),  # the first would join neighbours
        ([(0, 3), (1, 4)], [(0, 2), (1, 3)]),  # past what is removed
        ([(1, 3)], []),  # neighbours now
        ([(1, 4), (2, 4)], [(1, 3)]),  # would be parallel
    ],
)
def test_skips_of_a_vertex_that_is_removed_go_to_the_one_before(skips, left):
    dna = backbone("i", "c", "i", "i", skips=skips)
    (mutant,) = mutRemoveConvolution(dna, SPACE, rng=random.Random(1))
    SPACE.validate(mutant)
    assert ends(mutant) == left


def numbers(mutate, name, dna, n=1000):
    """The number of that name of whichever convolution was altered, in many mutants."""
    changed = [
        (place, getattr(edge.filters, name))
        for mutant in mutants(mutate, dna, n)
        for place, edge in enumerate(mutant.edges)
        if edge != dna.edges[place] and getattr(edge.filters, name) != getattr(dna.edges[place].filters, name)
    ]
    return Counter(place for place, _ in changed), [number for _, number in changed]


def test_channels_become_between_half_and_twice_as_many_uniformly():
    places, found = numbers(mutAlterNumberOfChannels, "channels", backbone("c", "i", "c"))
    assert is_uniform(places, 2)
    assert len(found) == 1000
    assert kstest(found, "uniform", (0.5, 1.5)).pvalue > 1e-4


def test_the_stride_changes_by_up_to_a_factor_of_two_and_is_at_least_1():
    dna = backbone("c", "i", "c")
    dna.edges[0] = Edge(10, Filters(scale=3.0))
    dna.edges[2] = Edge(30, Filters(scale=0.25))
    places, found = numbers(mutAlterStride, "scale", dna)
    assert is_uniform(places, 2)
    high, low = ([number for number in found if (number > 1.5) == is_high] for is_high in (True, False))
    assert kstest(high, "uniform", (2, 2)).pvalue > 1e-4
    assert min(low) == 0
    assert max(low) <= 1.25
    assert {Filters(scale=scale).stride for scale in (0.0, 0.4, 0.6, 1.6, 3.0)} == {1, 2, 4, 8}


def test_the_height_or_the_width_of_a_window_changes():
    dna = backbone("c", "c")
    heights, tall = numbers(mutFilterSize, "half_height", dna)
    widths, wide = numbers(mutFilterSize, "half_width", dna)
    assert is_uniform(Counter({"height": len(tall), "width": len(wide)}), 2)
    assert is_uniform(heights + widths, 2)
    assert kstest(tall + wide, "uniform", (0.5, 1.5)).pvalue > 1e-4
    assert {Filters(half_height=half).kernel_size for half in (0.0, 0.6, 1.4, 2.0)} == {(1, 3), (3, 3), (5, 3)}


def test_small_changes_of_a_number_add_up_in_spite_of_rounding():
    dna = backbone("c")
    dna.edges[0] = Edge(10, Filters(channels=1.2))
    rng, seen = random.Random(1), set()
    for _ in range(50):
        (dna,) = mutAlterNumberOfChannels(dna, SPACE, rng=rng)
        seen.add(cost(SPACE, dna, TEMPLATE).n_parameters)
    assert len(seen) > 5


def test_skips_are_added_uniformly_forward_and_never_beside_an_edge():
    dna = backbone("c", "i", "c", "c", skips=[(1, 3)])
    found = Counter(next(iter(set(ends(mutant)) - {(1, 3)})) for mutant in mutants(mutAddSkip, dna, 2000))
    assert set(found) == {(0, 2), (0, 3), (0, 4), (1, 4), (2, 4)}
    assert is_uniform(found, 5)


def test_a_uniform_skip_is_removed():
    dna = backbone("c", "i", "c", "c", skips=[(1, 3), (0, 2), (0, 4)])
    found = Counter(next(iter(set(ends(dna)) - set(ends(mutant)))) for mutant in mutants(mutRemoveSkip, dna, 600))
    assert is_uniform(found, 3)


def test_all_eleven_are_as_likely_where_all_are_possible():
    dna = backbone("c", "c", "i", "c", skips=[(0, 2)])
    dna.edges = [Edge(edge.id, edge.filters and Filters(scale=2.0)) for edge in dna.edges]  # far from the least stride
    kinds = (
        "learning rate", "identity", "reset", "insert conv", "insert identity", "remove conv", "stride", "window",
        "channels x", "add skip", "remove skip",
    )  # fmt: skip
    found = Counter()
    for mutant in mutants(mutLargeScale, dna, 4400):
        words = " ".join(SPACE.changes(dna, mutant)) or "identity"
        found[next(kind for kind in kinds if words.startswith(kind))] += 1
    assert is_uniform(found, 11)


def test_an_impossible_one_is_drawn_again_so_the_others_are_as_likely():
    found = Counter()
    for mutant in mutants(mutLargeScale, DNA(), 1500):
        words = " ".join(SPACE.changes(DNA(), mutant)) or "identity"
        found[" ".join(words.replace(",", "").split()[:2])] += 1
    assert is_uniform(found, 5)
    assert set(found) == {"identity", "learning rate", "reset weights", "insert conv", "insert identity"}


def test_weights_say_which_mutations_are_drawn_how_often():
    weights = {"identity": 3, "insert-convolution": 1}
    grown = [len(mutLargeScale(DNA(), SPACE, weights=weights, rng=random.Random(i))[0].edges) for i in range(1000)]
    assert 190 < sum(grown) < 310
    for same in ({"mutInsertConvolution": 2}, [0, 0, 0, 1, *[0] * 7]):
        assert len(mutLargeScale(DNA(), SPACE, weights=same, n_mutations=3)[0].edges) == 3
    for wrong in ({"insert": 1}, {}, {"identity": 0}, {"identity": -1}, {"identity": math.nan}, [1] * 12, []):
        with pytest.raises(SettingsError, match="weights must be numbers of at least 0"):
            mutLargeScale(DNA(), SPACE, weights=wrong)
    with pytest.raises(SettingsError, match="none of the mutations that weights leave is possible for DNA"):
        mutLargeScale(DNA(), SPACE, weights={"remove-skip": 1, "identity": 0})


def test_several_mutations_follow_one_another():
    only = {"insert-convolution": 1}
    assert len(mutLargeScale(DNA(), SPACE, n_mutations=5, weights=only)[0].edges) == 5
    assert mutLargeScale(DNA(), SPACE, n_mutations=0)[0] == DNA()
    with pytest.raises(SettingsError, match=r"n_mutations must be an integer of at least 0, found 1\.5"):
        mutLargeScale(DNA(), SPACE, n_mutations=1.5)


def test_a_mutant_pickles_and_copies_with_its_fitness():
    individual = initLinear(creator.DNAIndividual, SPACE)
    mutLargeScale(individual, SPACE, n_mutations=30, rng=random.Random(5))
    individual.fitness.values = (0.5,)
    for twin in (deepcopy(individual), pickle.loads(pickle.dumps(individual))):
        assert twin == individual
        assert twin.fitness.values == (0.5,)
        mutInsertConvolution(twin, SPACE)
        assert twin != individual
