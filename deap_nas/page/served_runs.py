"""Which runs a server shows, by the names under which pages ask for them: the files it was given, or those of a folder.

What is here reads files, all of it in one thread: HDF5 takes one at a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from deap_nas.errors import SettingsError
from deap_nas.page.document import document_of, list_document, waiting_document
from deap_nas.page.live_runs import Known, LiveRun
from deap_nas.page.packing import compressed
from deap_nas.page.run_list import RunList, files_in
from deap_nas.page.writing import objectives_of, title_of
from deap_nas.store import HDF5Store

__all__ = ["NotServedError", "ServedRuns"]

#: Runs on one page.
_MOST_RUNS = 32


class NotServedError(LookupError):
    """No run of that name is served."""


class ServedRuns:
    """Makes what a server answers. Names that are not served raise a :class:`NotServedError`.

    Args:
        files: population files, or one folder of them.

    Raises:
        SettingsError: there is none, or a folder among several.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        """See the class."""
        folders = [file for file in files if file.is_dir()]
        if not files or (folders and len(files) > 1):
            found = "none" if not files else f"the folder {folders[0]} among {len(files)}"
            raise SettingsError(f"population files are served, or one folder of them, found {found}")
        self._folder = folders[0] if folders else None
        self._list = RunList(self._folder) if self._folder else None
        self._files = {} if self._folder else {str(number): file for number, file in enumerate(files)}
        self._runs: dict[str, LiveRun] = {}

    @property
    def has_list(self) -> bool:
        """Whether the start is a list of runs, and not a page of all of them."""
        return self._list is not None

    def check(self) -> None:
        """Open everything once.

        Raises:
            StoreError: a file cannot be read, or the folder.
            MissingExtraError: h5py is not installed.
        """
        if self._folder is not None:
            files_in(self._folder)
        for file in self._files.values():
            HDF5Store.read(file).close()

    def news_of_list(self, known: str) -> str | None:
        """Tell what is known of the runs of the folder, as JSON; None if the asking page knows it all.

        Args:
            known: what it was told last, under that name.
        """
        content = self._content_of_list()
        return None if content["known"] == known else json.dumps(content)

    def _content_of_list(self) -> dict[str, Any]:
        entries = self._list.entries() if self._list else []
        return {"known": hashlib.sha256(json.dumps(entries).encode()).hexdigest()[:16], "entries": entries}

    def list_document(self) -> str:
        """Make the document of the list."""
        return list_document(self._content_of_list(), title=f"Runs in {self._folder}")

    def document(self, names: Sequence[str]) -> tuple[str, bool]:
        """Make the document of some runs side by side, of all files by default.

        Returns:
            The document; and whether it shows them, and does not wait for a file that cannot be read.
        """
        names = list(dict.fromkeys(names or self._files))[:_MOST_RUNS]
        contents = [self._run(name).news(Known()) or {} for name in names]
        problems = [content["problem"] for content in contents if "head" not in content]
        if problems:
            return waiting_document(title="Not to be shown yet", text="; ".join(problems)), False
        heads = [content["head"] for content in contents]
        live = urlencode([("run", name) for name in names])
        title, objectives = title_of(heads), objectives_of(heads)
        content = compressed(contents)
        return document_of(content, title=title, objectives=objectives, live=live, has_list=self.has_list), True

    def news(self, names: Sequence[str], known: Sequence[str]) -> str | None:
        """Tell what is new of some runs, as JSON; None for nothing.

        Args:
            names: of the runs.
            known: of each what the asking page has, as it was told; see :class:`~deap_nas.page.live_runs.Known`.
        """
        runs = [self._run(name) for name in names[:_MOST_RUNS]]
        contents = [run.news(Known.of(text)) for run, text in zip(runs, known, strict=False)]
        return json.dumps({"runs": contents}, allow_nan=False) if any(contents) else None

    def genotypes(self, name: str, run: str, first: int, n_rows: int) -> str:
        """Give genotypes of a run as JSON; see :meth:`~deap_nas.page.live_runs.LiveRun.genotypes`."""
        return json.dumps(self._run(name).genotypes(run, first, n_rows), allow_nan=False)

    def _run(self, name: str) -> LiveRun:
        """The run of that name; of a folder one that is there, or was and is missing for a moment."""
        files = self._files if self._folder is None else files_in(self._folder)
        known = self._runs.get(name)
        if name in files and known is None:
            known = self._runs[name] = LiveRun(files[name])
        if known is None or (name not in files and known.path.is_symlink()):
            raise NotServedError(name)
        return known
