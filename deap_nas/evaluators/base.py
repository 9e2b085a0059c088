"""What all our executors share: a worker count, and a ``map`` fit for DEAP's ``toolbox.map``."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ParamSpec, TypeVar

from deap_nas.errors import SettingsError
from deap_nas.genotype import Genotype

__all__ = ["GenotypeExecutor", "available_cores", "cores", "divide_threads", "plain"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def plain(argument: Any) -> Any:
    """Give an individual as a plain genotype, which any process can unpickle; anything else as it is."""
    return Genotype(argument) if isinstance(argument, Genotype) and type(argument) is not Genotype else argument


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

    def with_processes(self, n_workers: int) -> AbstractContextManager[GenotypeExecutor]:
        """Give this executor, or processes of this machine with its limits in its place.

        So one script runs on ranks, on as many processes as an option of it says, and in one process::

            with mpi_executor() as executor:
                if executor is not None:
                    with executor.with_processes(arguments().workers) as workers:
                        ...

        Args:
            n_workers: processes; 0 for this executor as it is.

        Raises:
            SettingsError: there are ranks already, or ``n_workers`` is negative.
            MissingExtraError: pebble is not installed.
        """
        return self._processes(n_workers) if n_workers else nullcontext(self)

    def _processes(self, n_workers: int) -> GenotypeExecutor:
        raise SettingsError(f"n_workers is for runs without mpirun: give one or the other, found {n_workers}")


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
