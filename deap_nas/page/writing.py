"""``write_page``: one run or several as a page to keep."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from deap_nas.errors import SettingsError
from deap_nas.facts.fronts import objective_names
from deap_nas.facts.genotype_tables import motifs_at
from deap_nas.facts.run_columns import RunColumns
from deap_nas.facts.summary import best_id
from deap_nas.files import replacing, user_path
from deap_nas.page.content import gains_of, genotypes_of, head_of, rows_of, shown_rows, spread_rows
from deap_nas.page.document import document_of
from deap_nas.page.drawings import drawing_of
from deap_nas.page.packing import compressed
from deap_nas.store import HDF5Store
from deap_nas.store.hdf5.lock import WriterLock

__all__ = ["run_content", "title_of", "write_page"]


def write_page(files: Sequence[str | os.PathLike[str]], path: str | os.PathLike[str]) -> None:
    """Write a page that shows one run or several side by side, in any browser, without a network.

    It holds all individuals; and the genotypes of all, or of more than 10,000 those of the fittest, of many that live
    and of others evenly spread.

    Args:
        files: population files; a search may be writing them.
        path: of the page, which ends with ``.html``; one that is there is replaced.

    Raises:
        SettingsError: there is no file, or the page has another ending.
        StoreError: a file cannot be read.
        StorageError: the page cannot be written; one that is there stays as it was.
        MissingExtraError: Bokeh, matplotlib or h5py is not installed, or igraph for a whole network.
    """
    path = user_path(path)
    if path.suffix not in (".html", ".htm"):
        raise SettingsError(f"a page is written to a file that ends with .html, found {path}")
    if not files:
        raise SettingsError("a page shows one population file or more, found none")
    with ExitStack() as stack:
        stores = [stack.enter_context(HDF5Store.read(file)) for file in files]
        contents = [run_content(store, has_genotypes=True) for store in stores]
        html = document_of(compressed(contents), title=title_of(stores), objectives=objectives_of(stores))
    with replacing(path) as partial:
        partial.write_text(html, encoding="utf-8")


def run_content(store: HDF5Store, *, has_genotypes: bool) -> dict[str, Any]:
    """Give all that a page shows of a run.

    Args:
        store: the file.
        has_genotypes: whether it holds them; a page that lives asks for each when it is opened.
    """
    columns, best = RunColumns.of(store), best_id(store)
    spread = spread_rows(columns)
    motifs = list(motifs_at(store, spread))
    content = {
        "head": head_of(store, columns, is_running=WriterLock.is_held(store.path)),
        "rows": rows_of(store, columns),
        "gains": gains_of(store, columns, spread, motifs),
        "drawing": None if best is None else drawing_of(store, best),
    }
    if has_genotypes:
        shown = shown_rows(columns)
        motifs = motifs if shown == spread else list(motifs_at(store, shown))
        content["genotypes"] = genotypes_of(store, shown, motifs)
    return content


def objectives_of(stores: Sequence[HDF5Store]) -> list[str]:
    """Give the names of the objectives of the run that has most of them."""
    return max(map(objective_names, stores), key=len)


def title_of(stores: Sequence[HDF5Store]) -> str:
    """Give a title: the names of the runs, as far as there is room."""
    names = [store.path.name for store in stores]
    return ", ".join(names) if len(names) < 4 else f"{', '.join(names[:2])} and {len(names) - 2} others"
