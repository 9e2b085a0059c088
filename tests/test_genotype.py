import copy
import json
import pickle

import numpy as np
import pytest
from deap import tools
from hypothesis import given
from hypothesis import strategies as st

from deap_nas import Genotype
from deap_nas.errors import GenotypeError
from tests.toolboxes import MaxIndividual

gene_lists = st.lists(st.integers(0, 20), max_size=60)


@given(gene_lists)
def test_a_genotype_is_a_list_equal_to_its_genes(genes):
    genotype = Genotype(genes)
    assert isinstance(genotype, list)
    assert genotype == genes


@pytest.mark.parametrize("genes", [np.array([3, 0, 1], dtype=np.uint8), (3, False, True), iter([3, 0, 1])])
def test_integers_of_any_kind_become_plain_ones(genes):
    genotype = Genotype(genes)
    assert genotype == [3, 0, 1]
    assert all(type(gene) is int for gene in genotype)


def test_no_genes_give_an_empty_genotype():
    assert Genotype() == []


@pytest.mark.parametrize("genes", [[1.0], ["1"], [None], [[1]], 3, None])
def test_genes_that_are_no_integers_are_refused(genes):
    with pytest.raises(GenotypeError, match="iterable of integers"):
        Genotype(genes)


@given(gene_lists)
def test_json_round_trip_keeps_the_genes(genes):
    text = Genotype(genes).to_json()
    assert json.loads(text) == genes
    assert Genotype.from_json(text) == genes


def test_from_json_of_a_creator_class_makes_an_individual():
    individual = MaxIndividual.from_json("[1, 2]")
    assert type(individual) is MaxIndividual
    assert not individual.fitness.valid


@pytest.mark.parametrize("text", ["", "[1,", "3", '{"genes": [1]}', '"12"', "null", "[1.5]", '["1"]', "[[1]]"])
def test_json_that_is_no_array_of_integers_is_refused(text):
    with pytest.raises(GenotypeError, match="integers"):
        Genotype.from_json(text)


@given(gene_lists)
def test_deepcopy_of_an_individual_keeps_genes_fitness_and_class_and_shares_nothing(genes):
    individual = MaxIndividual(genes)
    individual.fitness.values = (0.5,)
    twin = copy.deepcopy(individual)
    assert type(twin) is MaxIndividual
    assert twin == individual
    assert twin.fitness == individual.fitness
    twin.append(1)
    del twin.fitness.values
    assert individual == genes
    assert individual.fitness.values == (0.5,)


@given(gene_lists, st.sampled_from(range(pickle.HIGHEST_PROTOCOL + 1)))
def test_pickle_round_trip_keeps_the_genes_of_genotypes_and_individuals(genes, protocol):
    assert pickle.loads(pickle.dumps(Genotype(genes), protocol)) == genes
    individual = MaxIndividual(genes)
    individual.fitness.values = (0.5,)
    twin = pickle.loads(pickle.dumps(individual, protocol))  # creator makes its class anew
    assert twin == individual
    assert twin.fitness.values == (0.5,)


def test_a_pickled_twin_is_no_second_entry_of_the_hall_of_fame():
    individual = MaxIndividual([1, 2, 3])
    individual.fitness.values = (0.5,)
    hall = tools.HallOfFame(5)
    hall.update([individual, copy.deepcopy(individual), pickle.loads(pickle.dumps(individual))])
    assert len(hall) == 1


def test_individuals_do_not_share_their_fitness():
    first, second = MaxIndividual([1]), MaxIndividual([1])
    first.fitness.values = (1.0,)
    assert not second.fitness.valid
