"""Calls that cannot be sent, and those that harm the process which unpickles them; the calls beside them go on."""

import os
import textwrap
import time

import pytest

from deap_nas import eaAsync
from deap_nas.errors import DatasetError, ExecutorError
from deap_nas.executors import ProcessExecutor
from deap_nas.executors.pickling import pickled, unpickled
from deap_nas.executors.processes import is_out_of_memory_exit
from tests.launch import run
from tests.toolboxes import MaxIndividual, double, gene_sum, make_toolbox

pytest.importorskip("pebble")


class CallsBack:
    """A fitness, unless unpickling calls its function."""

    def __init__(self, function, *arguments):
        self.state = function, arguments

    def __setstate__(self, state):
        function, arguments = state["state"]
        function(*arguments)

    def __call__(self, genotype):
        return gene_sum(genotype)


def fail(error):
    raise error


class TwoArgumentsError(Exception):
    """Does not unpickle."""

    def __init__(self, first, second):
        super().__init__("two arguments")


def fail_with_two_arguments():
    raise TwoArgumentsError(1, 2)


def beside_a_sibling(function, *arguments):
    """What a call raises, while another call runs, which ends as ever."""
    with ProcessExecutor(2) as executor:
        list(executor.map(double, range(2)))  # both processes are there
        sibling = executor.submit(time.sleep, 2)
        error = executor.submit(function, *arguments).exception(timeout=30)
        assert not sibling.done()
        assert sibling.result(timeout=30) is None
        assert executor.submit(double, 4).result(timeout=30) == 8
    return error


def test_a_call_that_does_not_pickle_is_refused():
    with ProcessExecutor(1) as executor, pytest.raises(ExecutorError, match="a call cannot be sent to a worker"):
        executor.submit(lambda: 1)


def test_what_unpickling_raises_ends_its_call_alone():
    error = beside_a_sibling(double, CallsBack(fail, ValueError("no state")))
    assert isinstance(error, ExecutorError)
    assert str(error) == "a call cannot be sent to a worker: ValueError: no state"


def test_a_process_that_dies_while_it_unpickles_ends_its_call_alone():
    assert is_out_of_memory_exit(beside_a_sibling(double, CallsBack(os._exit, 66)))


def test_an_exception_that_does_not_unpickle_ends_its_call_alone():
    error = beside_a_sibling(fail_with_two_arguments)
    assert isinstance(error, ExecutorError)
    assert "TwoArgumentsError: two arguments" in str(error)


@pytest.mark.parametrize("error", [DatasetError("no images"), MemoryError("too little")])
def test_what_unpickling_raises_keeps_its_kind_where_that_has_a_meaning(error):
    with pytest.raises(type(error), match=str(error)):
        unpickled(pickled(CallsBack(fail, error)))


def test_a_fitness_that_does_not_unpickle_ends_the_search():
    toolbox = make_toolbox(CallsBack(fail, ValueError("no state")))
    with ProcessExecutor(1) as executor, pytest.raises(ExecutorError, match="cannot be sent to a worker: ValueError"):
        eaAsync([MaxIndividual([1])], toolbox, executor, n_evaluations=1)


SEARCH = """
    from deap_nas import eaAsync, mpi_executor
    from deap_nas.executors import ProcessExecutor
    from tests.toolboxes import MaxIndividual, gene_sum, make_toolbox

    def search(executor, fitness=gene_sum, **settings):
        population = [MaxIndividual([1]), MaxIndividual([2])]
        eaAsync(population, make_toolbox(fitness), executor, n_evaluations=2, **settings)
"""


def last_line(tmp_path, script, *, kind="Executor", **options):
    """Of what a script says that fails."""
    path = tmp_path / "search.py"
    path.write_text(textwrap.dedent(SEARCH) + textwrap.dedent(script))
    done = run(path, **options)
    assert done.returncode != 0
    return [line for line in done.stderr.splitlines() if f"{kind}Error" in line][-1]


def test_a_fitness_that_workers_do_not_find_in_the_script_ends_the_search(tmp_path):
    script = """
        if __name__ == "__main__":
            def fitness(genotype):
                return (1.0,)
            with ProcessExecutor(1) as executor:
                search(executor, fitness)
    """
    line = last_line(tmp_path, script)
    assert "a call cannot be sent to a worker: Can't get attribute 'fitness'" in line
    assert "does it stand below the line 'if __name__ == \"__main__\":'?" in line


@pytest.mark.parametrize(
    ("executor", "retries", "n_ranks"),
    [("ProcessExecutor(2)", 1, None), ("ProcessExecutor(2)", 0, None), ("mpi_executor(isolate=True)", 0, 2)],
)
def test_a_script_without_its_guard_is_told_what_it_lacks(tmp_path, executor, retries, n_ranks):
    script = f"""
        with {executor} as executor:
            if executor is not None:
                search(executor, retries={retries})
    """
    line = last_line(tmp_path, script, n_ranks=n_ranks)
    assert "no worker could be started" in line
    assert "the script lacks the line 'if __name__ == \"__main__\":'" in line


NOTEBOOK = """
import sys
del sys.modules["__main__"].__file__  # as in a notebook
"""


def test_a_fitness_of_a_notebook_is_told_to_go_into_a_file(tmp_path):
    script = f"""{textwrap.indent(NOTEBOOK, " " * 8)}
        def fitness(genotype):
            return (1.0,)

        with ProcessExecutor(1) as executor:
            search(executor, fitness)
    """
    line = last_line(tmp_path, script)
    assert "Can't get attribute 'fitness'" in line
    assert "it is part of a notebook, a prompt, python -c or standard input" in line
    assert "put it into a file, such as mine.py, and import it from there, or evaluate in this process" in line
    assert "__name__" not in line


def test_a_pool_of_the_standard_library_in_a_notebook_is_told_the_same(tmp_path):
    script = f"""{textwrap.indent(NOTEBOOK, " " * 8)}
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        def fitness(genotype):
            return (1.0,)

        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
            search(executor, fitness)
    """
    assert "the fitness is not to be found: it is part of a notebook" in last_line(tmp_path, script, kind="NoWorker")


def test_a_program_on_standard_input_is_told_that_it_must_be_a_file():
    script = textwrap.dedent(SEARCH) + "with ProcessExecutor(1) as executor:\n    search(executor)\n"
    done = run(input=script)
    assert done.returncode == 1
    assert "worker processes cannot import it: save it as a file and start that, python search.py" in done.stderr


@pytest.mark.parametrize(("executor", "n_ranks"), [("ProcessExecutor(1)", None), ("mpi_executor()", 2)])
def test_an_operation_that_a_worker_has_not_registered_is_told_where_it_belongs(tmp_path, executor, n_ranks):
    path = tmp_path / "search.py"
    path.write_text(
        textwrap.dedent(SEARCH)
        + textwrap.dedent(f"""
        from deap_nas.graph import layers_of, register_operation

        def fitness(genotype):
            return (float(len(layers_of("mine", 4, 4))),)

        if __name__ == "__main__":
            with {executor} as executor:
                if executor is not None:
                    register_operation("mine")(lambda in_channels, channels: ())
                    search(executor, fitness)
    """)
    )
    done = run(path, n_ranks=n_ranks)
    assert done.returncode != 0
    assert "unknown operation 'mine'" in done.stderr
    assert "a worker process imports the program's file, and knows what is registered by that alone" in done.stderr


def test_a_fitness_that_ranks_do_not_find_is_told_to_stand_above_their_block(tmp_path):
    script = """
        if __name__ == "__main__":
            with mpi_executor() as executor:
                if executor is not None:
                    def fitness(genotype):
                        return (1.0,)
                    search(executor, fitness)
    """
    line = last_line(tmp_path, script, n_ranks=2)
    assert "does it stand in the block of 'with mpi_executor()', which rank 0 alone runs?" in line
