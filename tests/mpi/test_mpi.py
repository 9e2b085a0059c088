"""Real mpirun with 1, 3 and 6 ranks, of each MPI."""

import json
import socket

import pytest

from deap_nas.store import HDF5Store
from tests.launch import MPI, MPICH, OPEN_MPI, run


@pytest.fixture
def program(mpi):
    def of(*arguments, n_ranks):
        done = run("-m", "tests.mpi.programs", *arguments, n_ranks=n_ranks, mpi=mpi)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return of


@pytest.mark.parametrize("n_ranks", [1, 3, 6])
def test_calls_return_raise_and_keep_order(program, n_ranks):
    (result,) = program("calls", n_ranks=n_ranks)
    assert result["n_workers"] == max(1, n_ranks - 1)
    assert result["kind"] == ("SerialExecutor" if n_ranks == 1 else "MPIExecutor")
    assert result["map"] == [2 * number for number in range(50)]
    assert result["map_kinds"] == ["Genotype", "Genotype"]
    assert result["mixed"] == [2, "list", 4, 6]
    assert result["failing"][:2] == ["ValueError", "bad"]
    if n_ranks > 1:
        assert result["failing"][2] is True  # the traceback of the other rank came along
        assert result["unpicklable"] == ["ExecutorError", True]
        assert result["lambda"]
        assert result["modules"] == []  # a rank stays small until a call needs more


@pytest.mark.parametrize("n_ranks", [1, 3, 6])
def test_search_records_every_evaluation_once(program, n_ranks, tmp_path):
    path = tmp_path / "run.h5"
    program("evolve", path, n_ranks=n_ranks)
    with HDF5Store.read(path) as store:
        assert sorted(store.column("id").tolist()) == list(range(60))
        assert store.n_submitted == 60
        workers = set(store.column("worker").tolist())
        assert workers <= ({0} if n_ranks == 1 else set(range(1, n_ranks)))


def test_function_that_has_changed_is_sent_again(program):
    assert program("changing", n_ranks=3) == [[True, True, True]]


def test_rank_survives_results_that_do_not_pickle_and_calls_that_quit(program):
    ((unpicklable, quits, after),) = program("hopeless", n_ranks=2)
    assert unpicklable in ("AttributeError", "PicklingError")
    assert (quits, after) == ("ExecutorError", 8)


def test_every_rank_works_and_the_ranks_share_the_cores(program):
    (pairs,) = program("neighbours", n_ranks=4)
    assert [rank for rank, _ in pairs] == [1, 2, 3]
    assert len({threads for _, threads in pairs}) == 1
    assert int(pairs[0][1]) >= 1


def test_waiting_ranks_sleep(program):
    (seconds,) = program("idle", n_ranks=6)
    # one that spins for the three seconds would take three, or its share of the cores
    assert seconds["controller"] < 0.5
    assert seconds["workers"] < 1.0


def test_two_searches_share_the_ranks_by_communicators(program):
    assert sorted(program("half", n_ranks=5)) == [[1, 0, 2, 4, 6], [2, 0, 2, 4, 6]]


def test_log_records_tell_the_worker_and_the_host_also_in_child_processes_of_ranks(mpi, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("""
import logging, time
from deap_nas.evaluators import WorkerFilter, mpi_executor

logging.basicConfig(format="%(host)s worker %(worker)d %(levelname)s %(message)s", level=logging.INFO)
logging.getLogger().handlers[0].addFilter(WorkerFilter())

def call(how):
    logging.getLogger("mine").warning("call %s", how)
    time.sleep(0.2)  # long enough for every rank to get one

def isolated(how):
    call(how)

isolated.isolated = True

if __name__ == "__main__":
    with mpi_executor() as executor:
        if executor is not None:
            logging.getLogger("mine").info("begin")
            for function in (call, isolated):
                list(executor.map(function, [function.__name__] * 2))
""")
    done = run(script, n_ranks=3, mpi=mpi, variables={"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    host = socket.gethostname()
    expected = [
        f"{host} worker -1 INFO begin",
        f"{host} worker -1 INFO {host}: ranks 1-2 on CPU",
        f"{host} worker -1 INFO the death of a rank ends the run; with Open MPI 5, mpirun --with-ft ulfm lets it go on",
    ]
    for rank in (1, 2):
        expected += [f"{host} worker {rank} WARNING call {how}" for how in ("call", "isolated")]
        expected += [f"{host} worker {rank} INFO rank {rank} serves on CPU, with OMP_NUM_THREADS=1"]
    assert sorted(done.stderr.splitlines()) == sorted(expected)


def test_exception_on_rank_0_ends_the_job_with_its_traceback_once(mpi):
    done = run("-m", "tests.mpi.programs", "fail", n_ranks=4, mpi=mpi)
    assert done.returncode != 0
    assert done.stderr.count("RuntimeError: rank 0 has failed") == 1


def test_exception_on_rank_0_ends_calls_that_run_on_other_ranks(mpi):
    done = run("-m", "tests.mpi.programs", "fail_while_running", n_ranks=5, mpi=mpi)
    assert done.returncode == 1
    assert done.stderr.count("RuntimeError: rank 0 has failed") == 1


def test_warning_while_rank_0_waits_for_calls_at_the_end_of_its_block_ends_them(mpi):
    assert run("-m", "tests.mpi.programs", "leave_interrupted", n_ranks=3, mpi=mpi).returncode == 130


def test_ranks_without_mpi4py_say_what_to_install(mpi):
    code = (
        "import sys; sys.modules['mpi4py'] = None\n"
        "from deap_nas import NASError, mpi_executor\n"
        "try:\n"
        "    with mpi_executor(): print('entered')\n"
        "except NASError as error: sys.exit(str(error))"
    )
    done = run("-c", code, n_ranks=2, mpi=mpi)
    assert done.returncode != 0
    assert "mpi4py is not installed; install it with: pip install 'deap-nas[mpi]'" in done.stderr
    alone = run("-c", code)
    assert (alone.returncode, alone.stdout) == (0, "entered\n")


def test_mpi4py_without_an_mpi_library_is_no_matter_for_one_process_and_one_line_for_ranks(mpi):
    code = (
        "import sys, importlib.abc\n"
        "class NoLibrary(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'mpi4py.MPI': raise RuntimeError('cannot load MPI library')\n"
        "sys.meta_path.insert(0, NoLibrary())\n"
        "from deap_nas import NASError, mpi_executor\n"
        "try:\n"
        "    with mpi_executor(): print('entered')\n"
        "except NASError as error: sys.exit(str(error))"
    )
    alone = run("-c", code)
    assert (alone.returncode, alone.stdout) == (0, "entered\n"), alone.stderr
    done = run("-c", code, n_ranks=2, mpi=mpi)
    assert done.returncode != 0
    assert "mpi4py finds no MPI library (cannot load MPI library)" in done.stderr


@pytest.mark.parametrize("variable", ["PMI_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_ranks_of_a_launcher_that_mpi4py_does_not_know_are_refused_unless_each_is_to_be_alone(variable):
    code = (
        "import sys\n"
        "from deap_nas import NASError, mpi_executor\n"
        "from mpi4py import MPI\n"
        "try:\n"
        "    with mpi_executor({comm}): print('entered')\n"
        "except NASError as error: sys.exit(str(error))"
    )
    done = run("-c", code.format(comm=""), variables={variable: "4"})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("4 processes were started, but mpi4py takes each for the only rank: start them with")
    alone = run("-c", code.format(comm="MPI.COMM_SELF"), variables={variable: "4"})
    assert (alone.returncode, alone.stdout) == (0, "entered\n"), alone.stderr


def test_ranks_that_the_mpirun_of_another_mpi_has_started_are_refused():
    if MPICH.launcher is None:
        pytest.skip("MPICH is not installed: scripts/environment brings it")
    code = (
        "import sys\n"
        "from deap_nas import NASError, mpi_executor\n"
        "try:\n"
        "    with mpi_executor(): print('entered')\n"
        "except NASError as error: sys.exit(str(error))"
    )
    done = run("-c", code, n_ranks=2, mpi=MPI(MPICH.launcher, OPEN_MPI.variables))
    assert (done.returncode, done.stdout) == (1, "")
    assert "2 processes were started, but mpi4py takes each for the only rank: start them with" in done.stderr
    assert "srun --mpi=pmi2" in done.stderr
