"""Operators on chains of layers."""

import random
from collections import Counter

import pytest
from hypothesis import given

from deap_nas import ChainSpace, Genotype, cxChain, initChain, mutAlterLayer, mutChain, mutInsertLayer, mutRemoveLayer
from deap_nas.errors import SettingsError
from tests.strategies import seeds

SPACE = ChainSpace(min_layers=2, max_layers=5, channels=(8, 16))
#: As a table of accuracies has it: a choice of three operations at each of eight positions.
TABLE = ChainSpace(min_layers=8, max_layers=8, operations=("conv_1x1", "conv_3x3", "max_pool_3x3"))


def layers(genotype):
    return [tuple(genotype[start : start + 4]) for start in range(0, len(genotype), 4)]


def chain(seed, space=SPACE, **settings):
    return initChain(Genotype, space, rng=random.Random(seed), **settings)


@given(seeds)
def test_what_operators_give_belongs_to_the_space(seed):
    rng = random.Random(seed)
    for space in (SPACE, TABLE):
        one, other = space.sample(rng=rng), space.sample(rng=rng)
        for mutate in (mutInsertLayer, mutRemoveLayer, mutAlterLayer, mutChain):
            (one,) = mutate(one, space, rng=rng)
            space.validate(one)
        for child in cxChain(one, other, space, rng=rng):
            space.validate(child)


def test_a_first_chain_has_the_fewest_layers_or_as_many_as_asked_for():
    assert len(layers(chain(1))) == 2
    assert len(layers(chain(1, n_layers=5))) == 5
    for number in (1, 6):
        with pytest.raises(SettingsError, match=f"n_layers must lie in 2..5, found {number}"):
            chain(1, n_layers=number)


def test_a_layer_is_inserted_anywhere_until_there_are_the_most():
    grown, before = Counter(), layers(chain(1, n_layers=4))
    for seed in range(200):
        (mutant,) = mutInsertLayer(chain(1, n_layers=4), SPACE, rng=random.Random(seed))
        places = [place for place in range(5) if layers(mutant)[:place] + layers(mutant)[place + 1 :] == before]
        assert places
        grown[places[0]] += 1
    assert set(grown) == set(range(5))
    assert mutInsertLayer(chain(1, n_layers=5), SPACE) == (chain(1, n_layers=5),)


def test_a_layer_is_removed_from_anywhere_until_there_are_the_fewest():
    before = layers(chain(1, n_layers=5))
    shrunk = {tuple(layers(mutRemoveLayer(chain(1, n_layers=5), SPACE, rng=random.Random(i))[0])) for i in range(100)}
    assert shrunk == {tuple(before[:place] + before[place + 1 :]) for place in range(5)}
    assert mutRemoveLayer(chain(1), SPACE) == (chain(1),)


@pytest.mark.parametrize("space", [SPACE, TABLE])
def test_an_alteration_draws_one_gene_that_has_a_choice(space):
    changed = Counter()
    for seed in range(400):
        before = chain(seed, space)
        (mutant,) = mutAlterLayer(Genotype(before), space, rng=random.Random(seed))
        differing = [place for place in range(len(before)) if before[place] != mutant[place]]
        assert len(differing) <= 1
        changed.update(place % 4 for place in differing)
    assert set(changed) == {gene for gene in range(4) if space.layer_up[gene]}
    assert changed.total() > 400 / 3  # of three choices, two are others


def test_a_space_of_one_chain_is_altered_into_itself():
    space = ChainSpace(min_layers=2, max_layers=2, operations=("conv_1x1",))
    assert mutAlterLayer(chain(1, space), space) == (Genotype([0] * 8),)
