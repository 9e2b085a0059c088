"""One call for a program that starts its run, or goes on with it where it has been started before."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deap_nas.files import user_path
from deap_nas.search_space import SearchSpace
from deap_nas.store.hdf5.population_file import HDF5Store
from deap_nas.store.settings import check_same

__all__ = ["open_run"]


def open_run(
    path: str | os.PathLike[str],
    *,
    space: SearchSpace,
    settings: Mapping[str, Any],
    seed: int,
    weights: Sequence[float] = (1.0,),
    n_repeats: int = 4,
    n_rungs: int = 0,
    free: Iterable[str] = (),
) -> HDF5Store:
    """Start a population file, or go on with the one that is there.

    :func:`~deap_nas.store.resume_population` then gives the population that the run was left with; none if it is new.

    Args:
        path: of the file; its folder is made if need be.
        space: search space of the genotypes.
        settings: of the run, as JSON can hold them; those of a file that is there must be the same.
        seed: of the run.
        weights: of the fitness, one for each objective.
        n_repeats: largest number of scores of an individual, in a new file.
        n_rungs: rungs at which an evaluation may end early, in a new file.
        free: names of settings that may have changed; the file then holds the new ones.

    Raises:
        DifferentRunError: the file that is there has another search space, seed, weights or settings.
        StoreError: it is no population file, is damaged or cannot be written, or another process is writing it.
        SettingsError: the seed does not fit into 64 bits.
        MissingExtraError: h5py is not installed.
    """
    if not user_path(path).exists():
        return HDF5Store.create(
            path, space=space, settings=settings, seed=seed, weights=weights, n_repeats=n_repeats, n_rungs=n_rungs
        )
    with HDF5Store.read(path) as found:
        there = {"seed": found.seed, "weights": found.weights}
        check_same(str(path), there, {"seed": seed, "weights": tuple(map(float, weights))})
    return HDF5Store.resume(path, space=space, settings=settings, free=free)
