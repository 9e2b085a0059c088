"""The population file of a script's run: how it is opened, and what is said when the run begins and when it ends."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deap_nas.executors import GenotypeExecutor, MPIExecutor
from deap_nas.report import draw_best, in_words, summarise
from deap_nas.store import HDF5Store
from deap_nas.training import AccuracyFitness

__all__ = ["recorded_run"]

#: Options that may change when a run is resumed.
_MAY_CHANGE = ("evaluations", "device", "data_dir", "timeout", "memory", "lease")


@contextmanager
def recorded_run(args: argparse.Namespace, fitness: AccuracyFitness, executor: GenotypeExecutor) -> Iterator[HDF5Store]:
    """Give the population file of a run, a new one or one that goes on.

    What it says goes to standard error; at the end, the summary of the file and the pictures of the fittest are told.

    Args:
        args: what :meth:`CommandLine.parse_run` gave.
        fitness: of the run.
        executor: of its workers.

    Raises:
        SystemExit: with status 130 where a signal has ended the search, and 1 where no evaluation has succeeded.
        StoreError: see :meth:`deap_nas.store.HDF5Store.create` and :meth:`deap_nas.store.HDF5Store.resume`.
        DifferentRunError: the file has another search space or other settings.
    """
    if isinstance(executor, MPIExecutor):
        print(executor.describe(), file=sys.stderr)
    with _open_store(args, fitness) as store:
        store.how_to_go_on = f"--resume {store.path} goes on with it"
        print(f"images: {fitness.images.in_words()}", file=sys.stderr)
        print(f"writing {store.path}; an interrupted run goes on with --resume {store.path}", file=sys.stderr)
        try:
            yield store
        except KeyboardInterrupt:  # the loop has said what the file holds
            sys.exit(130)  # as a program that a signal has ended
        print(in_words(summarise(store)))
        pictures = draw_best(store)
    if not pictures:  # no evaluation has succeeded
        sys.exit(1)
    print("pictures   ", *pictures)


def _open_store(args: argparse.Namespace, fitness: AccuracyFitness) -> HDF5Store:
    places = {"dataset": fitness.source.name, "data_dir": str(fitness.source.data_dir)}  # whole paths
    run: dict[str, Any] = {
        "space": fitness.space,
        "settings": {**args.settings, **places, "fitness": fitness.to_dict()},
    }
    if args.resume:
        return HDF5Store.resume(args.resume, **run, free=_MAY_CHANGE)
    room: dict[str, Any] = {
        "n_repeats": fitness.repeats,
        "n_rungs": len(fitness.stopping.rungs) if fitness.stopping else 0,
    }
    store = HDF5Store.create(args.output, **run, **room, seed=args.seed, overwrite=args.overwrite)
    fitness.weights.renew(store)
    return store
