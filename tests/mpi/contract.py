"""The contract of an executor, run over MPI ranks: python -m tests.mpi.contract KIND. Rank 0 prints the outcome."""

import sys
from contextlib import nullcontext

from deap_nas.executors import mpi_executor
from deap_nas.testing import ExecutorContract


def check(executor):
    class Contract(ExecutorContract):
        def make_executor(self):
            return nullcontext(executor)

    contract = Contract()
    tests = [name for name in dir(contract) if name.startswith("test_")]
    for name in tests:
        getattr(contract, name)()
    print(len(tests), "tests passed")


def main(kind):
    if kind == "MPIPoolExecutor":
        from mpi4py.futures import MPICommExecutor

        manager = MPICommExecutor()
    else:
        manager = mpi_executor()
    with manager as executor:
        if executor is not None:
            check(executor)


if __name__ == "__main__":
    main(*sys.argv[1:])
