"""What a kill has left half done in a population file is undone, or done to the end, before its run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deap_nas.store.hdf5.growing_table import Table

__all__ = ["bury", "cut_torn_rows"]

#: Tables whose rows belong to a submission, and are written before it.
_BEFORE = ("parents", "removals", "stages")


def cut_torn_rows(tables: Mapping[str, Table]) -> None:
    """Cut every table to its whole rows, and drop what belongs to a submission that was never made.

    Args:
        tables: of a file that is prepared to be written, by their names.
    """
    for table in tables.values():
        table.cut()
    n_submitted = tables["submissions"].n_rows
    for name in _BEFORE:
        ids = tables[name].read("id")
        tables[name].cut(int(np.searchsorted(ids, n_submitted)))  # they are in order


def bury(file: Any) -> None:
    """Let nobody live whom a submission has removed.

    Args:
        file: as above, its tables cut.
    """
    removed = file["removals/removed"][:]
    if not len(removed):
        return
    alive, ids = file["individuals/alive"], file["individuals/id"][:]
    for row in np.flatnonzero(np.isin(ids, removed) & alive[:]):
        alive[row] = False
