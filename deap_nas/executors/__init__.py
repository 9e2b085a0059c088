"""Who runs evaluations: this process, processes of this machine, or the ranks of an MPI job.

Any ``concurrent.futures.Executor`` works with the search loop; those of this package also know how many workers they
have, and give DEAP's synchronous algorithms a ``toolbox.map``.
"""

from deap_nas.executors.genotype_executor import GenotypeExecutor
from deap_nas.executors.mpi.entering import mpi_executor
from deap_nas.executors.mpi.messages import is_survivable
from deap_nas.executors.mpi.rank_executor import MPIExecutor
from deap_nas.executors.processes import ProcessExecutor
from deap_nas.executors.serial import SerialExecutor

__all__ = [
    "GenotypeExecutor",
    "MPIExecutor",
    "ProcessExecutor",
    "SerialExecutor",
    "is_survivable",
    "mpi_executor",
]
