"""The names of :mod:`deap_nas.evaluation` and :mod:`deap_nas.executors` together, as scripts long imported them."""

from deap_nas.evaluation import (
    Curves,
    DetailedFitness,
    Evaluation,
    Guard,
    Job,
    JobFitness,
    Runner,
    Status,
    Stopping,
    WorkerFilter,
    derive_seed,
)
from deap_nas.executors import (
    GenotypeExecutor,
    MPIExecutor,
    ProcessExecutor,
    SerialExecutor,
    is_survivable,
    mpi_executor,
)

__all__ = [
    "Curves",
    "DetailedFitness",
    "Evaluation",
    "GenotypeExecutor",
    "Guard",
    "Job",
    "JobFitness",
    "MPIExecutor",
    "ProcessExecutor",
    "Runner",
    "SerialExecutor",
    "Status",
    "Stopping",
    "WorkerFilter",
    "derive_seed",
    "is_survivable",
    "mpi_executor",
]
