"""Climb from a small network by network morphisms: Elsken et al. 2017, "Simple and efficient architecture search".

python examples/hill_climbing.py --workers 4                    # DNA, on digits
mpirun -n 9 python examples/hill_climbing.py --dataset cifar10  # rank 0 searches, 8 ranks train a neighbour each
python examples/hill_climbing.py --resume runs/hill_climbing.h5 # go on with a run

Each neighbour is the current network, made deeper or wider or given skips in a way that keeps what it computes, and
trained on; the last one is just trained on. The best is the next current network, and trained: see deap-nas test FILE.
"""

import random

from deap import base, creator

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, recorded_run, run
from deap_nas.report import Progress
from deap_nas.store import beside, resume_population
from deap_nas.strategies import HillClimbing
from deap_nas.training import HILL_CLIMBING, MorphedWeights, ParentWeights

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Network", deap_nas.DNA, fitness=creator.FitnessMax)
creator.create("Chain", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    line = CommandLine(__doc__)
    add = line.add_argument_group("search").add_argument
    add(
        "--space",
        choices=("dna", "chain"),
        default="dna",
        help="networks of any depth and width, with or without skips",
    )
    add("--width", type=at_least(1), default=64, metavar="C", help="channels of the first convolution at the beginning")
    add("--n-steps", type=at_least(1), default=5, metavar="N", help="steps uphill")
    add("--n-neigh", type=at_least(2), default=8, metavar="N", help="neighbours that are trained in each step")
    add("--n-nm", type=at_least(1), default=5, metavar="N", help="network morphisms of a neighbour")
    text = "what a neighbour starts from: the function of the current network, or its weights where they fit"
    add("--weights", choices=("morphed", "inherited"), default="morphed", help=text)
    add("--max-parameters", type=at_least(1), metavar="N", help="that a network may have (default: no limit)")
    settings = {"epochs": 17.0, "batch_size": HILL_CLIMBING.batch_size, "validation_share": 0.1}
    line.add_fitness_options(**settings, repeats=1, channels=None)
    line.add_worker_options()
    line.add_file_options("runs/hill_climbing.h5")
    return line.parse_run()


def evaluation(args):
    if args.crop is None and args.dataset != "digits":
        args.crop = 4
    channels = tuple(args.width * 2**power for power in range(6))
    space = deap_nas.DNASpace() if args.space == "dna" else deap_nas.ChainSpace(channels=channels, max_layers=40)
    kinds = {"morphed": MorphedWeights, "inherited": ParentWeights}
    weights = kinds[args.weights](beside(args.output, "-weights"))
    return make_fitness(space, args, recipe=HILL_CLIMBING, weights=weights)


def make_toolbox(args, fitness, rng):
    space, template = fitness.space, fitness.template
    toolbox = base.Toolbox()
    if args.space == "dna":
        channels = {"channels": [args.width, 2 * args.width, 4 * args.width], "image_channels": template.image_channels}
        toolbox.register("individual", deap_nas.initConvolutions, creator.Network, space, **channels, rng=rng)
        toolbox.register("mutate", deap_nas.mutMorph, space=space, image_channels=template.image_channels, rng=rng)
    else:  # a convolution, a pooling, twice as many channels, a pooling, twice as many
        pool = [2, 0, 1, 1]
        toolbox.register("individual", creator.Chain, [0, 0, 1, 0, *pool, 0, 1, 1, 0, *pool, 0, 2, 1, 0])
        toolbox.register("mutate", deap_nas.mutMorphChain, space=space, rng=rng)
    toolbox.decorate("mutate", deap_nas.CostLimit(space, template, max_parameters=args.max_parameters))
    toolbox.register("evaluate", fitness)
    strategy = HillClimbing(toolbox, n_steps=args.n_steps, n_neighbours=args.n_neigh, n_mutations=args.n_nm)
    toolbox.register("generate", strategy.generate)
    toolbox.register("update", strategy.update)
    return toolbox, strategy.n_evaluations


def search(args, executor):
    fitness, rng = evaluation(args), random.Random(args.seed)
    toolbox, n_evaluations = make_toolbox(args, fitness, rng)
    with recorded_run(args, fitness, executor) as store:
        run = {"n_evaluations": n_evaluations, "store": store, "rng": rng}
        population = resume_population(store, creator.Network if args.space == "dna" else creator.Chain, rng=rng)
        with Progress(n_evaluations, evaluations=(record.evaluation for record in store)) as progress:
            deap_nas.eaAsyncGenerateUpdate(toolbox, executor, **run, population=population, observer=progress)


if __name__ == "__main__":
    run(search, arguments)
