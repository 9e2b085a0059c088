"""Evolution of neural-network architectures for DEAP.

The core, importable without torch, mpi4py and h5py: search spaces say which genotypes are legal, operators vary and
select them in DEAP's form, the loops run the search, and the graph tells what a genotype costs. The parts that need
more are packages of their own: :mod:`deap_nas.assembly` and :mod:`deap_nas.training` (torch),
:mod:`deap_nas.evaluators` (executors), :mod:`deap_nas.store` (population files) and :mod:`deap_nas.report` (pictures).
"""

from deap_nas.algorithms import eaAsync
from deap_nas.errors import NASError
from deap_nas.evaluators import Evaluation, Status, mpi_executor
from deap_nas.genotype import Genotype
from deap_nas.genotype_file import load_genotype, save_genotype
from deap_nas.graph import PAPER_OPERATIONS, Graph, canonical_key, register_operation
from deap_nas.operators import (
    CostLimit,
    cxMotif,
    initDiversified,
    initTrivial,
    killLoser,
    killOldest,
    killUnselected,
    median_cost,
    mutEdge,
    selTournamentCrowded,
    selTournamentFraction,
)
from deap_nas.search_space import FlatSpace, HierarchicalSpace
from deap_nas.template import Cost, NetworkTemplate, cost

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
    "killLoser",
    "killOldest",
    "killUnselected",
    "load_genotype",
    "median_cost",
    "mpi_executor",
    "mutEdge",
    "register_operation",
    "save_genotype",
    "selTournamentCrowded",
    "selTournamentFraction",
]


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for, since that takes longer than importing the package."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("deap-nas")
    except PackageNotFoundError:  # used from a folder that is not installed
        return "unknown"
