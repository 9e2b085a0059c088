import errno
import fcntl
import logging
import os
import socket
import subprocess
import sys
import threading

import h5py
import pytest

from deap_nas.errors import StoreError
from deap_nas.store import HDF5Store, lock
from deap_nas.store.lock import WriterLock
from tests.store.test_hdf5 import append, create


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
        with pytest.raises(
            StoreError, match=rf"process {os.getpid()} on .*remove .*/\.run\.h5\.writer if it has ended"
        ):
            HDF5Store.resume(tmp_path / "run.h5")
        append(store, 1)


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
