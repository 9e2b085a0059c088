"""What the networks of Liu 2018, figure 2, cost: parameters, FLOPs and memory, of trivial and of random genotypes.

    python benchmarks/parameters.py [--samples 1000] [--seed 0]

Prints tables in Markdown, parameters in millions, FLOPs of one image in thousands of millions, and what training keeps
of a batch in GiB: for the trivial genotype, and the median, least and most over random ones. Genotypes without a path
from input to output are left out.
"""

import argparse
import random
import statistics

from machine import describe

from deap_nas import FlatSpace, Genotype, HierarchicalSpace, NetworkTemplate, cost, initDiversified, initTrivial
from deap_nas.template import training_memory

SPACES = {"hierarchical": HierarchicalSpace(), "flat": FlatSpace()}
TEMPLATES = {
    "small CIFAR, c0 = 16, N = 1": NetworkTemplate.small_cifar(),
    "large CIFAR, c0 = 64, N = 2": NetworkTemplate.large_cifar(),
    "large CIFAR, c0 = 128, N = 2": NetworkTemplate.large_cifar(channels=128),
    "ImageNet, c0 = 64, N = 2": NetworkTemplate.imagenet(),
}


#: Title of a table -> what it shows of a genotype in a template.
TABLES = {
    "Parameters in millions": lambda *network: cost(*network).n_parameters / 1e6,
    "FLOPs in thousands of millions": lambda *network: cost(*network).flops / 1e9,
    "GiB that a step keeps of 128 images for its backward pass": lambda *network: (
        training_memory(*network, batch_size=128).activations / 2**30
    ),
}


def random_genotypes(space, *, n_samples, seed):
    """Random genotypes with a path from input to output."""
    rng = random.Random(seed)
    genotypes = (initDiversified(Genotype, space, rng=rng) for _ in range(n_samples))
    return [genes for genes in genotypes if space.lower(genes).output is not None]


def cells(template, measure, genotypes):
    """Cells of a table's row: for each space the trivial genotype, then median and range of the random ones."""
    for name, space in SPACES.items():
        trivial = measure(space, initTrivial(Genotype, space), template)
        sizes = [measure(space, genes, template) for genes in genotypes[name]]
        yield f"{trivial:.3g}"
        yield f"{statistics.median(sizes):.3g} ({min(sizes):.3g} to {max(sizes):.3g})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000, help="random genotypes of each kind (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the random genotypes (default: 0)")
    args = parser.parse_args()
    describe("deap-nas")
    genotypes = {
        name: random_genotypes(space, n_samples=args.samples, seed=args.seed) for name, space in SPACES.items()
    }
    print("random genotypes:", ", ".join(f"{len(found)} {name}" for name, found in genotypes.items()))
    for title, measure in TABLES.items():
        columns = [f"{name}, {what}" for name in SPACES for what in ("trivial", "random")]
        print(f"\n{title}\n\n| template | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
        for name, template in TEMPLATES.items():
            print(f"| {name} | {' | '.join(cells(template, measure, genotypes))} |")


if __name__ == "__main__":
    main()
