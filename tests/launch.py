"""Start the project's programs as a user does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HIER_EVO = ROOT / "examples" / "hier_evo.py"
#: A search on the smallest scale that still trains.
TINY = (
    "--population=3", "--evaluations=5", "--tournament=0.5", "--mutations=50",
    "--steps=4", "--batch-size=32", "--repeats=1", "--channels=2", "--device=cpu",
)  # fmt: skip


def environment():
    """Variables that let any number of ranks run here, and leave nothing of a launcher around the tests."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("OMPI_", "PMIX_", "PRTE_"))}
    mine |= {"PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "PYTHONPATH": str(ROOT)}
    if os.geteuid() == 0:
        mine |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return mine


def command(*arguments, n_ranks=None, survives=False):
    """Command line of a Python program, under mpirun or not; it may survive the death of ranks."""
    options = ("--with-ft", "ulfm") if survives else ()
    launcher = [] if n_ranks is None else [shutil.which("mpirun"), *options, "-n", str(n_ranks)]
    return [*launcher, sys.executable, *map(str, arguments)]


#: Before a command that is to be interrupted: a shell that starts the tests in the background makes them deaf to it.
HEED_INTERRUPTS = ("env", "--default-signal=INT")


def run(*arguments, n_ranks=None, survives=False, variables=None, cwd=ROOT, **options):
    """Run a Python program to its end."""
    return subprocess.run(
        command(*arguments, n_ranks=n_ranks, survives=survives),
        env=environment() | (variables or {}), cwd=cwd,
        capture_output=True, text=True, timeout=200, check=False, **options,
    )  # fmt: skip


def enlarge(disk):
    """Make room on the disk of the fixture ``full_disk``."""
    subprocess.run(["mount", "-o", "remount,size=32m", str(disk)], check=True)
