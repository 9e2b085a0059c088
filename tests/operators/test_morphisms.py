"""Morphisms as mutations: what each draws, where it is possible, and how skips with gates are kept."""

import pickle
import random
from collections import Counter
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deap_nas import (
    DNA,
    ChainSpace,
    DNASpace,
    FlatSpace,
    Genotype,
    canonical_key,
    cost,
    initConvolutions,
    mutAddGatedSkip,
    mutDeepen,
    mutDeepenChain,
    mutMorph,
    mutMorphChain,
    mutNarrow,
    mutNarrowChain,
    mutRemoveConvolution,
    mutResetWeights,
    mutShrink,
    mutShrinkChain,
    mutWiden,
    mutWidenChain,
)
from deap_nas.assembly import build_network
from deap_nas.errors import SettingsError
from deap_nas.graph import Gated
from deap_nas.operators.dna_morphisms import _channels
from tests.operators.test_dna_operators import backbone, ends
from tests.strategies import seeds

SPACE, CHAINS = DNASpace(), ChainSpace(channels=(4, 6, 9), max_layers=8)
TEMPLATE = SPACE.default_template(image_size=8)
OF_DNA = (mutDeepen, mutWiden, mutAddGatedSkip, mutMorph, mutNarrow, mutShrink)
OF_CHAINS = (mutDeepenChain, mutWidenChain, mutMorphChain, mutNarrowChain, mutShrinkChain)


def small(seed):
    return initConvolutions(DNA, SPACE, channels=(8, 12, 5), rng=random.Random(seed))


def mutated(mutate, genotype, seed, space=SPACE, **settings):
    return mutate(deepcopy(genotype), space, rng=random.Random(seed), **settings)[0]


@settings(max_examples=60, deadline=None)
@given(seeds, st.lists(st.sampled_from(OF_DNA), min_size=1, max_size=12))
def test_what_comes_of_dna_is_legal_and_the_same_after_a_row_and_json(seed, mutations):
    rng, dna = random.Random(seed), small(seed + 1)
    for mutate in mutations:
        assert mutate(dna, SPACE, rng=rng) == (dna,)
        SPACE.validate(dna)
    row = SPACE.encode(dna)
    assert SPACE.decode(row) == dna == DNA.from_json(dna.to_json()) == pickle.loads(pickle.dumps(dna))
    n_parameters = cost(SPACE, dna, TEMPLATE).n_parameters
    if n_parameters < 10**6:
        assert sum(each.numel() for each in build_network(SPACE, dna, TEMPLATE).parameters()) == n_parameters


@given(seeds, st.lists(st.sampled_from(OF_CHAINS), min_size=1, max_size=12))
def test_what_comes_of_chains_is_legal(seed, mutations):
    rng = random.Random(seed)
    chain = CHAINS.sample(rng=rng)
    for mutate in mutations:
        assert mutate(chain, CHAINS, rng=rng) == (chain,)
        CHAINS.validate(chain)


def test_the_first_network_is_convolutions_of_so_many_channels():
    dna = initConvolutions(DNA, SPACE, channels=(64, 128, 256), image_channels=1, rng=random.Random(1))
    assert _channels(dna, 1) == [1, 64, 128, 256]
    assert [edge.filters.stride for edge in dna.edges] == [1, 2, 2]
    assert dna.learning_rate == 0.05
    with pytest.raises(SettingsError, match="channels"):
        initConvolutions(DNA, SPACE, channels=())


def test_a_wider_or_narrower_convolution_leaves_all_others_their_channels():
    for mutate, factors in ((mutWiden, {2, 4}), (mutNarrow, {0.5, 0.75})):
        seen = Counter()
        for seed in range(60):
            parent = small(seed)
            before, after = _channels(parent, 3), _channels(mutated(mutate, parent, seed), 3)
            ((place, factor),) = [(p, b / a) for p, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
            wanted = {int(before[place] * each) / before[place] for each in factors}
            assert factor in wanted
            seen[place] += 1
        assert set(seen) == {1, 2, 3}


def test_a_convolution_whose_channels_a_skip_takes_elsewhere_is_not_widened():
    dna = backbone("c", "c", "c", skips=[(1, 3)])
    widened = set()
    for seed in range(40):
        after = _channels(mutated(mutWiden, dna, seed), 3)
        widened |= {place for place, n_channels in enumerate(after) if n_channels != 3}
    assert widened == {2, 3}


def test_a_convolution_that_is_inserted_has_a_relu_only_where_nothing_is_negative():
    dna = backbone("c", "c", "i")  # vertices 1 and 3 have one, 0 and 2 have not
    relus = set()
    for seed in range(60):
        child = mutated(mutDeepen, dna, seed)
        (place,) = [place for place, edge in enumerate(child.edges) if edge.id not in {10, 20, 30}]
        edge, vertex = child.edges[place], child.vertices[place + 1]
        assert edge.filters.channels == edge.filters.stride == 1
        assert edge.filters.kernel_size in ((3, 3), (5, 5))
        relus.add((place, vertex.has_relu))
    assert relus == {(0, False), (1, True), (2, False), (3, True)}


def test_each_morphism_is_as_likely_where_all_are_possible():
    counts = Counter()
    for seed in range(600):
        child = mutated(mutMorph, small(1), seed)
        counts["deeper" if len(child.edges) > 3 else "skip" if child.skips else "wider"] += 1
    assert all(150 < counts[kind] < 250 for kind in ("deeper", "skip", "wider"))


def test_an_image_alone_can_become_deeper_only_and_no_smaller():
    assert all(len(mutated(mutMorph, DNA(), seed).edges) == 1 for seed in range(10))
    assert all(mutated(mutate, DNA(), 1) == DNA() for mutate in (mutShrink, mutNarrow, mutWiden))


def test_a_convolution_that_is_removed_leaves_the_next_one_its_channels():
    seen = Counter()
    for seed in range(60):
        child = mutated(mutShrink, small(2), seed)
        if len(child.edges) == 2:
            seen[tuple(_channels(child, 3))] += 1
    assert set(seen) == {(3, 12, 5), (3, 8, 5), (3, 8, 12)}


def test_a_gate_stays_with_its_skip():
    dna = backbone("c", "c", "c", "c", skips=[(0, 2)])
    gated = mutated(mutAddGatedSkip, dna, 1)
    assert [skip.has_gate for skip in gated.skips] == [False, True]
    assert [skip.has_gate for skip in mutated(mutResetWeights, gated, 1).skips] == [False, True]
    assert any(
        [skip.has_gate for skip in mutated(mutRemoveConvolution, gated, seed).skips] == [False, True]
        for seed in range(20)
    )
    assert len(ends(gated)) == 2


def test_a_gate_is_an_operation_of_its_own():
    plain = backbone("c", "c", "c", skips=[(0, 2)])
    gated = deepcopy(plain)
    gated.skips = [plain.skips[0]._replace(has_gate=True)]
    assert canonical_key(SPACE, plain) != canonical_key(SPACE, gated)
    assert cost(SPACE, gated, TEMPLATE).n_parameters == cost(SPACE, plain, TEMPLATE).n_parameters + 1
    assert [node.path for node in SPACE.lower(gated).nodes if node.operation == Gated()] == [(1000,)]
    assert "+ gated 0" in SPACE.describe(gated)
    assert SPACE.changes(backbone("c", "c", "c"), gated) == ["add gated skip 0 -> 2"]


def test_chains_become_deeper_behind_a_convolution_only():
    """Before one, its ReLU would cut off what is negative."""
    chain = Genotype([2, 0, 1, 0, 0, 1, 1, 0])  # a pooling, a convolution of 6 channels
    for seed in range(30):
        child = mutated(mutDeepenChain, chain, seed, CHAINS)
        assert child[:8] == chain
        operation, channels, size, stride = child[8:]
        assert (operation in (0, 1), channels, size in (1, 2), stride) == (True, 1, True, 0)


def test_a_space_that_has_no_such_layers_leaves_chains_as_they_are():
    chain = Genotype([0, 0, 0, 0])
    for space in (
        ChainSpace(channels=(4,), max_layers=1),
        ChainSpace(operations=("max_pool",), channels=(4,)),
        ChainSpace(operations=("conv_3x3",), channels=(4,)),
    ):
        assert all(mutated(mutMorphChain, chain, seed, space) == chain for seed in range(5))


@pytest.mark.parametrize("mutate", OF_DNA + OF_CHAINS)
def test_genotypes_of_others_are_refused(mutate):
    with pytest.raises(SettingsError, match=mutate.__name__):
        mutate(Genotype([0]), FlatSpace(nodes=3))
