import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deap_nas import ChainSpace, DNASpace, FlatSpace, Genotype, HierarchicalSpace
from deap_nas.errors import GenotypeError, SettingsError
from deap_nas.search_space import SearchSpace
from deap_nas.surrogates.tokens import Tokens
from tests.strategies import seeds, spaces
from tests.surrogates.growing import TwoBlocks


def tokens_of(space, genotypes):
    """Tokens of each genotype, in their order."""
    found = [None] * len(genotypes)
    for places, tokens in Tokens(space).by_length(genotypes):
        for place, row in zip(places, tokens.tolist(), strict=True):
            found[place] = row
    return found


def test_a_token_is_the_gene_and_the_offset_of_its_place():
    assert tokens_of(TwoBlocks(), [[2, 1, 0, 0]]) == [[2, 4, 0, 3]]
    assert tokens_of(TwoBlocks(), [[2, 1, 0, 0, 1, 2, 1, 2]]) == [[2, 4, 0, 3, 1, 5, 1, 5]]


def test_genotypes_of_several_lengths_come_back_each_to_its_place():
    genotypes = [[0] * 8, [1, 1, 1, 1], [1] * 8, [0, 0, 0, 0], [2, 1]]
    assert [len(places) for places, _ in Tokens(TwoBlocks()).by_length(genotypes)] == [1, 2, 2]
    assert tokens_of(TwoBlocks(), genotypes) == [
        [0, 3] * 4,
        [1, 4, 1, 4],
        [1, 4] * 4,
        [0, 3, 0, 3],
        [2, 4],
    ]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.uint64])
def test_rows_of_an_array_have_the_tokens_of_their_genotypes(dtype):
    rows = np.array([[0, 1, 2, 1], [2, 0, 1, 0]], dtype=dtype)
    assert tokens_of(TwoBlocks(), rows) == tokens_of(TwoBlocks(), rows.tolist())


def test_tokens_that_genes_of_a_small_type_cannot_hold_are_right():
    class Wide(TwoBlocks):
        token_offsets = np.array([0, 300])
        n_tokens = 500

    assert tokens_of(Wide(), np.array([[255, 199]], dtype=np.uint8)) == [[255, 499]]


@given(spaces(), seeds)
def test_genes_of_different_levels_are_different_tokens_and_all_are_there(space, seed):
    genotype = space.sample(rng=random.Random(seed))
    tokens = Tokens(space)
    (found,) = tokens_of(space, [genotype])
    meanings = {}
    for gene, (value, token) in enumerate(zip(genotype, found, strict=True)):
        level = space.place(gene).level
        assert meanings.setdefault(token, (level, value)) == (level, value)
    assert len(set(meanings.values())) == len(meanings)
    largest, smallest = tokens_of(space, [space.up, space.low])
    assert (min(smallest), max(largest)) == (0, tokens.n_tokens - 1)


def test_layers_of_a_chain_have_tokens_of_four_kinds():
    space = ChainSpace(max_layers=2)
    assert space.n_tokens == 4 + 3 + 3 + 2
    largest = list(space.layer_up)
    assert tokens_of(space, [largest * 2, [0] * 4]) == [[3, 6, 9, 11] * 2, [0, 4, 7, 10]]


class ShiftedSpace(SearchSpace):
    """Three genes from -2 to 2, or from 0 to 1, with the tokens that every space of lists of integers has."""

    n_genes = 3
    low, up = [-2, 0, -2], [2, 1, 2]
    validate = lower = to_dict = None


def test_other_spaces_of_lists_of_integers_count_their_tokens_from_the_smallest_gene():
    assert ShiftedSpace().n_tokens == 5
    assert tokens_of(ShiftedSpace(), [[-2, 0, 2], [2, 1, -1]]) == [[0, 2, 4], [4, 3, 1]]


def test_a_space_of_lists_of_different_lengths_must_say_what_its_tokens_are():
    class RaggedSpace(ShiftedSpace):
        n_genes = None

    with pytest.raises(SettingsError, match=r"RaggedSpace does not say .* give it token_offsets and n_tokens"):
        Tokens(RaggedSpace())


def test_a_space_of_other_genotypes_is_refused():
    with pytest.raises(SettingsError, match="genotypes of DNASpace are no lists of integers"):
        Tokens(DNASpace())
    with pytest.raises(SettingsError, match="DNASpace does not say"):
        _ = DNASpace().token_offsets
    with pytest.raises(SettingsError, match="DNASpace does not say"):
        _ = DNASpace().n_tokens


@pytest.mark.parametrize(
    ("genotypes", "message"),
    [
        (
            [[0, 0], [0, 3]],
            r"gene 1 of genotype 1 is 3, which is token 6 of 0\.\.5: is the genotype of another space\?",
        ),
        ([[0, 0, 0], [-1, 0]], r"gene 0 of genotype 1 is -1"),
        (np.array([[2**63, 0]], dtype=np.uint64), r"gene 0 of genotype 0 is 9223372036854775808"),
        ([[0] * 9], r"a genotype has from 1 to 8 genes, genotype 0 has 9"),
        ([[0], []], r"a genotype has from 1 to 8 genes, genotype 1 has 0"),
        ([[0.5, 1.0]], r"genes must be integers, found some of type float64"),
        (np.zeros((2, 2), dtype=bool), r"genes must be integers, found some of type bool"),
        (np.zeros(4, dtype=int), r"an array of genotypes has a row for each, found the shape \(4,\)"),
    ],
)
def test_what_is_no_genotype_of_the_space_is_refused(genotypes, message):
    with pytest.raises(GenotypeError, match=message):
        tokens_of(TwoBlocks(), genotypes)


@pytest.mark.parametrize("nothing", [[], np.zeros((0, 8), dtype=int)])
def test_no_genotypes_have_no_tokens(nothing):
    assert tokens_of(TwoBlocks(), nothing) == []


@given(st.lists(st.integers(0, 6), min_size=3, max_size=3))
def test_individuals_are_read_as_lists_are(genes):
    space = FlatSpace(nodes=3)
    assert tokens_of(space, [Genotype(genes)]) == tokens_of(space, [genes]) == [genes]


def test_levels_of_the_papers_space_share_no_token():
    space = HierarchicalSpace()
    assert space.n_tokens == 7 + 7
    assert space.token_offsets.tolist() == [0] * 36 + [7] * 10
