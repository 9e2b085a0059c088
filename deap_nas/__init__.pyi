# The names of the package; each is imported when it is first asked for.

from .algorithms import eaAsync, eaAsyncGenerateUpdate
from .errors import NASError
from .evaluation import Evaluation, Status
from .executors import mpi_executor
from .genotype import Genotype
from .genotype_file import load_genotype, save_genotype
from .graph import PAPER_OPERATIONS, Graph, canonical_key, register_operation
from .operators import (
    CostLimit,
    cxChain,
    cxMotif,
    initChain,
    initDiversified,
    initTrivial,
    initUniform,
    killLoser,
    killOldest,
    killUnselected,
    median_cost,
    mutAlterLayer,
    mutChain,
    mutEdge,
    mutGene,
    mutInsertLayer,
    mutRemoveLayer,
    selTournamentCrowded,
    selTournamentFraction,
)
from .search_space import ChainSpace, FlatSpace, HierarchicalSpace
from .template import CellStack, Cost, NetworkTemplate, WholeNetwork, cost

__all__ = [
    "PAPER_OPERATIONS",
    "CellStack",
    "ChainSpace",
    "Cost",
    "CostLimit",
    "Evaluation",
    "FlatSpace",
    "Genotype",
    "Graph",
    "HierarchicalSpace",
    "NASError",
    "NetworkTemplate",
    "Status",
    "WholeNetwork",
    "canonical_key",
    "cost",
    "cxChain",
    "cxMotif",
    "eaAsync",
    "eaAsyncGenerateUpdate",
    "initChain",
    "initDiversified",
    "initTrivial",
    "initUniform",
    "killLoser",
    "killOldest",
    "killUnselected",
    "load_genotype",
    "median_cost",
    "mpi_executor",
    "mutAlterLayer",
    "mutChain",
    "mutEdge",
    "mutGene",
    "mutInsertLayer",
    "mutRemoveLayer",
    "register_operation",
    "save_genotype",
    "selTournamentCrowded",
    "selTournamentFraction",
]

__version__: str
