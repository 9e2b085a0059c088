"""One cluster for all tests, where Slurm is installed."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.slurm.cluster import N_CPUS, PROGRAMS, Cluster, find
from tests.slurm.page import write_scripts


@pytest.fixture(scope="session")
def cluster():
    if os.environ.get("DEAP_NAS_SLURM") != "1":
        pytest.skip("a draft, with the page draft.md: DEAP_NAS_SLURM=1 runs it where Slurm is installed")
    missing = [program for program in PROGRAMS if not os.path.exists(find(program))]
    if missing:
        pytest.skip(f"Slurm is not installed: {', '.join(missing)} not found")
    if len(os.sched_getaffinity(0)) < N_CPUS:
        pytest.skip(f"a node of {N_CPUS} cores is needed")
    # a short path, for sockets
    with TemporaryDirectory(prefix="slurm-") as folder, Cluster(Path(folder)) as cluster:
        write_scripts(cluster.jobs)
        yield cluster
