"""One cluster for all tests, and one of large nodes."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.page import write_scripts


def folder_of_a_cluster():
    """A short path, for sockets; gone when it is left."""
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
