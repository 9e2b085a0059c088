"""Search level by level, with weights that all share: Perez-Rua et al. 2018, "Efficient progressive NAS".

python examples/epnas.py --space micro                                # cells of five blocks, on digits
mpirun -n 8 python examples/epnas.py --space macro --dataset cifar10  # eight searches, of which the best network counts
python examples/epnas.py --resume runs/epnas.h5                       # go on with a run

All networks of one block, or of one layer, are trained first. Of those with one more, an LSTM that has learnt from all
trainings samples K, and so on; each training goes on from the weights that the ones before have left at the same
places. At the end, deap-nas retrain FILE trains the best one anew, on all images.
"""

import random

from deap import base, creator

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, number_in, recorded_run, run
from deap_nas.executors import MPIExecutor
from deap_nas.report import Progress
from deap_nas.store import beside, resume_population
from deap_nas.strategies import ProgressiveSearch, SeveralSearches
from deap_nas.surrogates import LSTMSurrogate
from deap_nas.training import EPNAS, SharedWeights

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    line = CommandLine(__doc__)
    add = line.add_argument_group("search").add_argument
    add("--space", choices=("micro", "macro"), default="micro", help="cells of blocks, or whole networks of layers")
    add("--levels", type=at_least(1), metavar="N", help="most blocks or layers (default: the paper's 5 or 12)")
    add("--k", type=at_least(1), default=25, metavar="N", help="networks that are sampled at each step")
    add("--iterations", type=at_least(1), default=3, metavar="N", help="passes over the levels")
    text = "first and last temperature; 0 takes the best, inf draws uniformly"
    number = number_in("[0, inf]")
    add("--temperatures", type=number, nargs=2, default=[10.0, 1.0], metavar=("FIRST", "LAST"), help=text)
    add("--restart", action="store_true", help="grow from one level in each iteration, not only in the first")
    text = "what a training starts from: what all before have left, or weights drawn anew"
    add("--weights", choices=("shared", "fresh"), default="shared", help=text)
    add("--searches", type=at_least(1), metavar="N", help="side by side (default: one a rank under mpirun, else 1)")
    line.add_fitness_options(epochs=3.0, batch_size=EPNAS.batch_size, repeats=1, channels=24, validation_share=0.1)
    line.add_worker_options()
    line.add_file_options("runs/epnas.h5")
    return line.parse_run()


def space_of(args):
    name, kind = {"micro": ("blocks", deap_nas.MicroSpace), "macro": ("layers", deap_nas.MacroSpace)}[args.space]
    return kind() if args.levels is None else kind(**{name: args.levels})


def evaluation(args, space):
    weights = SharedWeights(beside(args.output, "-bank")) if args.weights == "shared" else None
    if args.crop is None and args.dataset != "digits":
        args.crop = 4
    return make_fitness(space, args, recipe=EPNAS, weights=weights)


def make_strategy(args, space, rng):
    names = ("k", "iterations", "restart", "first_temperature", "last_temperature", "sequential")
    values = (args.k, args.iterations, args.restart, *args.temperatures, args.weights == "shared")
    settings, searches = dict(zip(names, values, strict=True)), []
    for number in range(args.searches):
        own = random.Random(rng.getrandbits(32))
        surrogate = LSTMSurrogate(space, seed=own.getrandbits(32))
        search = ProgressiveSearch(creator.Individual, space, surrogate, **settings, number=number, rng=own)
        searches.append(search)
    return SeveralSearches(searches)


def search(args, executor):
    if args.searches is None:  # one for each rank that mpirun has started
        args.searches = args.settings["searches"] = 1 + executor.n_workers if isinstance(executor, MPIExecutor) else 1
    space, rng = space_of(args), random.Random(args.seed)
    fitness, strategy = evaluation(args, space), make_strategy(args, space, rng)
    toolbox = base.Toolbox()
    toolbox.register("generate", strategy.generate)
    toolbox.register("update", strategy.update)
    toolbox.register("evaluate", fitness)
    with recorded_run(args, fitness, executor) as store:
        run = {"n_evaluations": strategy.n_evaluations, "store": store, "rng": rng}
        population = resume_population(store, creator.Individual, rng=rng)
        with Progress(strategy.n_evaluations, evaluations=(record.evaluation for record in store)) as progress:
            deap_nas.eaAsyncGenerateUpdate(toolbox, executor, **run, population=population, observer=progress)


if __name__ == "__main__":
    run(search, arguments)
