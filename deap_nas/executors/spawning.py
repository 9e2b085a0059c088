"""How a worker process is started: afresh, with a number, and without a trace of the launcher of this one.

A process that saw the variables of ``mpirun`` would take itself for the rank that started it as soon as it, or a
script that it imports, used MPI. Importing this module imports ``multiprocessing``, which idle ranks do without.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from deap_nas.evaluation.runner import ZERO_EXIT, set_worker

__all__ = ["WorkerContext"]

_LAUNCHER_PREFIXES = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "HYDI_", "HYDRA_", "MPICH_")

#: Time in which pebble reads what a worker has said at last, in seconds.
_LAST_WORDS = 0.3

_lock = threading.Lock()


class _WorkerProcess(SpawnProcess):
    """A process that is started without the launcher's variables, and ends when its parent does."""

    #: No other process of its context that runs has it.
    number = 0
    #: When it was found dead, unless it was stopped by this process.
    _ended: float | None = None
    _is_stopped = False

    def start(self) -> None:
        with _without_launcher():
            super().start()

    def run(self) -> None:
        set_worker(self.number)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        super().run()

    def is_alive(self) -> bool:
        """Whether it runs, or has died so lately that pebble may not know yet which call it had taken.

        A call whose worker pebble finds dead before it has read that the worker took it would never end: see
        <https://github.com/noxdafox/pebble/issues/153>.
        """
        if super().is_alive():
            return True
        now = time.monotonic()
        self._ended = now if self._ended is None else self._ended
        return not self._is_stopped and now < self._ended + _LAST_WORDS

    def terminate(self) -> None:
        self._is_stopped = True
        super().terminate()

    @property
    def exitcode(self) -> int | None:
        """Never 0, which pebble takes for no death: while its pool is open, no worker has reason to end."""
        code = super().exitcode
        return ZERO_EXIT if code == 0 else code


class WorkerContext(SpawnContext):
    """A context of :mod:`multiprocessing` whose processes are numbered from 0 and know nothing of a launcher."""

    def __init__(self) -> None:
        """See the class."""
        self._running: list[_WorkerProcess] = []

    def Process(self, **arguments: Any) -> _WorkerProcess:  # type: ignore[override]  # noqa: N802 - a class elsewhere
        """Make a process, which takes the smallest number that is free."""
        self._running = [process for process in self._running if process.exitcode is None]
        taken = {process.number for process in self._running}
        process = _WorkerProcess(**arguments)
        process.number = next(number for number in count() if number not in taken)
        self._running.append(process)
        return process


def _end_with_parent() -> None:
    """Let no training go on for nobody."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


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
