"""Start the project's programs as a user does."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.warm import Nursery

ROOT = Path(__file__).parent.parent
HIER_EVO = ROOT / "examples" / "hier_evo.py"
#: A search on the smallest scale that still trains.
TINY = (
    "--population=3", "--evaluations=5", "--tournament=0.5", "--mutations=50",
    "--steps=4", "--batch-size=32", "--repeats=1", "--channels=2", "--device=cpu",
)  # fmt: skip


@dataclass(frozen=True)
class MPI:
    """An MPI to start ranks with."""

    #: Path of its launcher; None where it is not installed.
    launcher: str | None
    #: What mpi4py needs, to load its library.
    variables: dict[str, str] = field(default_factory=dict)


OPEN_MPI = MPI(shutil.which("mpirun"))
_MPICH = Path(sys.prefix) / "mpich"  # where scripts/environment installs it
MPICH = MPI(shutil.which("mpirun", path=str(_MPICH / "bin")), {"MPI4PY_LIBMPI": str(_MPICH / "lib" / "libmpi.so.12")})


def environment():
    """Variables that let any number of ranks run here, and leave nothing of a launcher around the tests."""
    launchers = ("OMPI_", "PMIX_", "PRTE_", "PMI_", "SLURM_")
    mine = {name: value for name, value in os.environ.items() if not name.startswith(launchers)}
    mine |= {"PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "PYTHONPATH": str(ROOT)}
    mine |= {"OMPI_MCA_btl": "self,sm"}  # one machine: a second less for each process than with a look at its networks
    if os.geteuid() == 0:
        mine |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return mine


def command(*arguments, n_ranks=None, survives=False, mpi=OPEN_MPI):
    """Command line of a Python program, under mpirun or not; under Open MPI it may survive the death of ranks."""
    options = ("--with-ft", "ulfm") if survives else ()
    launcher = [] if n_ranks is None else [mpi.launcher, *options, "-n", str(n_ranks)]
    return [*launcher, sys.executable, *map(str, arguments)]


#: Before a command that is to be interrupted: a shell that starts the tests in the background makes them deaf to it.
HEED_INTERRUPTS = ("env", "--default-signal=INT")


def run(*arguments, n_ranks=None, survives=False, mpi=OPEN_MPI, variables=None, cwd=ROOT, **options):
    """Run a Python program to its end; one that needs nothing special finds torch imported, see :mod:`tests.warm`."""
    if n_ranks is None and variables is None and not options and arguments[0] != "-c":
        return nursery().run(arguments, cwd=cwd, timeout=200)
    return subprocess.run(
        [*HEED_INTERRUPTS, *command(*arguments, n_ranks=n_ranks, survives=survives, mpi=mpi)],
        env=environment() | mpi.variables | (variables or {}), cwd=cwd,
        capture_output=True, text=True, timeout=200, check=False, **options,
    )  # fmt: skip


@cache
def nursery():
    """Where programs are forked from."""
    return Nursery(HEED_INTERRUPTS, environment())


def enlarge(disk):
    """Make room on the disk of the fixture ``full_disk``."""
    subprocess.run(["mount", "-o", "remount,size=32m", str(disk)], check=True)
