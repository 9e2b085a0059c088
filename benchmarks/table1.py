"""Table 1 of Liu 2018 <https://arxiv.org/abs/1711.00436> as one experiment, with its figures 3 and 4, at any scale.

    mpirun -n 200 python benchmarks/table1.py --dataset cifar10             # the paper's scale, without ImageNet
    python benchmarks/table1.py --workers 2 --dataset imagefolder:PATH ...  # a rehearsal, see benchmarks/results

Four searches with the small model: flat, flat under a parameter limit, hierarchical, and random search of hierarchical
genotypes. The limit is the median of random hierarchical genotypes. Each row of the table is a cell that one of them
has found, trained anew in the large model on all training images and measured on the test images. Started again with
the same settings, it goes on where it was.
"""

import argparse
import random
import statistics
import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from deap import base, creator, tools
from machine import describe
from table1_figures import draw_fitness, draw_improvement
from tqdm import tqdm

import deap_nas
from deap_nas.errors import SettingsError
from deap_nas.evaluation import derive_seed
from deap_nas.executors import MPIExecutor, ProcessExecutor
from deap_nas.report import Progress
from deap_nas.store import HDF5Store, resume_population
from deap_nas.training import CIFAR_EVALUATION, SEARCH, AccuracyFitness, Retraining

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)

#: Search -> space, whether under the limit, whether random.
SEARCHES = {
    "flat": (deap_nas.FlatSpace(), False, False),
    "flat, constrained": (deap_nas.FlatSpace(), True, False),
    "hierarchical": (deap_nas.HierarchicalSpace(), False, False),
    "hierarchical, random": (deap_nas.HierarchicalSpace(), False, True),
}
#: Row of the table: representation, method, search, what is taken from it, the paper's error in percent.
ROWS = (
    ("flat", "random architecture", "flat", "first", "4.56 +- 0.11"),
    ("flat", "random search, small", "flat", "initial", "4.02 +- 0.11"),
    ("flat", "evolution", "flat", "all", "3.92 +- 0.06"),
    ("flat", "evolution, constrained", "flat, constrained", "all", "4.17 +- 0.08"),
    ("hierarchical", "random architecture", "hierarchical", "first", "4.21 +- 0.11"),
    ("hierarchical", "random search, small", "hierarchical", "initial", "4.04 +- 0.20"),
    ("hierarchical", "random search, large", "hierarchical, random", "all", "3.91 +- 0.15"),
    ("hierarchical", "evolution", "hierarchical", "all", "3.75 +- 0.12"),
)
#: Cells of figure 4 after the first: the fittest so far after these shares of the evaluations.
SHARES = (0.25, 0.5, 1.0)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = partial(parser.add_argument, type=int)
    add("--dataset", type=str, default="digits", help="digits, cifar10, cifar100 or imagefolder:PATH (default: digits)")
    add("--images", help="of the training set, at random (default: all)")
    add("--population", default=200, help="first genotypes, and samples of the small random search (default: 200)")
    add("--evaluations", default=7000, help="of a search, and samples of the large random search (default: 7000)")
    add("--tournament", type=float, default=0.05, help="share of the population in a tournament (default: 0.05)")
    add("--channels", default=16, help="of the small model (default: 16)")
    add("--steps", default=SEARCH.steps, help=f"of a training in the search (default: {SEARCH.steps})")
    add("--repeats", default=4, help="trainings of a genotype in the search (default: 4)")
    add("--large-channels", default=64, help="of the large model (default: 64)")
    add("--large-cells", default=2, help="in each of its groups (default: 2)")
    add("--large-steps", default=CIFAR_EVALUATION.steps, help=f"of its training (default: {CIFAR_EVALUATION.steps})")
    add("--runs", default=5, help="trainings of the large model (default: 5)")
    add("--batch-size", default=SEARCH.batch_size, help=f"images a step (default: {SEARCH.batch_size})")
    add("--stem-stride", default=1, choices=(1, 2), help="2 lets all cells work at half the resolution (default: 1)")
    add("--seeds", default=1, help="searches of each kind (default: 1)")
    add("--workers", default=0, help="processes on this machine, without mpirun (default: none)")
    add("--device", type=str, default="auto", help="cpu, cuda, ... (default: a GPU if there is one)")
    add("--data-dir", type=str, default="data", help="folder of cifar10 and cifar100 (default: data)")
    add("--output", type=Path, default=Path("runs/table1"), help="folder (default: runs/table1)")
    return parser.parse_args()


@dataclass(frozen=True)
class Experiment:
    """What all searches and trainings share.

    Args:
        args: of the command line.
        executor: runs trainings.
    """

    args: argparse.Namespace
    executor: object

    def file(self, name, seed):
        """Population file of a search."""
        return self.args.output / f"seed{seed}" / f"{name.replace(', ', '-')}.h5"

    def template(self, channels, cells):
        """A model of the paper, whose first convolution may halve the resolution."""
        template = deap_nas.NetworkTemplate.small_cifar(channels=channels, n_cells=cells)
        return replace(template, stem=((channels, self.args.stem_stride),))

    def search(self, name, seed):
        """Run a search to its end, or go on with it."""
        args, (space, is_limited, is_random) = self.args, SEARCHES[name]
        fitness = AccuracyFitness(
            space,
            dataset=args.dataset,
            template=self.template(args.channels, 1),
            recipe=replace(SEARCH, steps=args.steps, batch_size=args.batch_size),
            repeats=args.repeats,
            device=args.device,
            seed=seed,
            data_dir=args.data_dir,
            n_images=args.images,
        )
        rng = random.Random(derive_seed(seed, list(SEARCHES).index(name)))
        largest = self.largest(fitness.template, seed) if is_limited else None
        toolbox = base.Toolbox()
        toolbox.register("individual", deap_nas.initDiversified, creator.Individual, space, rng=rng)
        toolbox.register("mutate", deap_nas.mutEdge, space=space, rng=rng)
        limit = deap_nas.CostLimit(space, fitness.template, max_parameters=largest, n_tries=100_000)
        toolbox.decorate("individual", limit)
        toolbox.decorate("mutate", limit)
        toolbox.register("select", deap_nas.selTournamentFraction, fraction=args.tournament, rng=rng)
        toolbox.register("evaluate", fitness)
        n_first = args.evaluations if is_random else args.population
        settings = {"population": n_first, "tournament": args.tournament, "max_parameters": largest}
        settings |= {"evaluations": args.evaluations, "fitness": fitness.to_dict()}
        with self.store(name, seed, space=space, settings=settings) as store:
            population = resume_population(store, creator.Individual, rng=rng)
            population = population or tools.initRepeat(list, toolbox.individual, n_first)
            evaluated = [individual.evaluation for individual in population if individual.fitness.valid]
            print(f"{name}, seed {seed}", file=sys.stderr)
            with Progress(args.evaluations, evaluations=evaluated) as progress:
                deap_nas.eaAsync(
                    population, toolbox, self.executor,
                    n_evaluations=args.evaluations, store=store, rng=rng, observer=progress,
                )  # fmt: skip

    def store(self, name, seed, *, space, settings):
        """The search's population file, new or to be gone on with."""
        path = self.file(name, seed)
        if path.exists():
            return HDF5Store.resume(path, space=space, settings=settings, free=("evaluations",))
        return HDF5Store.create(path, space=space, settings=settings, seed=seed, n_repeats=self.args.repeats)

    def largest(self, template, seed):
        """The limit: median parameters of random hierarchical genotypes."""
        space, rng = deap_nas.HierarchicalSpace(), random.Random(derive_seed(seed, 1000))
        return deap_nas.median_cost(space, template, rng=rng).n_parameters

    def chosen(self, seed):
        """(search, id) of each row's cell, and of the cells of figure 4, in the order of SHARES after the first."""
        cells = {}
        for _, _, name, which, _ in ROWS:
            n_first = {"first": 1, "initial": self.args.population, "all": self.args.evaluations}[which]
            cells[name, which] = self.fittest(name, seed, n_first)
        for share in SHARES:
            cells["hierarchical", share] = self.fittest("hierarchical", seed, round(share * self.args.evaluations))
        return cells

    def fittest(self, name, seed, n_first):
        """Id of the fittest network among the first submitted; when only one is asked for, the first that works."""
        with HDF5Store.read(self.file(name, seed)) as store:
            ids, fitness = store.column("id"), store.column("fitness")[:, 0]
            ok = store.column("status") == deap_nas.Status.OK
            if n_first == 1:
                return int(ids[ok].min())
            rows = np.flatnonzero(ok & (ids < n_first))
            return int(ids[rows[np.argmax(fitness[rows])]])

    def retrain(self, cells):
        """Test accuracies of the large model with each (search, seed, id), one for each run that did not diverge."""
        args, futures = self.args, {}
        for name, seed, number in cells:
            with HDF5Store.read(self.file(name, seed)) as store:
                genes = next(record.genes for record in store.records() if record.evaluation.id == number)
            for run in range(args.runs):
                retraining = Retraining(
                    SEARCHES[name][0],
                    genes,
                    dataset=args.dataset,
                    template=self.template(args.large_channels, args.large_cells),
                    recipe=replace(CIFAR_EVALUATION, steps=args.large_steps, batch_size=args.batch_size),
                    runs=1,
                    seed=derive_seed(seed, number, run),
                    device=args.device,
                    data_dir=args.data_dir,
                    n_images=args.images,
                )
                folder = self.file(name, seed).with_suffix("") / f"id{number}-run{run}"
                futures[name, seed, number, run] = self.executor.submit(retraining.run, folder)
        results = {key: future.result() for key, future in tqdm(futures.items(), "large models", file=sys.stderr)}
        return {
            cell: (
                [accuracy for run in range(args.runs) for accuracy in results[*cell, run].accuracies],
                results[*cell, 0].n_parameters,
            )
            for cell in cells
        }


def table(experiment, chosen, results):
    """Lines of the table."""
    args = experiment.args
    samples = {"first": 1, "initial": args.population, "all": args.evaluations}
    yield (
        f"{'representation':14}  {'method':24}{'samples':>8}{'test error %':>16}{'validation %':>14}"
        f"{'parameters small':>18}{'large':>12}  the paper's error %"
    )
    for representation, method, name, which, published in ROWS:
        accuracies, validation, small, large = [], [], [], []
        for seed in range(args.seeds):
            number = chosen[seed][name, which]
            found, n_parameters = results[name, seed, number]
            with HDF5Store.read(experiment.file(name, seed)) as store:
                row = list(store.column("id")).index(number)
                validation.append(store.column("fitness")[row, 0])
                small.append(int(store.column("n_parameters")[row]))
            accuracies += found
            large.append(n_parameters)
        errors = [100 * (1 - accuracy) for accuracy in accuracies]
        deviation = f" +- {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""  # one run has none
        error = f"{statistics.fmean(errors):.2f}{deviation}" if errors else "diverged"
        yield (
            f"{representation:14}  {method:24}{samples[which]:>8}{error:>16}"
            f"{100 * statistics.fmean(validation):>14.2f}{statistics.median_low(small):>18,}"
            f"{statistics.median_low(large):>12,}  {published}"
        )


def improvement(experiment, chosen, results):
    """Points of figure 4 of each seed: evaluations, improvement of the small model, of the large one, in percent."""
    for seed in range(experiment.args.seeds):
        args = experiment.args
        samples = {"first": 1, "initial": args.population}
        samples |= {share: round(share * args.evaluations) for share in SHARES}
        sizes, ids = zip(*sorted((n, chosen[seed]["hierarchical", which]) for which, n in samples.items()), strict=True)
        with HDF5Store.read(experiment.file("hierarchical", seed)) as store:
            fitness = dict(zip(store.column("id").tolist(), store.column("fitness")[:, 0].tolist(), strict=True))
        small = [100 * (fitness[number] - fitness[ids[0]]) for number in ids]
        found = [results["hierarchical", seed, number][0] for number in ids]
        means = [100 * statistics.fmean(accuracies) if accuracies else float("nan") for accuracies in found]
        yield sizes, small, [mean - means[0] for mean in means]


def run(args, executor):
    describe("deap-nas", "deap", "torch")
    experiment = Experiment(args, executor)
    seeds = range(args.seeds)
    for seed in seeds:
        for name in SEARCHES:
            experiment.search(name, seed)
    chosen = [experiment.chosen(seed) for seed in seeds]
    cells = sorted({(name, seed, number) for seed in seeds for (name, _), number in chosen[seed].items()})
    results = experiment.retrain(cells)
    print("\n".join(table(experiment, chosen, results)))
    shown = [name for name in SEARCHES if name != "hierarchical, random"]
    draw_fitness({name: [experiment.file(name, seed) for seed in seeds] for name in shown}, args.output / "figure3.png")
    draw_improvement(list(improvement(experiment, chosen, results)), args.output / "figure4.png")
    print(f"\npictures {args.output / 'figure3.png'} {args.output / 'figure4.png'}")


def main():
    args = arguments()
    with deap_nas.mpi_executor() as executor:
        if executor is not None:  # None on the ranks that have served as workers
            if args.workers and isinstance(executor, MPIExecutor):
                raise SettingsError("--workers is for runs without mpirun: give one or the other")
            with ProcessExecutor(args.workers) if args.workers else nullcontext(executor) as workers:
                run(args, workers)


if __name__ == "__main__":
    try:
        main()
    except deap_nas.NASError as error:
        sys.exit(f"table1.py: {error}")
