import errno
import fcntl
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import pytest

from deap_nas.errors import StoreError
from deap_nas.store import HDF5Store
from deap_nas.store.hdf5 import lock
from deap_nas.store.hdf5.lock import WriterLock
from tests.store.hdf5.test_population_file import append, create


@pytest.fixture
def _no_locks(monkeypatch):
    """Make this process see a file system without locks, as HDF5 sees it, too."""
    open_file = h5py.File

    def flock(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    def open_without(path, mode, *, locking=None, **options):
        if locking is None:
            raise OSError(errno.ENOLCK, "Unable to open file (unable to lock file, errno = 37)")
        return open_file(path, mode, locking=locking, **options)

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(h5py, "File", open_without)


def finished_process():
    """Number of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.mark.usefixtures("_no_locks")
def test_without_locks_a_file_is_written_read_and_resumed_and_a_warning_says_so(tmp_path, caplog):
    with caplog.at_level(logging.WARNING), create(tmp_path / "run.h5") as store:
        append(store, 0)
        assert (tmp_path / ".run.h5.writer").read_text() == f"{os.getpid()} {socket.gethostname()}\n"
    assert "file system without locks" in caplog.text
    with HDF5Store.resume(tmp_path / "run.h5") as store:
        append(store, 1)
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert store.n_evaluated == 2
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]


@pytest.mark.usefixtures("_no_locks")
def test_without_locks_a_second_writer_is_refused_and_told_what_to_do(tmp_path):
    with create(tmp_path / "run.h5") as store:
        append(store, 0)
        with pytest.raises(StoreError, match=r"run\.h5 is open for writing in this very process: close that store"):
            HDF5Store.resume(tmp_path / "run.h5")
        append(store, 1)
    (tmp_path / ".run.h5.writer").write_text(f"{os.getppid()} {socket.gethostname()}\n")
    with pytest.raises(StoreError, match=rf"process {os.getppid()} on .*remove .*/\.run\.h5\.writer if it has ended"):
        HDF5Store.resume(tmp_path / "run.h5")


@pytest.mark.usefixtures("_no_locks")
@pytest.mark.parametrize(
    ("host", "number", "is_free"),
    [(socket.gethostname(), None, True), ("elsewhere", None, False), ("elsewhere", "nobody", False)],
)
def test_the_claim_of_a_writer_that_died_here_does_not_count(tmp_path, host, number, is_free):
    create(tmp_path / "run.h5").close()
    (tmp_path / ".run.h5.writer").write_text(f"{number or finished_process()} {host}\n")
    assert WriterLock.is_held(tmp_path / "run.h5") is not is_free
    if is_free:
        HDF5Store.resume(tmp_path / "run.h5").close()
        assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]
    else:
        with pytest.raises(StoreError, match="being written by process"):
            HDF5Store.resume(tmp_path / "run.h5")


@pytest.mark.usefixtures("_no_locks")
def test_of_two_that_find_the_claim_of_a_dead_writer_one_gets_the_file(tmp_path, monkeypatch):
    path, first = tmp_path / "run.h5", []
    (tmp_path / ".run.h5.writer").write_text(f"{finished_process()} {socket.gethostname()}\n")
    look = lock._may_be_alive

    def look_and_be_overtaken(claim):
        found = look(claim)
        monkeypatch.setattr(lock, "_may_be_alive", look)
        first.append(WriterLock.acquire(path))
        return found

    monkeypatch.setattr(lock, "_may_be_alive", look_and_be_overtaken)
    with pytest.raises(StoreError, match=f"process {os.getpid()} on"):
        WriterLock.acquire(path)
    assert WriterLock.is_held(path)
    first[0].release()
    assert list(tmp_path.iterdir()) == []


def test_a_claim_counts_though_the_writer_before_has_just_left(tmp_path, monkeypatch):
    def flock(file, operation):
        (tmp_path / ".run.h5.lock").unlink()
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    WriterLock.acquire(tmp_path / "run.h5").release()
    assert list(tmp_path.iterdir()) == []


def test_a_writer_is_not_refused_because_of_one_who_looks(tmp_path):
    beside = tmp_path / ".run.h5.lock"
    with beside.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        timer = threading.Timer(0.1, fcntl.flock, (file, fcntl.LOCK_UN))
        timer.start()
        WriterLock.acquire(tmp_path / "run.h5").release()
        timer.join()


def test_a_lock_is_seen_as_long_as_it_is_held(tmp_path):
    assert not WriterLock.is_held(tmp_path / "run.h5")
    with create(tmp_path / "run.h5"):
        assert WriterLock.is_held(tmp_path / "run.h5")
    assert not WriterLock.is_held(tmp_path / "run.h5")
    (tmp_path / ".run.h5.lock").touch()  # of a writer that was killed
    assert not WriterLock.is_held(tmp_path / "run.h5")


def test_a_file_and_a_link_to_it_have_one_writer(tmp_path):
    path, link = tmp_path / "scratch" / "run.h5", tmp_path / "run.h5"
    link.symlink_to(path)
    with create(path) as store:
        append(store, 0)
        assert WriterLock.is_held(link)
        with pytest.raises(StoreError, match=re.escape(f"{path} is open for writing in this very process")):
            HDF5Store.resume(link)
    with HDF5Store.resume(link) as store:
        append(store, 1)
    assert link.is_symlink()
    with HDF5Store.read(path) as store:
        assert store.n_evaluated == 2


def test_a_store_that_is_closed_twice_leaves_the_next_writer_alone(tmp_path):
    first = create(tmp_path / "run.h5")
    first.close()
    with HDF5Store.resume(tmp_path / "run.h5"):
        first.close()
        with pytest.raises(StoreError, match="open for writing"):
            HDF5Store.resume(tmp_path / "run.h5")


WRITER_THAT_FORKS = """
import os, signal, sys, time
from pathlib import Path
from tests.store.hdf5.test_population_file import create

store = create(Path(sys.argv[1]))
if os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
else:
    os.kill(os.getpid(), signal.SIGKILL) if sys.stdin.readline() else None
"""


def test_the_lock_of_a_writer_that_was_killed_does_not_live_on_in_those_it_has_forked(tmp_path):
    path = tmp_path / "run.h5"
    command = [sys.executable, "-c", WRITER_THAT_FORKS, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        child = int(writer.stdout.readline())
        try:
            assert WriterLock.is_held(path)
            writer.stdin.write("now\n")
            writer.stdin.flush()
            assert writer.wait() == -signal.SIGKILL
            os.kill(child, 0)
            HDF5Store.resume(path).close()
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_new_file_is_on_the_disk_before_it_takes_the_place_of_the_old_one(tmp_path, monkeypatch):
    saved, sync, replace = [], os.fsync, Path.replace

    def note_sync(number):
        sync(number)
        saved.append(os.fstat(number).st_ino)

    def note_replace(self, target):
        assert saved == [self.stat().st_ino]
        return replace(self, target)

    create(tmp_path / "run.h5").close()
    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    HDF5Store.resume(tmp_path / "run.h5").close()
    assert len(saved) == 1
