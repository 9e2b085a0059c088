"""What DEAP expects of an individual's class, and where its own behaviour may surprise."""

import copy
import pickle
import random
from functools import partial

import pytest
from deap import algorithms, base, creator, tools
from hypothesis import given
from hypothesis import strategies as st

from deap_nas import Genotype, cxMotif, eaAsync, mutEdge
from deap_nas.errors import GenotypeError
from deap_nas.executors import SerialExecutor
from tests.strategies import genes_of, seeds, spaces, spaces_and_genes
from tests.toolboxes import MaxIndividual, evaluated, gene_sum, make_toolbox
from tests.with_deap import loops

creator.create("NotedIndividual", MaxIndividual, notes=dict, origin="here")
NotedIndividual = creator.NotedIndividual

genes_lists = st.lists(st.integers(0, 6), min_size=1, max_size=20)
values_or_none = st.none() | st.tuples(st.floats(-1e6, 1e6))


def individual_with(genes, values):
    individual = MaxIndividual(genes)
    if values is not None:
        individual.fitness.values = values
    return individual


def pickled(individual):
    return pickle.loads(pickle.dumps(individual))


# Copies and pickles


@pytest.mark.parametrize("copied", [copy.deepcopy, base.Toolbox().clone, pickled])
@given(genes_lists, values_or_none)
def test_a_copy_has_the_fitness_of_its_original_or_none_as_well(copied, genes, values):
    individual = individual_with(genes, values)
    twin = copied(individual)
    assert twin.fitness.valid == individual.fitness.valid == (values is not None)
    assert twin.fitness == individual.fitness
    assert twin.fitness is not individual.fitness
    twin.fitness.values = (7e6,)
    assert individual.fitness.valid == (values is not None)
    assert individual.fitness.values != (7e6,)


@given(genes_lists, values_or_none)
def test_a_pickled_individual_has_a_class_made_anew_and_is_equal_in_both_directions(genes, values):
    individual = individual_with(genes, values)
    twin = pickled(individual)
    again = pickled(twin)
    assert len({type(individual), type(twin), type(again)}) == 3
    assert {type(one).__name__ for one in (individual, twin, again)} == {"MaxIndividual"}
    for one in (individual, twin, again):
        assert isinstance(one, Genotype)
        for other in (individual, twin, again):
            assert one == other
            assert (one != other) is False
            assert one.fitness == other.fitness
            assert not one.fitness > other.fitness


def test_an_individual_pickles_after_its_class_was_made_anew():
    individual = individual_with([1, 2], (0.5,))
    pickled(individual)  # creator.MaxIndividual is another class now
    assert pickled(individual) == individual
    assert [pickled(other) for other in [individual, MaxIndividual([3])]] == [[1, 2], [3]]


def test_every_way_to_an_individual_gives_it_a_fitness_of_its_own_in_front_of_its_class():
    """The class has an attribute ``fitness`` too, whose ``valid`` is a property and so always true."""
    assert MaxIndividual.fitness.valid
    individual = MaxIndividual([1, 2])
    made = [
        individual,
        copy.copy(individual),
        copy.deepcopy(individual),
        *(pickle.loads(pickle.dumps(individual, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
        MaxIndividual.from_json("[1, 2]"),
        tools.initRepeat(MaxIndividual, lambda: 1, n=2),
        MaxIndividual(),
        MaxIndividual(individual),
    ]
    for one in made:
        assert isinstance(vars(one)["fitness"], base.Fitness)
        assert one.fitness.valid is False


def test_a_class_made_from_a_class_keeps_all_its_attributes_in_copies_and_pickles():
    individual = NotedIndividual([1, 2, 3])
    individual.fitness.values = (0.5,)
    individual.notes["seen"] = [1]
    for twin in (copy.deepcopy(individual), pickled(individual)):
        assert twin == individual
        assert (twin.fitness.values, twin.notes, twin.origin) == ((0.5,), {"seen": [1]}, "here")
        twin.notes["seen"].append(2)
        assert individual.notes == {"seen": [1]}


# Construction


def test_deaps_initialisers_hand_a_generator_to_the_class():
    random.seed(1)
    repeated = tools.initRepeat(MaxIndividual, partial(random.randint, 0, 6), n=50)
    iterated = tools.initIterate(MaxIndividual, lambda: (gene for gene in range(5)))
    cycled = tools.initCycle(MaxIndividual, [lambda: 1, lambda: 2], n=2)
    assert len(repeated) == 50
    assert set(repeated) == set(range(7))
    assert (iterated, cycled) == ([0, 1, 2, 3, 4], [1, 2, 1, 2])
    for individual in (repeated, iterated, cycled):
        assert type(individual) is MaxIndividual
        assert not individual.fitness.valid


def test_an_error_in_the_generator_of_an_initialiser_is_told_as_it_is():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'b'") as caught:
        tools.initRepeat(MaxIndividual, partial(random.randint, 0), n=3)
    assert not isinstance(caught.value, GenotypeError)
    with pytest.raises(GenotypeError, match=r"iterable of integers, found a gene 0\.\d+"):
        tools.initRepeat(MaxIndividual, random.random, n=3)


# Halls of fame


@given(genes_lists, st.integers(2, 6), st.booleans())
def test_a_hall_of_fame_filled_with_copies_of_one_genotype_holds_it_once(genes, n, is_pickled):
    individual = individual_with(genes, (0.5,))
    copied = pickled if is_pickled else copy.deepcopy
    for hall in (tools.HallOfFame(3), tools.ParetoFront()):
        hall.update([individual] + [copied(individual) for _ in range(n)])
        hall.update([copied(individual)])
        assert list(hall) == [genes]


def test_a_hall_of_fame_keeps_what_it_has_when_the_individual_changes():
    individual, hall = individual_with([1, 2], (0.5,)), tools.HallOfFame(1)
    hall.update([individual])
    individual[0] = 5
    del individual.fitness.values
    assert hall[0] == [1, 2]
    assert hall[0].fitness.values == (0.5,)


def test_of_two_equal_genotypes_deaps_hall_of_fame_keeps_the_first_even_if_the_second_is_better():
    hall = tools.HallOfFame(2)
    hall.update(evaluated(MaxIndividual, 1.0, 2.0))
    assert [individual.fitness.values for individual in hall] == [(1.0,)]


def test_of_two_equal_genotypes_deaps_pareto_front_keeps_the_better():
    front = tools.ParetoFront()
    front.update(evaluated(MaxIndividual, 1.0, 2.0, 1.5))
    assert [individual.fitness.values for individual in front] == [(2.0,)]


@pytest.mark.parametrize("scores", [(1.0, 2.0, 1.5), (2.0, 1.0, 1.5), (1.0, 1.5, 2.0)])
@pytest.mark.parametrize("hall", [tools.HallOfFame(3), tools.HallOfFame(1), tools.ParetoFront()])
def test_of_equal_genotypes_the_asynchronous_loop_keeps_the_fittest_in_the_hall_of_fame(hall, scores):
    hall.clear()
    score = iter(scores)
    toolbox = make_toolbox(lambda genotype: (next(score),))
    population = [MaxIndividual([1] * 6) for _ in scores]
    with SerialExecutor() as executor:
        eaAsync(population, toolbox, executor, n_evaluations=3, halloffame=hall)
    assert [individual.fitness.values for individual in hall] == [(2.0,)]


# Variation


@given(seeds, st.sampled_from([loops.cxMotif, tools.cxTwoPoint]))
def test_children_are_nobody_of_their_parents_who_stay_as_they_were(seed, mate):
    loops.seeded(seed)
    toolbox = make_toolbox(space=loops.SPACE)
    toolbox.register("mate", mate, **({"space": loops.SPACE} if mate is cxMotif else {}))
    parents = toolbox.population(6)
    for parent in parents:
        parent.fitness.values = gene_sum(parent)
    before = copy.deepcopy(parents)
    chosen = [*parents, parents[0], parents[0]]  # selection gives the same parent several times
    children = algorithms.varAnd(chosen, toolbox, 1.0, 1.0) + algorithms.varOr(parents, toolbox, 8, 0.5, 0.5)
    assert len({id(individual) for individual in [*parents, *children]}) == 6 + 8 + 8
    assert len({id(individual.fitness) for individual in [*parents, *children]}) == 6 + 8 + 8
    assert not any(child.fitness.valid for child in children)
    assert parents == before
    assert [parent.fitness.values for parent in parents] == [twin.fitness.values for twin in before]


def test_children_by_reproduction_alone_are_clones_in_deaps_var_and_and_the_parents_themselves_in_var_or():
    toolbox = make_toolbox()
    parents = evaluated(MaxIndividual, 1.0, 2.0)
    for child, parent in zip(algorithms.varAnd(parents, toolbox, 0.0, 0.0), parents, strict=True):
        assert child is not parent
        assert child.fitness == parent.fitness
    children = algorithms.varOr(parents, toolbox, 5, 0.0, 0.0)
    assert {id(child) for child in children} <= {id(parent) for parent in parents}


@given(st.data(), spaces(), seeds)
def test_lists_of_different_lengths_are_told_by_the_space(data, space, seed):
    random.seed(seed)
    first, second = (MaxIndividual(data.draw(genes_of(space))) for _ in range(2))
    tools.cxMessyOnePoint(first, second)
    assert len(first) + len(second) == 2 * space.n_genes
    for individual in (first, second):
        if len(individual) == space.n_genes:
            space.validate(individual)
        else:
            with pytest.raises(GenotypeError, match=f"expected {space.n_genes} genes, found {len(individual)}"):
                space.validate(individual)


def test_a_guarded_search_with_lists_of_different_lengths_ends_with_those_that_fit():
    loops.seeded(2)
    toolbox = loops.make_toolbox()
    toolbox.register("mate", tools.cxMessyOnePoint)
    toolbox.register("mutate", lambda individual: (individual,))
    toolbox.register("select", tools.selBest)
    population, _ = algorithms.eaMuPlusLambda(toolbox.population(8), toolbox, 8, 16, 0.5, 0.5, 4, verbose=False)
    assert {len(individual) for individual in population} == {loops.SPACE.n_genes}
    toolbox.register("evaluate", loops.distance)
    with pytest.raises(GenotypeError, match="expected 15 genes, found"):
        algorithms.eaMuPlusLambda(population, toolbox, 8, 16, 1.0, 0.0, 4, verbose=False)


@given(spaces_and_genes(), seeds)
def test_shuffled_genes_belong_to_the_space_or_are_told_by_it(case, seed):
    space, genes = case
    random.seed(seed)
    individual = MaxIndividual(genes)
    if space.n_genes > 1:
        tools.mutShuffleIndexes(individual, indpb=0.5)
    assert sorted(individual) == sorted(genes)
    if all(gene <= up for gene, up in zip(individual, space.up, strict=True)):
        space.validate(individual)
    else:
        with pytest.raises(GenotypeError, match="must be an integer in 0"):
            space.validate(individual)


def test_genes_of_an_operator_for_real_numbers_are_told_by_the_space():
    random.seed(1)
    (individual,) = tools.mutGaussian(MaxIndividual([1] * loops.SPACE.n_genes), mu=0.0, sigma=1.0, indpb=1.0)
    with pytest.raises(GenotypeError, match=r"gene 0 \(level 2, motif 1, edge 1 -> 2\) must be an integer in 0\.\.6"):
        loops.SPACE.validate(individual)


@given(spaces_and_genes(), seeds)
def test_flipped_bits_and_inverted_flat_genes_stay_legal(case, seed):
    space, genes = case
    random.seed(seed)
    (individual,) = tools.mutFlipBit(MaxIndividual(genes), indpb=0.5)
    space.validate(individual)
    if len(set(space.up)) == 1 and space.n_genes > 1:
        (individual,) = tools.mutInversion(individual)
        space.validate(individual)
    assert type(individual) is MaxIndividual


@pytest.mark.parametrize("n_demes", [2, 3])
def test_migrants_among_equal_genotypes_arrive_and_nobody_is_lost(n_demes):
    demes = [[individual_with([number] * 6, (float(number),)) for _ in range(4)] for number in range(n_demes)]
    tools.migRing(demes, 2, tools.selBest)
    for number, deme in enumerate(demes):
        assert sorted(individual[0] for individual in deme) == sorted([number] * 2 + [(number - 1) % n_demes] * 2)


def test_mutation_registered_twice_in_a_toolbox_changes_the_clone_alone():
    parent = individual_with([0] * loops.SPACE.n_genes, (1.0,))
    toolbox = base.Toolbox()
    toolbox.register("mutate", mutEdge, space=loops.SPACE, rng=random.Random(3))
    children = [toolbox.mutate(toolbox.clone(parent))[0] for _ in range(20)]
    assert parent == [0] * loops.SPACE.n_genes
    assert any(child != parent for child in children)
