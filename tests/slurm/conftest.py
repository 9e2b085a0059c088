"""One cluster for all tests, where Slurm is installed."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.slurm.cluster import N_CPUS, PROGRAMS, Cluster, find
from tests.slurm.page import write_scripts


def folder_of_a_cluster():
    """A short path, for sockets; gone when it is left."""
    missing = [program for program in PROGRAMS if not os.path.exists(find(program))]
    if missing:
        pytest.skip(f"Slurm is not installed: {', '.join(missing)} not found")
    if len(os.sched_getaffinity(0)) < N_CPUS:
        pytest.skip(f"a node of {N_CPUS} cores is needed")
    return TemporaryDirectory(prefix="slurm-", dir="/tmp")


@pytest.fixture(scope="session")
def cluster():
    with folder_of_a_cluster() as folder, Cluster(Path(folder)) as cluster:
        write_scripts(cluster.jobs)
        yield cluster


@pytest.fixture
def large_cluster():
    """Its nodes have 64 cores, which are made up, so that no MPI runs there."""
    with folder_of_a_cluster() as folder, Cluster(Path(folder), n_cpus=64) as cluster:
        yield cluster
