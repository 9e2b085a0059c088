# The names of the package; each is imported when it is first asked for.

from .algorithms import eaAsync
from .errors import NASError
from .evaluators import Evaluation, Status, mpi_executor
from .genotype import Genotype
from .genotype_file import load_genotype, save_genotype
from .graph import PAPER_OPERATIONS, Graph, canonical_key, register_operation
from .operators import (
    CostLimit,
    cxMotif,
    initDiversified,
    initTrivial,
    initUniform,
    killLoser,
    killOldest,
    killUnselected,
    median_cost,
    mutEdge,
    mutGene,
    selTournamentCrowded,
    selTournamentFraction,
)
from .search_space import FlatSpace, HierarchicalSpace
from .template import Cost, NetworkTemplate, cost

__all__ = [
    "PAPER_OPERATIONS",
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
    "canonical_key",
    "cost",
    "cxMotif",
    "eaAsync",
    "initDiversified",
    "initTrivial",
    "initUniform",
    "killLoser",
    "killOldest",
    "killUnselected",
    "load_genotype",
    "median_cost",
    "mpi_executor",
    "mutEdge",
    "mutGene",
    "register_operation",
    "save_genotype",
    "selTournamentCrowded",
    "selTournamentFraction",
]

__version__: str
