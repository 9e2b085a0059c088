"""Mutations of a normal and a reduction cell."""

import random
from collections import Counter
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from deap_nas import CellSpace, FlatSpace, Genotype, mutCell, mutHiddenState, mutOperation
from deap_nas.errors import SettingsError
from tests.cells import AMOEBANET, DARTS, spaces_and_cells
from tests.strategies import seeds

MUTATIONS = (mutHiddenState, mutOperation, mutCell)


def differing(space, before, after):
    """Operands that differ: (block, slot, whether the input, whether the operation)."""
    found = []
    for block in range(2 * space.blocks):
        inputs = [space.inputs_of(genotype, block) for genotype in (before, after)]
        for slot in (0, 1):
            gene = 4 * block + 2 * slot + 1
            change = (inputs[0][slot] != inputs[1][slot], before[gene] != after[gene])
            if any(change):
                found.append((block, slot, *change))
    return found


@given(st.sampled_from(MUTATIONS), spaces_and_cells(), seeds)
def test_a_mutant_belongs_to_the_space_and_differs_in_one_operand_at_most(mutate, case, seed):
    space, genotype = case
    individual = Genotype(genotype)
    (mutant,) = mutate(individual, space, rng=random.Random(seed))
    assert mutant is individual
    space.validate(mutant)
    assert len(differing(space, genotype, mutant)) <= 1


@given(spaces_and_cells(), seeds)
def test_a_hidden_state_is_replaced_by_another_one_where_there_is_one(case, seed):
    space, genotype = case
    (mutant,) = mutHiddenState(Genotype(genotype), space, rng=random.Random(seed))
    if space.distinct_inputs and space.blocks == 1:
        assert mutant == genotype
        return
    ((block, _, has_other_input, has_other_operation),) = differing(space, genotype, mutant)
    assert has_other_input
    assert not has_other_operation
    assert not (space.distinct_inputs and block % space.blocks == 0)


@given(spaces_and_cells(), st.booleans(), seeds)
def test_an_operation_is_replaced_and_nothing_else(case, must_change, seed):
    space, genotype = case
    mutate = partial(mutOperation, must_change=must_change, rng=random.Random(seed))
    if must_change and len(space.operations) == 1:
        with pytest.raises(SettingsError, match="mutOperation finds no other operation than 'identity'"):
            mutate(Genotype(genotype), space)
        return
    (mutant,) = mutate(Genotype(genotype), space)
    assert [part[2] for part in differing(space, genotype, mutant)] in ([], [False])
    assert not must_change or mutant != genotype


@given(spaces_and_cells(), seeds)
def test_an_operator_draws_from_its_generator_alone(case, seed):
    space, genotype = case
    state = random.getstate()
    for mutate in MUTATIONS:
        one, other = (mutate(Genotype(genotype), space, rng=random.Random(seed))[0] for _ in range(2))
        assert one == other
    assert random.getstate() == state


@pytest.mark.parametrize("space", [AMOEBANET, DARTS])
def test_each_operand_is_drawn_equally_often_and_each_of_its_choices(space):
    rng, genotype = random.Random(1), space.sample(rng=random.Random(2))
    places, values = Counter(), Counter()
    for _ in range(8000):
        (mutant,) = mutHiddenState(Genotype(genotype), space, rng=rng)
        ((block, slot, *_),) = differing(space, genotype, mutant)
        places[block, slot] += 1
        values[block, slot, space.inputs_of(mutant, block)[slot]] += 1
    first = int(space.distinct_inputs)
    assert len(places) == 2 * 2 * (space.blocks - first)
    assert chisquare(list(places.values())).pvalue > 1e-3
    for block, slot in places:
        of_place = [count for (*place, _), count in values.items() if place == [block, slot]]
        n_values = 2 + block % space.blocks
        assert len(of_place) == n_values - 1 - first
        assert len(of_place) == 1 or chisquare(of_place).pvalue > 1e-4


def test_operations_are_drawn_equally_often_at_each_place():
    rng, n_operations = random.Random(1), len(AMOEBANET.operations)
    genotype, counts, unchanged = AMOEBANET.sample(rng=rng), Counter(), 0
    for _ in range(16_000):
        (mutant,) = mutOperation(Genotype(genotype), AMOEBANET, rng=rng)
        changed = [(gene, value) for gene, value in enumerate(mutant) if value != genotype[gene]]
        counts.update(changed)
        unchanged += not changed
    assert {gene for gene, _ in counts} == set(range(1, 40, 2))
    assert len(counts) == 20 * (n_operations - 1)
    assert chisquare(list(counts.values())).pvalue > 1e-3
    assert unchanged == pytest.approx(16_000 / n_operations, rel=0.1)


@pytest.mark.parametrize(("identitypb", "share"), [(None, 0.05), (0.5, 0.5), (0, 0), (1, 1)])
def test_nothing_an_input_or_an_operation_is_changed_with_their_probabilities(identitypb, share):
    space = CellSpace(operations=tuple(AMOEBANET.operations))
    settings = {} if identitypb is None else {"identitypb": identitypb}
    rng, genotype, found = random.Random(1), space.sample(rng=random.Random(1)), Counter()
    for _ in range(8000):
        (mutant,) = mutCell(Genotype(genotype), space, **settings, rng=rng)
        kinds = ["input" if part[2] else "operation" for part in differing(space, genotype, mutant)]
        found[kinds[0] if kinds else "none"] += 1
    half = (1 - share) / 2
    n_operations = len(space.operations)
    for kind, expected in (
        ("input", half),
        ("operation", half * (1 - 1 / n_operations)),
        ("none", share + half / n_operations),  # an operation may come out as it was
    ):
        assert found[kind] / 8000 == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("identitypb", [-0.1, 1.1, float("nan")])
def test_a_probability_out_of_its_range_is_refused(identitypb):
    with pytest.raises(SettingsError, match=r"identitypb must lie in \[0, 1\], found"):
        mutCell(DARTS.sample(), DARTS, identitypb=identitypb)


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_spaces_without_two_cells_are_refused_in_words(mutate):
    space = FlatSpace(nodes=3)
    with pytest.raises(SettingsError, match=f"{mutate.__name__} is for .* FlatSpace has none: take mutGene"):
        mutate(space.sample(), space)
