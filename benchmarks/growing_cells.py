"""The cells of NAS-Bench-201 as genotypes that grow node by node, for progressive searches of a known order."""

from dataclasses import dataclass

from nasbench201 import SPACE as CELLS

from deap_nas.genotype import Genotype
from deap_nas.search_space import GrowingSpace, LevelGene, register_space

#: Label of an edge that passes its value on.
IDENTITY = 1 + CELLS.operations.index("identity")


@register_space("nasbench201, growing")
@dataclass(frozen=True, kw_only=True)
class GrowingCells(GrowingSpace):
    """Cells of one node besides the input, of two, of three; level l has the labels of the l edges into its node.

    A shorter genotype is the cell in which each further node passes on the value of the one before.
    """

    operations: tuple[str, ...] = CELLS.operations
    level_name = "node"

    @property
    def n_levels(self):
        """Nodes besides the input."""
        return CELLS.nodes[0] - 1

    def level_genes(self, level):
        """One label for each edge into the node; 0 for no edge."""
        return tuple(LevelGene(f"edge from {node}", 1 + len(self.operations)) for node in range(1, level + 1))

    def words_of(self, genotype):
        """The labels of each node's edges."""
        names = ("none", *self.operations)
        levels = range(1, self.level_of(genotype) + 1)
        return [" ".join(names[gene] for gene in genotype[self.genes_of(level)]) for level in levels]

    def describe(self, genotype):
        """Say the cell."""
        return CELLS.describe(completed(self, genotype))

    def lower(self, genotype):
        """See :meth:`SearchSpace.lower`."""
        self.validate(genotype)
        return CELLS.lower(completed(self, genotype))

    def default_template(self, **images):
        """Give that of flat cells."""
        return CELLS.default_template(**images)

    def to_dict(self):
        """See :meth:`SearchSpace.to_dict`."""
        return {"kind": "nasbench201, growing", "operations": list(self.operations)}


def completed(space, genotype):
    """Give the cell of all nodes that a genotype stands for."""
    genes = list(genotype)
    for level in range(space.level_of(genotype) + 1, space.n_levels + 1):
        genes += [0] * (level - 1) + [IDENTITY]
    return Genotype(genes)
