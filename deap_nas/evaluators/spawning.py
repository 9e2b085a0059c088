"""How a worker process is started: afresh, and without a trace of the launcher of this one.

A process that saw the variables of ``mpirun`` would take itself for the rank that started it as soon as it, or a
script that it imports, used MPI. Importing this module imports ``multiprocessing``, which idle ranks do without.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess

__all__ = ["CleanContext"]

_LAUNCHER_PREFIXES = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "HYDI_", "HYDRA_", "MPICH_")

_lock = threading.Lock()


class _CleanProcess(SpawnProcess):
    """A process that is started without the launcher's variables."""

    def start(self) -> None:
        with _without_launcher():
            super().start()


class CleanContext(SpawnContext):
    """A context of :mod:`multiprocessing` whose processes know nothing of a launcher."""

    Process = _CleanProcess


@contextmanager
def _without_launcher() -> Iterator[None]:
    """Hide the launcher, and keep an import of mpi4py from starting MPI."""
    with _lock:
        hidden = {name: value for name, value in os.environ.items() if name.startswith(_LAUNCHER_PREFIXES)}
        for name in hidden:
            del os.environ[name]
        os.environ["MPI4PY_RC_INITIALIZE"] = "0"
        try:
            yield
        finally:
            del os.environ["MPI4PY_RC_INITIALIZE"]
            os.environ.update(hidden)
