"""Contenders of a benchmark, each in a job of its own under mpirun, and how their figures are shown.

A script that uses this runs itself again with ``--child NAME``; that job prints its figures as JSON, on its last line.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: Longest that a job may take.
TIMEOUT_SECONDS = 1200


def run(script, *options, n_ranks=None, environment=None):
    """Run a script, under mpirun if there are ranks; gives its figures, or None where a module is not installed.

    ``environment`` is a virtual environment whose Python and mpirun it takes, by default those of this process.
    """
    folder = None if environment is None else Path(environment) / "bin"
    python = sys.executable if folder is None else str(folder / "python")
    launcher = [] if n_ranks is None else [shutil.which("mpirun", path=folder), "-n", str(n_ranks)]
    variables = os.environ | {"PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "OMP_NUM_THREADS": "1"}
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [*launcher, python, str(script), *map(str, options)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    if "ModuleNotFoundError" in done.stderr:
        return None
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def measured(names, run_one, n_rounds):
    """Figures of each contender over the rounds, in which they take turns; without those that are not installed."""
    rounds = {name: [] for name in names}
    for _ in range(n_rounds):
        for name in names:
            found = run_one(name) if rounds[name] is not None else None
            rounds[name] = None if found is None else [*rounds[name], found]
    return {name: found for name, found in rounds.items() if found}


def spread(values, digits=1):
    """Median and range."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def judged(text, value, bar, *, least=True):
    """A line with a bar beside it."""
    met = value >= bar if least else value <= bar
    return f"  {text:66}{value:8.2f}   bar {'>=' if least else '<='} {bar:g}   {'met' if met else 'NOT MET'}"
