"""An operation of one's own among the paper's six: a separable 3x3 convolution with gaps, searched and drawn.

mpirun -n 5 python examples/custom_operation.py          # without mpirun one process does it all

The operation is a function from channel counts to layers. Three of its layers are there already; the dilated one is
written here, with its cost and its PyTorch module. Nothing else changes: space, operators, cost, training and drawing
know the operation by its name. "deap-nas retrain FILE --import examples/custom_operation.py" would train what it found.
"""

import random
from dataclasses import dataclass
from pathlib import Path

from deap import base, creator, tools
from torch import nn

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, run
from deap_nas.graph import Layer, conv_bn_relu
from deap_nas.report import save_drawing

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


@dataclass(frozen=True)
class DilatedDepthwise(Layer):
    """Depthwise 3x3 convolution whose taps lie two pixels apart; keeps the size."""

    channels: int

    @property
    def n_parameters(self):
        """Nine weights a channel."""
        return 9 * self.channels

    def output_shape(self, shape):
        """As it was."""
        return shape

    def flops(self, shape):
        """Twice the weights at each pixel."""
        return 2 * self.n_parameters * shape[1] * shape[2]

    def build(self):
        """Make the module."""
        return nn.Conv2d(self.channels, self.channels, 3, padding=2, dilation=2, groups=self.channels, bias=False)


@deap_nas.register_operation("dilated_conv_3x3")
def dilated_conv_3x3(in_channels, channels):
    return (DilatedDepthwise(in_channels), *conv_bn_relu(in_channels, channels, 1))


def arguments():
    line = CommandLine(__doc__)
    line.add_argument("--population", type=at_least(1), default=8, metavar="N", help="random genotypes to start from")
    line.add_argument("--evaluations", type=at_least(1), default=32, metavar="N", help="in the whole run")
    line.add_argument("--output", type=Path, default=Path("custom_operation.png"), metavar="FILE", help="picture")
    line.add_fitness_options(steps=100, batch_size=64, repeats=1, channels=8)
    line.add_worker_options()
    return line.parse_args()


def search(args, executor):
    space = deap_nas.HierarchicalSpace(operations=(*deap_nas.PAPER_OPERATIONS, "dilated_conv_3x3"))
    rng = random.Random(args.seed)
    toolbox = base.Toolbox()
    toolbox.register("individual", deap_nas.initDiversified, creator.Individual, space, rng=rng)
    toolbox.register("select", deap_nas.selTournamentFraction, fraction=0.3, rng=rng)
    toolbox.register("mutate", deap_nas.mutEdge, space=space, rng=rng)
    toolbox.register("evaluate", make_fitness(space, args))
    best, population = tools.HallOfFame(1), tools.initRepeat(list, toolbox.individual, args.population)
    deap_nas.eaAsync(population, toolbox, executor, n_evaluations=args.evaluations, halloffame=best, rng=rng)
    print(f"accuracy {best[0].fitness.values[0]:.4f}, {best[0].evaluation.n_parameters:,} parameters")
    print(space.describe(best[0]))
    save_drawing(space, best[0], [args.output], title=f"accuracy {best[0].fitness.values[0]:.4f}")


if __name__ == "__main__":
    run(search, arguments)
