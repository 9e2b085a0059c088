"""Search spaces: which genotypes are legal, and what graph each one stands for."""

from deap_nas.search_space.blocks import Operand
from deap_nas.search_space.cell_space import CellSpace
from deap_nas.search_space.chain import ChainSpace
from deap_nas.search_space.dna_space import DNASpace
from deap_nas.search_space.flat import FlatSpace
from deap_nas.search_space.growing import GrowingSpace, LevelGene
from deap_nas.search_space.hierarchical import GenePlace, HierarchicalSpace
from deap_nas.search_space.macro import MacroSpace
from deap_nas.search_space.micro import MicroSpace
from deap_nas.search_space.reading import Edge, Motif
from deap_nas.search_space.space import SearchSpace, register_space, space_from_dict

__all__ = [
    "CellSpace",
    "ChainSpace",
    "DNASpace",
    "Edge",
    "FlatSpace",
    "GenePlace",
    "GrowingSpace",
    "HierarchicalSpace",
    "LevelGene",
    "MacroSpace",
    "MicroSpace",
    "Motif",
    "Operand",
    "SearchSpace",
    "register_space",
    "space_from_dict",
]
