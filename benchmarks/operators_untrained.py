"""What mutations do by functions of a network that need no training; see ``operators.py``."""

import random
import sys

from compared import REPRESENTATIONS, edge_kind
from deap import base
from likeness import SyntheticFitness
from operators_effects import (
    EQUAL,
    EXACT,
    NOISY,
    UNDECIDED,
    Child,
    Effects,
    Noise,
    Parent,
    by_kind,
    children_of,
    classified,
    judged,
    network_of,
)
from tqdm import tqdm

import deap_nas
from deap_nas.evaluation import Status, derive_seed
from deap_nas.executors import SerialExecutor
from deap_nas.genotype import plain_genotype
from deap_nas.strategies import PairTournaments

#: Members of a search with a synthetic fitness.
N_MEMBERS = 50
#: Differences of a synthetic fitness that are those of rounding.
ROUNDING = 1e-9
#: Share of the cells of NAS-Bench-201 that are called the fittest.
FITTEST = 0.05


def evolved(name, seed, n_evaluations):
    """Members that a short search with a synthetic fitness has left, and that are networks."""
    representation = REPRESENTATIONS[name]
    space, rng = representation.space, random.Random(f"{seed} {name}")
    fitness = SyntheticFitness(space, seed)
    toolbox = base.Toolbox()
    toolbox.register("individual", representation.initial, representation.individual, space, rng=rng)
    toolbox.register("mutate", representation.mutate, space=space, rng=rng)
    toolbox.register("evaluate", lambda genotype: (fitness(genotype),))
    if representation.limited_by is not None:
        template = space.default_template()
        largest = deap_nas.median_cost(representation.limited_by, template, rng=rng).n_parameters
        limit = deap_nas.CostLimit(space, template, max_parameters=largest, n_tries=100_000)
        toolbox.decorate("individual", limit)
        toolbox.decorate("mutate", limit)
    strategy = PairTournaments(toolbox, size=N_MEMBERS, rng=rng)
    toolbox.register("generate", strategy.generate)
    toolbox.register("update", strategy.update)
    with SerialExecutor() as executor:
        population, _ = deap_nas.eaAsyncGenerateUpdate(toolbox, executor, n_evaluations=n_evaluations, rng=rng)
    is_ok = (member for member in population if member.evaluation.status is Status.OK)
    return [Parent(plain_genotype(member), fitness) for member in is_ok]


def by_synthetic_fitness(args):
    """Compare children with their parents by synthetic functions; gives what has come of them by representation."""
    found = {}
    for name in args.representations:
        representation, children = REPRESENTATIONS[name], []
        with tqdm(total=args.synthetic, desc=f"{name}, synthetic", file=sys.stderr, disable=None) as bar:
            for number in range(args.fitnesses):
                parents = evolved(name, derive_seed(args.seed, number), args.evaluations)
                n_children = len(range(number, args.synthetic, args.fitnesses))
                for child in children_of(parents, representation, n_children, derive_seed(args.seed, number, 1)):
                    children.append(by_exact_fitness(child))
                    bar.update()
        text = f"{len(children)} children of the members of {args.fitnesses} searches of {args.evaluations} evaluations"
        found[name] = Effects(by_kind(children), text, EXACT)
    return found


def by_exact_fitness(child):
    """A child, judged by the fitness of its parent."""
    space = child.parent.fitness.space
    template = space.default_template()
    before, after = (network_of(space, template, genotype) for genotype in (child.parent.genotype, child.genotype))
    child = classified(child, before, after)
    if child.outcome is not None:
        return child
    change = child.parent.fitness(child.genotype) - child.parent.fitness(child.parent.genotype)
    return judged(child, change, ROUNDING, EQUAL)


def by_table(path):
    """Compare all cells of NAS-Bench-201 with all that differ from them by one label."""
    from nasbench201 import SPACE, TabularFitness

    fitness = TabularFitness(path)
    template = SPACE.default_template()
    networks = {genes: network_of(SPACE, template, genes) for genes in fitness.rows}
    cells = [genes for genes, network in networks.items() if network is not None]
    cells.sort(key=lambda genes: -fitness.test["cifar10"][fitness.rows[genes]])
    fittest = cells[: max(1, round(FITTEST * len(cells)))]
    return {
        name: effects_of_table(parents, SPACE, networks, fitness)
        for name, parents in (("all cells", cells), ("the fittest cells", fittest))
    }


def effects_of_table(parents, space, networks, fitness):
    """Compare some cells with all that differ from them by one label."""
    alike = {}
    for genes in parents:
        alike.setdefault(networks[genes].key, []).append(fitness(genes)[0])
    noise = Noise.within(alike.values())
    threshold = noise.threshold(1)
    children = []
    for parent in tqdm(parents, "NAS-Bench-201", file=sys.stderr, disable=None):
        for genes in changed(parent, space):
            child = Child(edge_kind(parent, genes, space), parent, genes)
            child = classified(child, networks[parent], networks[genes])
            children.append(judged(child, fitness(genes)[0] - fitness(parent)[0], threshold, UNDECIDED))
    text = (
        f"{len(parents):,} cells, {len(children):,} children; a training deviates by {noise.deviation:.2f} points, two "
        f"count as different from {threshold:.2f} on"
    )
    return Effects(by_kind(children), text, NOISY, is_sample=False)


def changed(genes, space):
    """All that differ from some genes by one label."""
    for place, up in enumerate(space.up):
        for label in range(up + 1):
            if label != genes[place]:
                yield (*genes[:place], label, *genes[place + 1 :])
