"""A script's search on the workers that its command line asks for."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

from deap_nas.errors import (
    DatasetError,
    ExecutorError,
    MissingExtraError,
    SettingsError,
    StorageError,
    StoreError,
    UnknownNameError,
)
from deap_nas.executors import GenotypeExecutor, MPIExecutor, mpi_executor
from deap_nas.training.devices import choose_device

__all__ = ["run"]

#: What a user mends by another command; anything else shows where it came from.
_MISTAKES = (
    DatasetError,
    ExecutorError,
    MissingExtraError,
    SettingsError,
    StorageError,
    StoreError,
    UnknownNameError,
)


def run(
    search: Callable[[argparse.Namespace, GenotypeExecutor], None], arguments: Callable[[], argparse.Namespace]
) -> None:
    """Run a script's search on MPI ranks, on processes of this machine or in this process, as it was started.

    Both functions are called on rank 0 only, so that a mistake is told once. It ends the program in one line.

    Args:
        search: called with what was parsed, and with an executor.
        arguments: parses the options, those of :meth:`CommandLine.add_worker_options` among them.
    """
    try:
        with mpi_executor() as executor:
            if executor is not None:  # else a rank that has served as a worker; the search is over
                _run(search, arguments, executor)
    except _MISTAKES as error:
        sys.exit(_in_one_line(error))


def _run(
    search: Callable[[argparse.Namespace, GenotypeExecutor], None],
    arguments: Callable[[], argparse.Namespace],
    executor: GenotypeExecutor,
) -> None:
    """Run the search; a mistake ends the other ranks too, so it is told here, where that is one line."""
    try:
        args = arguments()
        with executor.with_processes(
            args.workers,
            timeout_seconds=args.timeout,
            memory_bytes=args.memory and int(args.memory * 2**30),
            lease_seconds=args.lease or math.inf,
        ) as workers:
            _check_precision(args, workers)
            search(args, workers)
    except _MISTAKES as error:
        sys.exit(_in_one_line(error))


def _in_one_line(error: Exception) -> str:
    return f"{Path(sys.argv[0]).name}: {error}"


def _check_precision(args: argparse.Namespace, workers: GenotypeExecutor) -> None:
    if getattr(args, "precision", "float32") != "float16":
        return
    # where ranks choose, this one need not have their GPUs
    if args.device == "cpu" or (not isinstance(workers, MPIExecutor) and choose_device(args.device).type == "cpu"):
        raise SettingsError(
            f"--precision float16 is for GPUs, and --device {args.device} is none here: leave it out, or take bfloat16"
        )
