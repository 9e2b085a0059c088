"""The job scripts of docs/slurm.md on a real Slurm."""

import sys
from collections import Counter

import pytest

from deap_nas.store import HDF5Store
from tests.launch import HIER_EVO, MPICH, TINY
from tests.slurm.cluster import what_is_missing

if what_is_missing():
    pytest.skip(what_is_missing(), allow_module_level=True)  # one line for all
pytestmark = pytest.mark.timeout(400)

DEAP_NAS = (sys.executable, "-m", "deap_nas.cli")
GOES_ON = ("PENDING", "CONFIGURING", "RUNNING")
RANKS = "from mpi4py import MPI; print('rank', MPI.COMM_WORLD.rank, 'of', MPI.COMM_WORLD.size)"
EXECUTOR = """
import os, sys, deap_nas
try:
    with deap_nas.mpi_executor() as executor:
        if executor is not None:
            print(executor.describe())
except deap_nas.NASError as error:
    sys.exit(str(error))
"""


def ids(path):
    """What a population file holds, in its order, also while it is written."""
    if not path.exists():
        return []
    with HDF5Store.read(path) as store:
        return store.column("id").tolist()


@pytest.fixture
def search(cluster):
    """The search of the page, which goes on until it is ended, when it has evaluated something: job and file."""
    file = cluster.jobs / "runs" / "hier_evo.h5"
    file.unlink(missing_ok=True)
    job = cluster.submit("search.sh")
    cluster.wait_until(lambda: len(ids(file)) > 3, "the search has evaluated something", job=job)
    yield job, file
    cluster.run("scancel", job)
    cluster.wait_until(lambda: "COMPLETING" not in cluster.run("squeue", "--format=%T"), "the nodes are free", job=job)


def check_that_it_goes_on(cluster, job, file):
    """The job is queued again, and its search goes on with what is in its file."""
    cluster.wait_for(job, *GOES_ON, restarts=1)
    before = ids(file)
    cluster.wait_until(lambda: len(ids(file)) > len(before), "the search goes on", job=job)
    assert ids(file)[: len(before)] == before
    assert cluster.facts(job)["JobState"] == "RUNNING"


def test_smoke_job_tells_the_ranks_and_their_gpus_and_comes_to_its_end(cluster):
    job = cluster.submit("smoke.sh")
    output = cluster.wait_for(job, "COMPLETED")
    assert all(f"rank {rank} of 4 on" in output for rank in range(4))
    assert "ranks 1, 3 on GPU 0, rank 2 on GPU 1" in output
    assert "5/5 done" in output


def test_search_that_is_warned_goes_on_in_its_job_queued_again_and_one_that_is_cancelled_does_not(cluster, search):
    job, file = search
    set_minutes(cluster, job, 4)  # less than the warning of the script is early
    cluster.wait_for(job, *GOES_ON, restarts=1)
    set_minutes(cluster, job, 60)
    assert "stopped: runs/hier_evo.h5 holds all" in cluster.output(job)
    check_that_it_goes_on(cluster, job, file)
    cluster.run("scancel", job)
    output = cluster.wait_for(job, "CANCELLED", restarts=1)
    cluster.run(*DEAP_NAS, "check", file)
    assert cluster.facts(job)["Restarts"] == "1"
    assert "Traceback" not in output


def set_minutes(cluster, job, minutes):
    """Let a job end so many minutes from now."""
    hours, run, _ = cluster.facts(job)["RunTime"].split(":")
    cluster.run("scontrol", "update", f"jobid={job}", f"timelimit={60 * int(hours) + int(run) + minutes}")


def test_search_goes_on_elsewhere_when_a_node_has_failed(cluster, search):
    job, file = search
    node = cluster.facts(job)["BatchHost"]
    cluster.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        check_that_it_goes_on(cluster, job, file)
        assert cluster.facts(job)["BatchHost"] != node
    finally:
        cluster.run("scontrol", "update", f"nodename={node}", "state=resume")


def test_seeds_of_an_array_are_merged_into_one_file(cluster):
    done = cluster.run("bash", "merge.sh")
    cluster.wait_for(done.split()[-1], "COMPLETED")
    with HDF5Store.read(cluster.jobs / "runs" / "seeds.h5") as store:
        assert store.n_evaluated == 10


def test_retraining_that_is_warned_is_queued_again_and_comes_to_its_end(cluster):
    cluster.run(sys.executable, HIER_EVO, *TINY, "--output", "runs/found.h5")
    job = cluster.submit("retrain.sh")
    curve = cluster.jobs / "runs" / "found-id0-small-cifar" / "run0.csv"
    cluster.wait_until(curve.exists, "the retraining has begun", job=job)
    cluster.run("scancel", "--batch", "--signal=USR1", job)
    cluster.wait_for(job, *GOES_ON, restarts=1)
    before = curve.read_text()
    output = cluster.wait_for(job, "COMPLETED", restarts=1)
    assert "stopped; the same command goes on with the last checkpoint" in output
    assert "accuracy" in output
    assert len(before) < len(curve.read_text())
    assert curve.read_text().startswith(before)  # it has the speed of each step, which no second run would repeat


def test_bare_srun_is_refused_with_a_line_that_says_what_to_do(cluster):
    output = cluster.run("srun", "--nodes=2", "--ntasks=2", sys.executable, "-c", EXECUTOR, check=False)
    assert "2 processes were started, but mpi4py takes each for the only rank" in output
    assert "srun --mpi=pmix for Open MPI" in output


def test_ranks_of_mpich_are_started_by_srun_with_pmi2(cluster):
    if MPICH.launcher is None:
        pytest.skip("MPICH is not installed: scripts/environment brings it")
    variables = [f"{name}={value}" for name, value in MPICH.variables.items()]
    output = cluster.run(
        "env", *variables, "srun", "--mpi=pmi2", "--nodes=2", "--ntasks=4", sys.executable, "-c", RANKS
    )
    assert all(f"rank {rank} of 4" in output for rank in range(4))


def test_rank_0_has_a_place_of_its_own_without_a_gpu_in_a_heterogeneous_job(cluster):
    output = ""
    for _ in range(2):  # Open MPI 5.0 now and then dies in MPI_Init of such a job, before a line of ours has run
        job = cluster.submit("apart.sh")
        output = cluster.wait_for(job, "COMPLETED", "FAILED")
        if "MPI_Init" not in output:
            break
    assert "ranks 1, 3 on GPU 0, ranks 2, 4 on GPU 1" in output
    assert "5/5 done" in output
    assert {cluster.facts(f"{job}+{n}")["NumNodes"] for n in range(2)} == {"1", "2"}


@pytest.mark.parametrize(
    ("options", "n_tasks"),
    [(["--exclusive"], [4, 4, 4, 5]), ([], [1, 1, 7, 8])],
    ids=["whole nodes have as many, and the first one more", "others are packed"],
)
def test_one_rank_more_than_gpus(large_cluster, options, n_tasks):
    options = [*options, "--nodes=4", "--ntasks=17", "--gpus-per-node=2", "--cpus-per-task=8", "--wait"]
    command = "srun --cpus-per-task=8 bash -c 'echo $SLURMD_NODENAME'"
    large_cluster.run("sbatch", *options, "--output=nodes", f"--wrap={command}")
    nodes = Counter((large_cluster.jobs / "nodes").read_text().split())
    assert sorted(nodes.values()) == n_tasks
    assert nodes["n1"] == max(n_tasks)
