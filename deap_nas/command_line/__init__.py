"""The command line of a search: options that scripts share, and the workers that they ask for.

A script adds its own options, and takes the rest from here::

    def arguments():
        line = CommandLine(__doc__)
        line.add_argument("--evaluations", type=at_least(1), default=400, help="in the whole run")
        line.add_fitness_options(steps=200)
        line.add_worker_options()
        return line.parse_args()


    def search(args, executor):
        fitness = make_fitness(deap_nas.HierarchicalSpace(), args)
        ...


    if __name__ == "__main__":
        run(search, arguments)
"""

from deap_nas.command_line.option_types import at_least, number_in
from deap_nas.command_line.parser import CommandLine
from deap_nas.command_line.recorded_run import recorded_run
from deap_nas.command_line.running import run
from deap_nas.command_line.trainings import make_fitness

__all__ = ["CommandLine", "at_least", "make_fitness", "number_in", "recorded_run", "run"]
