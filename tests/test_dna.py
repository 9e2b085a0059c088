"""The genotype of Real 2017 as plain data, in DEAP's hands."""

import json
import random
from copy import deepcopy

import pytest
from deap import algorithms, base, creator, tools
from hypothesis import given

from deap_nas import DNA, DNASpace, cost, initLinear, mutLargeScale
from deap_nas.errors import GenotypeError
from tests.strategies import seeds

SPACE = DNASpace()
TEMPLATE = SPACE.default_template(image_size=8)

creator.create("SmallFitness", base.Fitness, weights=(-1.0,))
creator.create("SmallIndividual", DNA, fitness=creator.SmallFitness)


@given(seeds)
def test_json_gives_an_equal_genotype(seed):
    dna = SPACE.sample(rng=random.Random(seed))
    assert DNA.from_json(dna.to_json()) == dna
    assert json.loads(dna.to_json())["learning_rate"] == dna.learning_rate


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "7", '{"edges": 3}', '{"edges": [{"id": 1, "filters": {"size": 3}}]}', "[" * 10**5]
)
def test_other_json_is_refused(text):
    with pytest.raises(GenotypeError, match="expected"):
        DNA.from_json(text)


def test_content_is_compared_and_not_the_fitness_or_the_order_of_skips():
    one = SPACE.sample(rng=random.Random(12))
    other = creator.SmallIndividual(one)
    other.fitness.values = (3.0,)
    other.skips.reverse()
    assert len(one.skips) > 1
    assert one == other
    assert SPACE.encode(one).tolist() == SPACE.encode(other).tolist()
    other.learning_rate *= 2
    assert one != other
    assert one != [1, 2, 3]
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_a_copy_shares_no_list_with_its_original():
    dna = SPACE.sample(rng=random.Random(1))
    for copy in (deepcopy(dna), DNA(dna), dna.to_genotype()):
        before = deepcopy(dna)
        mutLargeScale(copy, SPACE, n_mutations=20, rng=random.Random(1))
        assert dna == before


def test_a_dna_is_made_of_another_one_only():
    with pytest.raises(GenotypeError, match="a DNA is made of another DNA, found"):
        DNA([1, 2])


def test_a_dna_tells_its_size():
    assert repr(DNA()) == "DNA(learning_rate=0.1, vertices=1, convolutions=0, skips=0)"


def test_deaps_own_algorithms_evolve_dna():
    """Here towards 3,000 parameters."""
    toolbox, rng = base.Toolbox(), random.Random(1)
    toolbox.register("individual", initLinear, creator.SmallIndividual, SPACE)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("mutate", mutLargeScale, space=SPACE, rng=rng)
    toolbox.register("select", tools.selBest)
    toolbox.register("evaluate", lambda dna: (abs(3000 - cost(SPACE, dna, TEMPLATE).n_parameters),))
    state = random.getstate()
    random.seed(1)
    halloffame = tools.HallOfFame(3)
    try:
        population, logbook = algorithms.eaMuPlusLambda(
            toolbox.population(n=8), toolbox, mu=8, lambda_=16, cxpb=0, mutpb=1, ngen=25, halloffame=halloffame,
            verbose=False,
        )  # fmt: skip
    finally:
        random.setstate(state)
    assert len(logbook) == 26
    assert halloffame[0].fitness.values[0] < 100
    assert halloffame[0] != halloffame[1]
    for individual in population:
        SPACE.validate(individual)
