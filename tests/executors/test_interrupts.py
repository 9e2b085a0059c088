"""What is said before a job is aborted."""

import os
import threading
import time

import pytest

from deap_nas.executors.interrupts import wait_until_read


def test_what_was_said_is_waited_for_until_its_reader_has_taken_it():
    theirs, ours = os.pipe()
    os.write(ours, b"rank 0 ends the job\n")
    taken = []
    reader = threading.Timer(0.2, lambda: taken.append(os.read(theirs, 100)))
    reader.start()
    wait_until_read(ours)
    assert taken == [b"rank 0 ends the job\n"]
    reader.join()
    os.close(theirs)
    os.close(ours)


def test_nobody_is_waited_for_without_end():
    theirs, ours = os.pipe()
    os.write(ours, b"nobody reads this")
    wait_until_read(ours)
    os.close(theirs)
    wait_until_read(ours)
    os.close(ours)


def test_a_file_is_not_waited_for(tmp_path, monkeypatch):
    (tmp_path / "said").write_text("by somebody else")
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("waited"))
    with open(tmp_path / "said", "r+b") as file:
        wait_until_read(file.fileno())
