"""The individuals of a population file as a table, for programs that know nothing of search spaces."""

from __future__ import annotations

import csv
import os
from typing import Any, TextIO

import numpy as np

from deap_nas.errors import SettingsError
from deap_nas.evaluation import Stage, Status
from deap_nas.extras import require
from deap_nas.files import replacing, user_path
from deap_nas.store.hdf5.population_file import HDF5Store

__all__ = ["save_table", "to_frame", "write_csv"]


#: Of individuals that no level belongs to, in a file in which others have one.
_NO_STAGE = Stage(0, 0)


def to_frame(store: HDF5Store | str | os.PathLike[str]) -> Any:
    """Give the evaluated individuals as a ``pandas.DataFrame``, a row each, in the order of the file.

    The columns are those of the file. ``status`` has names; ``genes`` are texts of numbers with a blank between them; a
    column with several entries a row is several, such as ``score0`` and ``score1``, and ``fitness`` with one objective
    is one. ``seconds`` and ``error`` come after them.

    Args:
        store: open file, or the path of one.

    Raises:
        StoreError: the file cannot be read.
        MissingExtraError: pandas or h5py is not installed.
    """
    pandas = require("pandas", extra="table")
    if isinstance(store, HDF5Store):
        return pandas.DataFrame(_columns(store))
    with HDF5Store.read(store) as opened:
        return pandas.DataFrame(_columns(opened))


def write_csv(store: HDF5Store, file: TextIO) -> None:
    """Write the columns of :func:`to_frame` as CSV; a score that is not there is an empty field.

    Raises:
        StoreError: bytes of the population file are damaged.
    """
    columns = _columns(store)
    # csv quotes no carriage return, which readers take for the end of a row
    columns["error"] = ["\n".join(text.splitlines()) for text in columns["error"]]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    entries = (column if isinstance(column, list) else column.tolist() for column in columns.values())
    for row in zip(*entries, strict=True):
        writer.writerow("" if entry != entry else entry for entry in row)  # noqa: PLR0124 - only NaN differs from itself


def save_table(store: HDF5Store, path: str | os.PathLike[str]) -> None:
    """Write the columns of :func:`to_frame` into a file, in the format that its ending says.

    Args:
        store: open file.
        path: ends with ``.csv`` or ``.parquet``; a file that is there is replaced.

    Raises:
        SettingsError: it has another ending.
        StoreError: bytes of the population file are damaged.
        StorageError: the table cannot be written; one that is there stays as it was.
        MissingExtraError: a parquet file is asked for, and pandas or pyarrow is not installed.
    """
    path = user_path(path)
    if path.suffix == ".parquet":
        require("pyarrow", extra="table")
        frame = to_frame(store)
        with replacing(path) as partial:
            frame.to_parquet(partial, index=False)
    elif path.suffix == ".csv":
        with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
            write_csv(store, file)
    else:
        raise SettingsError(f"a table is written to a file that ends with .csv or .parquet, found {path}")


def _columns(store: HDF5Store) -> dict[str, Any]:
    """Columns by name, as arrays or lists."""
    ids, errors = store.column("id").tolist(), store.errors()
    statuses = np.array([status.name for status in Status])[store.column("status")]
    columns: dict[str, Any] = {"id": ids, "parent": store.column("parent"), "status": statuses.tolist()}
    fitness, scores = store.column("fitness"), store.column("scores")
    names = ["fitness"] if fitness.shape[1] == 1 else [f"fitness{number}" for number in range(fitness.shape[1])]
    columns |= dict(zip(names, fitness.T, strict=True))
    columns |= {f"score{number}": column for number, column in enumerate(scores.T)}
    if store.n_rungs:
        columns |= {f"curve{number}": column for number, column in enumerate(store.column("curve").T)}
    if stages := store.stages():
        rows = [stages.get(number, _NO_STAGE) for number in ids]
        columns |= {name: np.array(column) for name, column in zip(Stage._fields, zip(*rows, strict=True), strict=True)}
    columns |= {name: store.column(name) for name in ("n_parameters", "flops", "compute", "reused", "alive", "worker")}
    columns["host"] = [bytes(host).decode(errors="replace") for host in store.column("host").tolist()]
    columns["threads"] = store.column("threads")
    columns |= {name: store.column(name) for name in ("submitted", "started", "finished")}
    columns["seconds"] = columns["finished"] - columns["started"]
    columns["genes"] = [" ".join(map(str, genes)) for genes in store.column("genes").tolist()]
    columns["error"] = [errors.get(number, "") for number in ids]
    return columns
