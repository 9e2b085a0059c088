"""What all our executors share: a worker count, and a ``map`` fit for DEAP's ``toolbox.map``."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ParamSpec, TypeVar

from deap_nas.errors import SettingsError
from deap_nas.evaluation.call_limits import Limits
from deap_nas.genotype import Genotype

__all__ = ["GenotypeExecutor", "available_cores", "cores", "divide_threads", "plain"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def plain(argument: Any) -> Any:
    """Give an individual as a plain genotype, which any process can unpickle; anything else as it is."""
    if type(argument) is Genotype or isinstance(argument, type) or not hasattr(argument, "to_genotype"):
        return argument
    return argument.to_genotype()


class GenotypeExecutor(Executor):
    """An executor that knows its workers and sends individuals as plain genotypes."""

    #: Calls that can run at the same time.
    n_workers: int = 1

    @abstractmethod
    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Schedule ``fn(*args, **kwargs)``; see :meth:`concurrent.futures.Executor.submit`."""

    def map(
        self, fn: Callable[..., _T], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[_T]:
        """Apply ``fn`` to each item, in order, as many results as items; register it as ``toolbox.map``."""
        rows = [tuple(map(plain, row)) for row in zip(*iterables, strict=True)]
        return super().map(fn, *zip(*rows, strict=True), timeout=timeout, chunksize=chunksize)

    def with_processes(
        self,
        n_workers: int,
        *,
        timeout_seconds: float | None = None,
        memory_bytes: int | None = None,
        lease_seconds: float | None = None,
    ) -> AbstractContextManager[GenotypeExecutor]:
        """Give this executor, or processes of this machine in its place, with its limits or with others.

        So one script runs on ranks, on as many processes as an option of it says, and in one process::

            with mpi_executor() as executor:
                if executor is not None:
                    options = arguments()
                    with executor.with_processes(options.workers, timeout_seconds=options.timeout) as workers:
                        ...

        Args:
            n_workers: processes; 0 for none in the place of ranks, or of this process where there is no limit.
            timeout_seconds: a call in a process of its own that takes longer is ended; by default as it is.
            memory_bytes: a process that has more in memory is ended; by default as it is.
            lease_seconds: a rank that has given no sign of life for so long loses its call to another, infinity for
                never; by default as it is. Of no meaning without ranks.

        Raises:
            SettingsError: there are ranks already, ``n_workers`` is negative, or a limit is not positive.
            MissingExtraError: pebble is not installed.
        """
        limits = Limits(timeout_seconds, memory_bytes, lease_seconds)
        return self._processes(n_workers, limits) if n_workers else self._limited(limits)

    def _processes(self, n_workers: int, limits: Limits) -> GenotypeExecutor:
        raise SettingsError(f"n_workers is for runs without mpirun: give one or the other, found {n_workers}")

    def _limited(self, limits: Limits) -> AbstractContextManager[GenotypeExecutor]:
        """This executor with some limits, or another in its place."""
        return self._processes(1, limits) if limits.isolates else nullcontext(self)


def cores() -> frozenset[int]:
    """Numbers of the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def available_cores() -> int:
    """Processor cores this process may use."""
    return len(cores())


def divide_threads(n_neighbours: int) -> None:
    """Give this worker its share of the cores; call it before torch is imported.

    A thread count that the user has set (``OMP_NUM_THREADS``) is left alone.

    Args:
        n_neighbours: workers that share the cores of this one, itself included.
    """
    if not os.environ.get("OMP_NUM_THREADS"):  # empty, it would mean all cores to OpenMP
        os.environ["OMP_NUM_THREADS"] = str(max(1, available_cores() // n_neighbours))
