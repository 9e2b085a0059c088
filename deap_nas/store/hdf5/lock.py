"""One writer for a file: an advisory lock beside it, which the system releases when its holder dies.

Where the file system has no locks, as some that are mounted over a network, a file that names the writer takes its
place: its holder removes it, and whoever finds it can tell whether that process is still there, on the same machine.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import time
from pathlib import Path
from typing import IO, Self
from weakref import WeakSet

from deap_nas.errors import StoreError

__all__ = ["WriterLock"]

_log = logging.getLogger(__name__)

_OURS = (
    "is open for writing in this very process: close that store first, by store.close() or by a 'with' block, in which "
    "a cell of a notebook closes it again"
)

#: How often, and every how many seconds, a lock is tried: who only looks whether there is one holds it for an instant.
_N_TRIES, _PAUSE_SECONDS = 10, 0.05


class WriterLock:
    """Held by the process that writes a population file; :meth:`acquire` makes it."""

    def __init__(self, path: Path, file: IO[bytes], claim: Path | None) -> None:
        """Take over an open file that is locked, or the claim that stands in for the lock."""
        self._path = path
        self._file = file
        self._claim = claim
        _held.add(self)

    @classmethod
    def acquire(cls, path: Path) -> Self:
        """Become the writer of ``path``, or of what it links to; makes its folder if need be.

        Raises:
            StoreError: another process is writing it, or nothing can be written there.
        """
        path = path.resolve()
        beside = path.with_name(f".{path.name}.lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            while True:
                file = beside.open("ab")
                try:
                    claim = _lock(file, path)
                except StoreError:
                    file.close()
                    raise
                if claim is not None or _is_still_there(beside, file):  # its last holder may just have removed it
                    return cls(beside, file, claim)
                file.close()
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error}") from error

    def release(self) -> None:
        """Let others write; a second time does nothing."""
        if self._file.closed:
            return
        self._path.unlink(missing_ok=True)
        if self._claim is not None:
            self._claim.unlink(missing_ok=True)
        self._file.close()

    @staticmethod
    def is_held(path: Path) -> bool:
        """Whether a process is writing ``path``, as far as can be seen from here."""
        path = path.resolve()
        beside, claim = (path.with_name(f".{path.name}.{ending}") for ending in ("lock", "writer"))
        if claim.exists():
            return _may_be_alive(claim)
        try:
            with beside.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # there is no lock, none that is ours to see, or no locks at all
            return False
        return False

    def is_for(self, path: Path) -> bool:
        """Whether it is held, and for the writer of this file."""
        return not self._file.closed and self._path == path.with_name(f".{path.name}.lock")

    def forget(self) -> None:
        """Leave the lock to the process from which this one was forked; else it would outlive that one's death here."""
        self._file.close()


_held: WeakSet[WriterLock] = WeakSet()


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()


os.register_at_fork(after_in_child=_forget_all)


def _lock(file: IO[bytes], path: Path) -> Path | None:
    """Lock a file; gives the claim that stands in for the lock where there are no locks."""
    try:
        _try_to_lock(file)
    except BlockingIOError as error:
        who = _OURS if _is_ours(path) else "is being written by another process; wait for it, or end it"
        raise StoreError(f"{path} {who}") from error
    except OSError as error:
        claim = path.with_name(f".{path.name}.writer")
        _log.warning("%s lies on a file system without locks (%s): %s keeps other writers away", path, error, claim)
        _stake(claim, path)
        return claim
    return None


def _is_ours(path: Path) -> bool:
    """Whether this process is writing the file."""
    return any(lock.is_for(path) for lock in list(_held))


def _try_to_lock(file: IO[bytes]) -> None:
    for n_left in reversed(range(_N_TRIES)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if n_left == 0:
                raise
            time.sleep(_PAUSE_SECONDS)


def _stake(claim: Path, path: Path) -> None:
    """Write down that this process writes ``path``, unless another one does."""
    if _is_ours(path):
        raise StoreError(f"{path} {_OURS}")
    try:
        if claim.exists() and not _may_be_alive(claim):
            _clear(claim)
        with claim.open("x", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {socket.gethostname()}\n")
    except FileExistsError as error:
        raise StoreError(
            f"{path} is being written by process {_read(claim)}, which {claim} says, for want of locks: wait for that "
            f"process, or remove {claim} if it has ended"
        ) from error


def _clear(claim: Path) -> None:
    """Remove the claim of a process that has ended, unless another one does (``FileExistsError``).

    Only one at a time looks and removes. Else a second could remove the claim that a first has made since it looked.
    """
    guard = claim.with_name(f"{claim.name}.clearing")
    guard.open("x").close()
    try:
        if not _may_be_alive(claim):
            claim.unlink(missing_ok=True)
    finally:
        guard.unlink(missing_ok=True)


def _read(claim: Path) -> str:
    try:
        return claim.read_text(encoding="utf-8", errors="replace").strip().replace(" ", " on ", 1)
    except OSError:  # it has just been removed
        return "unknown"


def _may_be_alive(claim: Path) -> bool:
    """Whether the process that a claim names may live: what runs on another machine cannot be seen from here."""
    number, _, host = _read(claim).partition(" on ")
    if host != socket.gethostname() or not number.isdecimal():
        return True
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _is_still_there(path: Path, file: IO[bytes]) -> bool:
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False
