"""``write_page``: one run or several as a page to keep."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from deap_nas.errors import SettingsError
from deap_nas.facts.genotype_tables import motifs_at
from deap_nas.facts.run_columns import RunColumns
from deap_nas.facts.summary import best_id
from deap_nas.files import replacing, user_path
from deap_nas.page.content import gains_of, genotypes_of, head_of, rows_of, shown_rows, spread_rows
from deap_nas.page.document import document_of
from deap_nas.page.drawings import drawing_of
from deap_nas.page.packing import compressed
from deap_nas.store import HDF5Store
from deap_nas.store.contract import without_collection
from deap_nas.store.hdf5.lock import WriterLock

__all__ = ["objectives_of", "title_of", "write_page"]


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
        with without_collection():
            contents = list(map(_run_content, stores))
    heads = [content["head"] for content in contents]
    html = document_of(compressed(contents), title=title_of(heads), objectives=objectives_of(heads))
    with replacing(path) as partial:
        partial.write_text(html, encoding="utf-8")


def _run_content(store: HDF5Store) -> dict[str, Any]:
    """All that a page shows of a run."""
    columns, best = RunColumns.of(store), best_id(store)
    spread, shown = spread_rows(columns), shown_rows(columns)
    motifs = list(motifs_at(store, spread))
    return {
        "head": head_of(store, columns, is_running=WriterLock.is_held(store.path)),
        "rows": rows_of(columns, store.column("scores"), store.errors()),
        "gains": gains_of(store, columns, spread, motifs),
        "drawing": None if best is None else drawing_of(store, best),
        "genotypes": genotypes_of(store, shown, motifs if shown == spread else list(motifs_at(store, shown))),
    }


def objectives_of(heads: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give the names of the objectives of the run that has most of them.

    Args:
        heads: of the runs, see :func:`~deap_nas.page.content.head_of`.
    """
    return max((head["objectives"] for head in heads), key=len)


def title_of(heads: Sequence[Mapping[str, Any]]) -> str:
    """Give a title: the names of the runs, as far as there is room; the argument is that of :func:`objectives_of`."""
    names = [head["name"] for head in heads]
    return ", ".join(names) if len(names) < 4 else f"{', '.join(names[:2])} and {len(names) - 2} others"
