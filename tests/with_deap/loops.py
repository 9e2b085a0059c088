"""DEAP's loops, set up as its own examples do, on our individuals. What crosses a process border lives here."""

import pickle
import random

import numpy as np
from deap import algorithms, base, creator, tools

from deap_nas import Genotype, HierarchicalSpace, NetworkTemplate, cost, cxMotif, initDiversified, mutEdge
from deap_nas.evaluation import Guard

creator.create("SizeFitness", base.Fitness, weights=(-1.0,))
creator.create("TradeFitness", base.Fitness, weights=(1.0, -1.0))
creator.create("SizeIndividual", Genotype, fitness=creator.SizeFitness)
creator.create("TradeIndividual", Genotype, fitness=creator.TradeFitness)

SizeIndividual = creator.SizeIndividual
TradeIndividual = creator.TradeIndividual

SPACE = HierarchicalSpace(motifs=(3, 1), nodes=(3, 4))
TEMPLATE = NetworkTemplate.small_cifar(channels=4)
#: Parameters of the network that is looked for.
TARGET = 6000
#: Of a genotype that is no network.
WORST_DISTANCE = 1e6


def distance(individual):
    """How far the network is from the size that is wanted; raises when it is no network."""
    return (float(abs(cost(SPACE, individual, TEMPLATE).n_parameters - TARGET)),)


def trade(individual):
    """Computation to maximise, parameters to minimise; raises when it is no network."""
    size = cost(SPACE, individual, TEMPLATE)
    return float(size.flops), float(size.n_parameters)


size_fitness = Guard(distance, worst_values=(WORST_DISTANCE,))
trade_fitness = Guard(trade, worst_values=(0.0, WORST_DISTANCE))


def make_toolbox(icls=SizeIndividual, evaluate=size_fitness, *, map_function=map):
    """Toolbox as in DEAP's examples; every draw comes from the module random."""
    toolbox = base.Toolbox()
    toolbox.register("individual", initDiversified, icls, SPACE, n_mutations=60)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("mate", cxMotif, space=SPACE)
    toolbox.register("mutate", mutEdge, space=SPACE)
    toolbox.register("select", tools.selTournament, tournsize=3)
    toolbox.register("evaluate", evaluate)
    toolbox.register("map", map_function)
    return toolbox


def make_statistics():
    statistics = tools.MultiStatistics(
        fitness=tools.Statistics(lambda individual: individual.fitness.values[0]),
        ones=tools.Statistics(lambda individual: individual.count(1)),
    )
    statistics.register("min", min)
    statistics.register("mean", np.mean)
    statistics.register("median", np.median)
    return statistics


def evaluate_invalid(population, toolbox):
    """Evaluate those without a fitness, as DEAP's loops do; give their number."""
    invalid = [individual for individual in population if not individual.fitness.valid]
    for individual, values in zip(invalid, toolbox.map(toolbox.evaluate, invalid), strict=True):
        individual.fitness.values = values
    return len(invalid)


def simple(toolbox, **companions):
    population = toolbox.population(20)
    return algorithms.eaSimple(population, toolbox, 0.5, 0.5, 8, verbose=False, **companions)


def plus(toolbox, **companions):
    toolbox.register("select", tools.selBest)
    population = toolbox.population(10)
    return algorithms.eaMuPlusLambda(population, toolbox, 10, 20, 0.4, 0.4, 8, verbose=False, **companions)


def comma(toolbox, **companions):
    toolbox.register("select", tools.selBest)
    population = toolbox.population(10)
    return algorithms.eaMuCommaLambda(population, toolbox, 10, 20, 0.4, 0.4, 8, verbose=False, **companions)


class Marginals:
    """Independent distributions of the genes, drawn from and counted anew: a strategy to ask and to tell."""

    def __init__(self, icls, size):
        self._icls, self._size = icls, size
        self._counts = [[1] * (up + 1) for up in SPACE.up]

    def generate(self):
        return [
            self._icls(random.choices(range(len(counts)), counts)[0] for counts in self._counts)
            for _ in range(self._size)
        ]

    def update(self, population):
        for individual in tools.selBest(population, self._size // 3):
            for counts, gene in zip(self._counts, individual, strict=True):
                counts[gene] += 1


def generate_update(toolbox, **companions):
    strategy = Marginals(SizeIndividual, 20)
    toolbox.register("generate", strategy.generate)
    toolbox.register("update", strategy.update)
    return algorithms.eaGenerateUpdate(toolbox, 8, verbose=False, **companions)


def nsga2(toolbox, n=20, n_generations=8):
    """The loop of DEAP's example."""
    toolbox.register("select", tools.selNSGA2)
    population = toolbox.population(n)
    evaluate_invalid(population, toolbox)
    population = toolbox.select(population, n)  # gives them their crowding distances
    for _ in range(n_generations):
        offspring = [toolbox.clone(individual) for individual in tools.selTournamentDCD(population, n)]
        for first, second in zip(offspring[::2], offspring[1::2], strict=True):
            toolbox.mate(first, second)
            toolbox.mutate(first)
            toolbox.mutate(second)
            del first.fitness.values, second.fitness.values
        evaluate_invalid(offspring, toolbox)
        population = toolbox.select(population + offspring, n)
    return population


def vary_and_select(toolbox, n=20, n_generations=8):
    """The loop of DEAP's examples of NSGA-III and SPEA2, where the offspring compete with their parents."""
    population = toolbox.population(n)
    evaluate_invalid(population, toolbox)
    for _ in range(n_generations):
        offspring = algorithms.varAnd(population, toolbox, 0.5, 0.5)
        evaluate_invalid(offspring, toolbox)
        population = toolbox.select(population + offspring, n)
    return population


def islands(toolbox, n_islands=3, n_generations=9):
    """Populations of their own that exchange their best in a ring."""
    demes = [toolbox.population(10) for _ in range(n_islands)]
    for deme in demes:
        evaluate_invalid(deme, toolbox)
    for generation in range(1, n_generations + 1):
        for deme in demes:
            deme[:] = algorithms.varAnd(toolbox.select(deme, len(deme)), toolbox, 0.5, 0.5)
            evaluate_invalid(deme, toolbox)
        if generation % 3 == 0:
            tools.migRing(demes, 2, tools.selBest, replacement=tools.selWorst)
    return demes


def seeded(seed):
    """Seed the generators that DEAP draws from."""
    random.seed(seed)
    np.random.seed(seed)


def described(population):
    """Genes and fitness of everybody, as JSON has them."""
    return [[list(individual), list(individual.fitness.values)] for individual in population]


def everything(map_function):
    """What several loops give with this ``toolbox.map``, as JSON has it."""
    found = {}
    for loop in (simple, plus, comma, generate_update):
        seeded(1)
        hall = tools.HallOfFame(5)
        population, logbook = loop(make_toolbox(map_function=map_function), halloffame=hall)
        found[loop.__name__] = [described(population), described(hall), logbook.select("gen", "nevals")]
    seeded(1)
    found["nsga2"] = described(nsga2(make_toolbox(TradeIndividual, trade_fitness, map_function=map_function)))
    return found


def checkpointed(path, *, until, every=4):
    """DEAP's recipe for checkpoints: go on from the file if it is there, until that generation."""
    toolbox, statistics = make_toolbox(), make_statistics()
    if path.exists():
        state = pickle.loads(path.read_bytes())
        population, start = state["population"], state["generation"] + 1
        hall, logbook = state["halloffame"], state["logbook"]
        random.setstate(state["rngstate"])
    else:
        seeded(3)
        population, start, hall, logbook = toolbox.population(20), 0, tools.HallOfFame(4), tools.Logbook()
    for generation in range(start, until):
        population = algorithms.varAnd(population, toolbox, 0.5, 0.5)
        n_evaluated = evaluate_invalid(population, toolbox)
        hall.update(population)
        logbook.record(gen=generation, evals=n_evaluated, **statistics.compile(population))
        population = toolbox.select(population, len(population))
        if generation % every == 0:
            state = {"population": population, "generation": generation, "halloffame": hall, "logbook": logbook}
            path.write_bytes(pickle.dumps(state | {"rngstate": random.getstate()}))
    minima = logbook.chapters["fitness"].select("min"), logbook.chapters["ones"].select("mean")
    return [described(population), described(hall), logbook.select("gen", "evals"), *map(list, minima)]
