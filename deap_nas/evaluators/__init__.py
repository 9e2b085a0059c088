"""Performance estimation: jobs, evaluations, and the executors that run them.

Any ``concurrent.futures.Executor`` works with the search loop; those of this package also know how many workers they
have, and give DEAP's synchronous algorithms a ``toolbox.map``.
"""

from deap_nas.evaluators.base import GenotypeExecutor
from deap_nas.evaluators.curves import Curves, Stopping
from deap_nas.evaluators.evaluation import DetailedFitness, Evaluation, Job, JobFitness, Status, derive_seed
from deap_nas.evaluators.guard import Guard
from deap_nas.evaluators.links import is_survivable
from deap_nas.evaluators.mpi import mpi_executor
from deap_nas.evaluators.process import ProcessExecutor
from deap_nas.evaluators.ranks import MPIExecutor
from deap_nas.evaluators.run import Runner, WorkerFilter
from deap_nas.evaluators.serial import SerialExecutor

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
