"""The contracts, run on what the package ships, and on parts that break them."""

from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from multiprocessing import get_context

import pytest
from distributed import Client, LocalCluster

from deap_nas import CellSpace, ChainSpace, DNASpace, FlatSpace, HierarchicalSpace
from deap_nas.executors import ProcessExecutor, SerialExecutor
from deap_nas.graph import DARTS_OPERATIONS
from deap_nas.store import MemoryStore
from deap_nas.testing import ExecutorContract, IntegerSpaceContract, SpaceContract, StoreContract
from tests import toys
from tests.launch import run


class TestSerialExecutor(ExecutorContract):
    def make_executor(self):
        return SerialExecutor()


class TestProcessExecutor(ExecutorContract):
    def make_executor(self):
        return ProcessExecutor(2)


class TestThreadPoolExecutor(ExecutorContract):
    def make_executor(self):
        return ThreadPoolExecutor(3)


class TestProcessPoolExecutor(ExecutorContract):
    def make_executor(self):
        return ProcessPoolExecutor(2, mp_context=get_context("spawn"))


@pytest.fixture(scope="module")
def dask():
    """A client of two Dask workers."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        yield client


class TestDaskExecutor(ExecutorContract):
    n_workers = 2

    @pytest.fixture(autouse=True)
    def _connect(self, dask):
        self.client = dask

    def make_executor(self):
        return self.client.get_executor(pure=False)


class TestHierarchicalSpace(IntegerSpaceContract):
    def make_space(self):
        return HierarchicalSpace(motifs=(3, 2, 1), nodes=(3, 4, 3))


class TestFlatSpace(IntegerSpaceContract):
    def make_space(self):
        return FlatSpace(nodes=5, merge="add")


class TestCellSpace(IntegerSpaceContract):
    def make_space(self):
        return CellSpace(blocks=3)


class TestCellSpaceOfDistinctInputs(IntegerSpaceContract):
    def make_space(self):
        return CellSpace(blocks=3, operations=DARTS_OPERATIONS, output="all", distinct_inputs=True)


class TestCellSpaceOfSomeValues(IntegerSpaceContract):
    def make_space(self):
        return CellSpace(blocks=2, operations=DARTS_OPERATIONS, output=((0, 3), (1,)))


class TestChainSpace(SpaceContract):
    def make_space(self):
        return ChainSpace(max_layers=6, operations=("conv", "separable_conv", "max_pool", "avg_pool", "conv_3x3"))


class TestDNASpace(SpaceContract):
    def make_space(self):
        return DNASpace()


class TestWiringSpace(SpaceContract):
    def make_space(self):
        return toys.SPACE


@pytest.mark.parametrize("kind", ["MPIExecutor", "MPIPoolExecutor"])
def test_executors_over_mpi_keep_the_contract(kind):
    done = run("-m", "tests.mpi.contract", kind, n_ranks=3)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "8 tests passed"


class Forgetful(Executor):
    """Loses every third call, and maps one item too few."""

    def __init__(self):
        self.n_calls = 0

    def submit(self, fn, /, *args, **kwargs):
        self.n_calls += 1
        future = Future()
        future.set_result(fn(*args, **kwargs) if self.n_calls % 3 else None)
        return future

    def map(self, fn, *iterables, **options):
        return list(super().map(fn, *iterables))[:-1]


class Repeating(Executor):
    """Runs each call twice, and all one after the other."""

    def submit(self, fn, /, *args, **kwargs):
        fn(*args, **kwargs)
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Forgetful, "test_an_exception_arrives_as_it_is"),
        (Forgetful, "test_many_calls_are_done_once_each"),
        (Forgetful, "test_map_keeps_order_and_number"),
        (Forgetful, "test_the_search_runs_unchanged"),
        (Repeating, "test_many_calls_are_done_once_each"),
        (Repeating, "test_workers_work_at_the_same_time"),
    ],
)
def test_an_executor_that_breaks_the_contract_is_found_out(kind, name):
    class Contract(ExecutorContract):
        n_workers = 2

        @contextmanager
        def make_executor(self):
            yield kind()

    with pytest.raises((AssertionError, AttributeError, ZeroDivisionError)):
        getattr(Contract(), name)()


def test_a_space_that_breaks_the_contract_is_found_out():
    class Lenient(FlatSpace):
        def validate(self, genes):
            pass

    class Contract(IntegerSpaceContract):
        def make_space(self):
            return Lenient(nodes=4)

    with pytest.raises(AssertionError, match="validate accepts"):
        Contract().test_genes_out_of_the_bounds_are_refused()


def test_a_space_whose_operations_share_a_path_is_found_out():
    class Nameless(FlatSpace):
        def lower(self, genes):
            graph = super().lower(genes)
            return replace(graph, nodes=tuple(node._replace(path=node.path[:0]) for node in graph.nodes))

    class Contract(SpaceContract):
        def make_space(self):
            return Nameless(nodes=4)

    with pytest.raises(AssertionError, match="share a path"):
        Contract().test_each_operation_has_a_path_of_its_own()


class Careless(MemoryStore):
    """Forgets curves and the dead, turns pending jobs round, and keeps the random state of the first submission."""

    def submit(self, jobs, rng_state):
        super().submit(jobs, self.rng_state() or rng_state)

    def pending(self):
        return super().pending()[::-1]

    def append(self, genes, evaluation):
        super().append(genes, replace(evaluation, curve=()))

    def kill(self, ids):
        pass


@pytest.mark.parametrize(
    "name",
    [
        "test_submitted_jobs_are_pending_with_their_seeds",
        "test_evaluations_come_back_in_the_order_in_which_they_were_appended",
        "test_the_random_state_is_that_of_the_last_submission",
        "test_killed_individuals_stay_recorded_as_dead",
        "test_a_resumed_population_is_the_living_then_the_pending",
        "test_a_resumed_search_ends_as_one_that_was_not_interrupted",
    ],
)
def test_a_store_that_breaks_the_contract_is_found_out(name):
    class Contract(StoreContract):
        def make_store(self, space, *, seed, n_repeats, n_rungs):
            return nullcontext(Careless(seed=seed))

    with pytest.raises(AssertionError):
        getattr(Contract(), name)()
