"""Calls that cannot be sent, and those that harm the process which unpickles them; the calls beside them go on."""

import os
import textwrap
import time

import pytest

from deap_nas import eaAsync
from deap_nas.errors import DatasetError, ExecutorError
from deap_nas.evaluators import ProcessExecutor
from deap_nas.evaluators.pickling import pickled, unpickled
from deap_nas.evaluators.process import is_out_of_memory_exit
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
    from deap_nas.evaluators import ProcessExecutor
    from tests.toolboxes import MaxIndividual, gene_sum, make_toolbox

    def search(executor, fitness=gene_sum, **settings):
        population = [MaxIndividual([1]), MaxIndividual([2])]
        eaAsync(population, make_toolbox(fitness), executor, n_evaluations=2, **settings)
"""


def last_line(tmp_path, script, **options):
    """Of what a script says that fails."""
    path = tmp_path / "search.py"
    path.write_text(textwrap.dedent(SEARCH) + textwrap.dedent(script))
    done = run(path, **options)
    assert done.returncode != 0
    return [line for line in done.stderr.splitlines() if "ExecutorError" in line][-1]


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
