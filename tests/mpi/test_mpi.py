"""Real mpirun with 1, 3 and 6 ranks, of each MPI."""

import json
import re
import signal
import socket

import pytest

from deap_nas.store import HDF5Store, find_problems
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
from deap_nas.evaluation import WorkerFilter
from deap_nas.executors import mpi_executor

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


def statuses(expected, mpi):
    """What mpirun may give for a rank's exit status; MPICH's may give that of a rank which it has killed itself."""
    return {expected} if mpi is OPEN_MPI else {expected, 9}


def test_exception_on_rank_0_ends_calls_that_run_on_other_ranks(mpi):
    done = run("-m", "tests.mpi.programs", "fail_while_running", n_ranks=5, mpi=mpi)
    assert done.returncode in statuses(1, mpi)
    assert done.stderr.count("RuntimeError: rank 0 has failed") == 1


def test_warning_while_rank_0_waits_for_calls_at_the_end_of_its_block_ends_them(mpi):
    done = run("-m", "tests.mpi.programs", "leave_interrupted", n_ranks=3, mpi=mpi)
    assert done.returncode in statuses(130, mpi)


def test_workers_leave_it_to_rank_0_what_comes_of_ctrl_c(mpi):
    done = run("-m", "tests.mpi.programs", "interrupted_workers", n_ranks=3, mpi=mpi)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [0, 2, 4, 6]


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


@pytest.mark.parametrize("text", ["", "many"])
def test_a_launchers_variable_without_a_number_says_nothing(text):
    code = "from deap_nas import mpi_executor\nwith mpi_executor(): print('entered')"
    done = run("-c", code, variables={"SLURM_STEP_NUM_TASKS": text})
    assert (done.returncode, done.stdout) == (0, "entered\n"), done.stderr


ERRORS = """
import sys, time
from deap_nas import mpi_executor
from deap_nas.errors import NotViableError, SettingsError

def evaluate(number):
    if number == 2:
        raise NotViableError("no path")
    time.sleep(20)

def search(executor, how):
    executor.submit(evaluate, 1)
    time.sleep(0.5)
    if how == "map":
        list(executor.map(evaluate, [2]))
    if how == "exit":
        sys.exit("wrong --option")
    raise SettingsError("a setting of mine")

if __name__ == "__main__":
    with mpi_executor() as executor:
        if executor is not None:
            search(executor, sys.argv[1])
"""


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("map", ["in search", "NotViableError: no path", "Guard(evaluate, worst_values=(0.0,))", ", in evaluate"]),
        ("raise", ["rank 0 on", "in search", "SettingsError: a setting of mine"]),
    ],
)
def test_an_error_of_the_package_shows_its_type_its_place_and_its_rank(mpi, tmp_path, how, what):
    (tmp_path / "script.py").write_text(ERRORS)
    done = run(tmp_path / "script.py", how, n_ranks=3, mpi=mpi)
    assert done.returncode in statuses(1, mpi)
    assert f"rank 0 on {socket.gethostname()} ends the MPI job:\nTraceback" in done.stderr
    for words in what:
        assert words in done.stderr
    if how == "map":
        assert re.search(rf"^rank [12] on {socket.gethostname()}:$", done.stderr, re.MULTILINE)


def test_a_program_that_ends_with_a_line_of_its_own_says_that_line_alone(mpi, tmp_path):
    (tmp_path / "script.py").write_text(ERRORS)
    done = run(tmp_path / "script.py", "exit", n_ranks=3, mpi=mpi)
    assert done.stderr.startswith("wrong --option\n")
    assert "Traceback" not in done.stderr


INTERRUPTED = """
import os, signal, sys
from deap_nas import eaAsync, mpi_executor
from deap_nas.store import open_run
from tests.mpi.programs import slow_gene_sum
from tests.toolboxes import SPACE, make_toolbox

def launcher():
    with open(f"/proc/{os.getppid()}/stat") as file:  # of MPICH it is a process between mpirun and its ranks
        name, _, fields = file.read().partition(")")
    return int(fields.split()[1]) if "hydra_pmi" in name else os.getppid()

def warn(individual, n_running):
    if individual.evaluation.id == 5:
        os.kill(os.getpid() if sys.argv[2] == "self" else launcher(), int(sys.argv[3]))

if __name__ == "__main__":
    with mpi_executor() as executor:
        if executor is not None:
            toolbox = make_toolbox(slow_gene_sum)
            with open_run(sys.argv[1], space=SPACE, settings={}, seed=1) as store:
                eaAsync(toolbox.population(4), toolbox, executor, n_evaluations=500, store=store, observer=warn)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize(("whom", "n_ranks"), [("self", None), ("launcher", 3)])
def test_any_program_says_when_a_signal_ends_it_that_its_file_is_complete(mpi, tmp_path, number, whom, n_ranks):
    (tmp_path / "script.py").write_text(INTERRUPTED)
    # Open MPI's mpirun kills its ranks a few thousandths of a second after it has passed a signal on, and MPICH's may
    # have ended itself before it passes on what they say
    n_tries = 4 if whom == "launcher" else 1
    for number_of_try in range(n_tries):
        path = tmp_path / f"run{number_of_try}.h5"
        arguments = (tmp_path / "script.py", path, whom, int(number))
        done = run(*arguments, n_ranks=n_ranks, mpi=mpi, variables={"PAUSE": "0.05"})
        assert done.returncode != 0
        said = re.findall(rf"^stopped: {path} holds all (\d+) evaluations that have ended", done.stderr, re.M)
        with HDF5Store.read(path) as store:
            assert find_problems(store) == []
            assert said in ([], [str(store.n_evaluated)])
        if said:
            return
    raise AssertionError(f"nothing said in {n_tries} tries")
