"""Programs for python and mpirun: python -m tests.with_deap.programs NAME [ARGUMENT]. They print what tests look at."""

import json
import sys
from pathlib import Path

from deap_nas.executors import mpi_executor
from tests.toolboxes import exit_at_three
from tests.with_deap import loops


def resume(path):
    """Go on from a checkpoint."""
    print(json.dumps(loops.checkpointed(Path(path), until=12)))


def everything():
    """All loops, on MPI ranks."""
    with mpi_executor() as executor:
        if executor is not None:
            print(json.dumps([executor.n_workers, loops.everything(executor.map)]))


def short():
    """A rank dies in the middle of a map; print what comes of it, if anything."""
    with mpi_executor() as executor:
        if executor is not None:
            print(json.dumps(list(executor.map(exit_at_three, range(8)))))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
