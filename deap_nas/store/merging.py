"""Several runs of the same search space and fitness in one population file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from deap_nas.errors import SettingsError, StoreExistsError
from deap_nas.files import user_path
from deap_nas.store.hdf5.access import check_names_beside, new_file
from deap_nas.store.hdf5.disk_space import give_back
from deap_nas.store.hdf5.growing_table import Table
from deap_nas.store.hdf5.layout import column_names, lay_out
from deap_nas.store.hdf5.population_file import HDF5Store
from deap_nas.store.provenance import provenance
from deap_nas.store.settings import check_same

__all__ = ["merge_runs"]

#: Columns that hold ids of individuals, or -1.
_IDS = ("id", "parent", "reused", "removed")
#: What always may differ: the split of the images, which follows from the seed of a run.
_FREE = ("fitness.seed",)


def merge_runs(
    output: str | os.PathLike[str],
    paths: Sequence[str | os.PathLike[str]],
    *,
    free: Iterable[str] = (),
    overwrite: bool = False,
) -> None:
    """Write one run or several into one file, which can be read as one of a single run, but not be resumed.

    The ids of each run are shifted to follow those of the run before it; the ids of parents and of reused fitness with
    them. What the runs were is in the file's ``sources``, and the settings that all of them share are its settings. The
    file of one run is a compressed copy.

    Args:
        output: the file to be made; its tables are compressed.
        paths: of population files, which may be merged ones.
        free: names of settings of the fitness that may differ, such as ``"fitness.n_images"``; the seed of the fitness
            always may.
        overwrite: whether an output that is there is replaced.

    Raises:
        SettingsError: there is no file, one is named twice, or is the output.
        StoreExistsError: the output is there, and is not to be replaced.
        DifferentRunError: the files differ in their search spaces, in the weights or the settings of their fitness; or,
            where the settings do not tell the fitness, in any setting.
        StoreError: one of the files cannot be read, or the output not be written: there must be room for as many bytes
            as the files have, most of which it gives back.
        MissingExtraError: h5py is not installed.
    """
    output = user_path(output)
    if not paths or len({user_path(path).resolve() for path in (output, *paths)}) <= len(paths):
        found = ", ".join(map(str, paths)) or "none"
        raise SettingsError(f"files other than {output} and than each other can be merged into it, found {found}")
    if output.exists() and not overwrite:
        raise StoreExistsError(f"{output} exists: give another output, or allow to overwrite it")
    check_names_beside(output)
    with ExitStack() as stack:
        stores = [stack.enter_context(HDF5Store.read(path)) for path in paths]
        for store in stores[1:]:
            check_same(
                str(store.path),
                _identity(store),
                _identity(stores[0]),
                free=(*_FREE, *free),
                remedy=f"it cannot be merged with {stores[0].path}",
            )
        n_bytes = 2**16 + sum(store.path.stat().st_size for store in stores)  # compressed tables take less
        file, lock = new_file(output, lambda file: _write(file, stores), n_bytes=n_bytes)
        give_back(file)
        file.close()
        lock.release()


def _identity(store: HDF5Store) -> dict[str, Any]:
    """What files must agree in."""
    settings = store.settings
    fitness = {"fitness": settings["fitness"]} if "fitness" in settings else {"settings": settings}
    return {"space": store.space.to_dict(), "weights": store.weights, **fitness}


def _write(file: Any, stores: Sequence[HDF5Store]) -> None:
    first = stores[0]
    n_rungs = max(store.n_rungs for store in stores)
    widths = {"scores": max(store.n_repeats for store in stores), "curve": n_rungs + 1}
    lay_out(
        file,
        space=first.space,
        settings=_shared([store.settings for store in stores]),
        seed=first.seed,
        weights=first.weights,
        n_repeats=widths["scores"],
        n_rungs=n_rungs,
        compression="gzip",
    )
    first_id, sources = 0, []
    tables = {name: Table(file[name], columns) for name, columns in column_names(file).items()}
    for store in stores:
        sources += _sources(store, first_id)
        for name, table in tables.items():
            table.append(**{column: _moved(store, name, column, first_id, widths) for column in table.names})
        first_id += store.n_submitted
    file.attrs["sources"] = json.dumps(sources)
    file.attrs["provenance"] = json.dumps([*(session for store in stores for session in store.sessions), provenance()])


def _moved(store: HDF5Store, table: str, name: str, first_id: int, widths: Mapping[str, int]) -> Any:
    """A column as it is in the merged file."""
    if name == "curve" and not store.n_rungs:
        return np.full((store.n_evaluated, widths["curve"]), np.nan)
    column = store.column(name, table=table)
    if name in _IDS:
        return np.where(column >= 0, column + first_id, column)
    if name in widths:
        return np.pad(column, ((0, 0), (0, widths[name] - column.shape[1])), constant_values=np.nan)
    return column


def _sources(store: HDF5Store, first_id: int) -> list[dict[str, Any]]:
    """What the merged file says of a file: one entry, or those of a file that was merged itself."""
    if store.sources:
        return [source | {"first_id": source["first_id"] + first_id} for source in store.sources]
    source = {"file": str(store.path.resolve()), "seed": store.seed, "settings": store.settings}
    return [{"first_id": first_id, "n_submitted": store.n_submitted, **source}]


def _shared(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that are the same in all, those inside of others as well."""
    shared: dict[str, Any] = {}
    for key, value in settings[0].items():
        others = [each.get(key) for each in settings]
        if all(isinstance(each, dict) for each in others):
            shared[key] = _shared(others)  # type: ignore[arg-type]  # each is a dict
        elif all(each == value for each in others) and all(key in each for each in settings):
            shared[key] = value
    return shared
