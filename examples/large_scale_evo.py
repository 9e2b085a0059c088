"""Evolve image classifiers from linear models, as in Real et al. 2017, "Large-scale evolution of image classifiers".

python examples/large_scale_evo.py --workers 4 --population 16      # four processes on this machine
mpirun -n 251 python examples/large_scale_evo.py --dataset cifar10  # rank 0 searches, 250 ranks train
python examples/large_scale_evo.py --resume runs/large_scale_evo.h5 # go on with a run

Of a random pair the worse dies, and the better has a child: one mutation of eleven, which trains on with the weights
that it inherits. So what is found is trained already: deap-nas test FILE measures it, deap-nas export FILE takes it
out, deap-nas lineage FILE shows where it came from. Training images but digits are cropped with 4 pixels around them.
"""

import random

from deap import base, creator

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, number_in, recorded_run, run
from deap_nas.report import Progress
from deap_nas.store import beside, resume_population
from deap_nas.strategies import PairTournaments
from deap_nas.training import LARGE_SCALE

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.DNA, fitness=creator.FitnessMax)


def arguments():
    line = CommandLine(__doc__)
    add = line.add_argument_group("search").add_argument
    text = "members that stay; the paper has a quarter as many workers"
    add("--population", type=at_least(2), default=1000, metavar="N", help=text)
    add("--evaluations", type=at_least(1), default=20_000, metavar="N", help="in the whole run")
    text = "who of a pair dies: the less fit, or either (the control of the paper's section 4)"
    add("--selection", choices=("tournament", "none"), default="tournament", help=text)
    text = "what a training starts from: the parent's weights where they fit, or weights drawn anew"
    add("--weights", choices=("inherited", "fresh"), default="inherited", help=text)
    text = "a period of so many mutations a child (may be given again)"
    names = ("FIRST", "END", "MUTATIONS")
    add("--burst", type=int, nargs=3, action="append", default=[], metavar=names, help=text)
    text = "evaluations before which all members are trained anew"
    add("--reset", type=at_least(1), nargs="+", default=[], metavar="N", help=text)
    add("--max-parameters", type=at_least(1), metavar="N", help="that a network may have (default: no limit)")
    add("--max-flops", type=at_least(1), metavar="N", help="that it may take for an image (default: no limit)")
    line.add_fitness_options(
        steps=LARGE_SCALE.steps, batch_size=LARGE_SCALE.batch_size, repeats=1, channels=None, validation_share=0.1
    )
    text = "times the steps of a training, to rehearse it"
    line.add_argument("--scale", type=number_in("(0, inf)"), default=1.0, metavar="FACTOR", help=text)
    line.add_worker_options()
    line.add_file_options("runs/large_scale_evo.h5")
    return line.parse_run()


def evaluation(args):
    folder = beside(args.output, "-weights") if args.weights == "inherited" else None
    if args.crop is None and args.dataset != "digits":
        args.crop = 4  # as He 2016 does
    fitness = make_fitness(deap_nas.DNASpace(), args, recipe=LARGE_SCALE, weights_dir=folder)
    return fitness.cheaper(steps=fitness.recipe.scaled(args.scale).steps)


def make_toolbox(args, fitness, rng):
    space = fitness.space
    toolbox = base.Toolbox()
    toolbox.register("individual", deap_nas.initLinear, creator.Individual, space)
    toolbox.register("mutate", deap_nas.mutLargeScale, space=space, rng=rng)
    toolbox.register("reset", deap_nas.mutResetWeights, space=space, rng=rng)
    sizes = {"max_parameters": args.max_parameters, "max_flops": args.max_flops}
    toolbox.decorate("mutate", deap_nas.CostLimit(space, fitness.template, **sizes))
    toolbox.register("evaluate", fitness)
    settings = {"size": args.population, "bursts": args.burst, "resets": args.reset}
    strategy = PairTournaments(toolbox, **settings, selects=args.selection == "tournament", rng=rng)
    toolbox.register("generate", strategy.generate)
    toolbox.register("update", strategy.update)
    return toolbox


def search(args, executor):
    fitness, rng = evaluation(args), random.Random(args.seed)
    toolbox = make_toolbox(args, fitness, rng)
    with recorded_run(args, fitness, executor) as store:
        run = {"n_evaluations": args.evaluations, "store": store, "rng": rng}
        population = resume_population(store, creator.Individual, rng=rng)
        done = (record.evaluation for record in store)
        with Progress(args.evaluations, evaluations=done) as progress:
            deap_nas.eaAsyncGenerateUpdate(toolbox, executor, **run, population=population, observer=progress)


if __name__ == "__main__":
    run(search, arguments)
