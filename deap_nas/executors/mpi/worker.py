"""A rank's side: it holds a function, runs calls of it, and tells rank 0 how they ended.

A call runs in the rank itself, or in a child process of its own, which may crash, hang or be killed without harm to
the rank. The child is kept between calls, and made anew when it is gone.
"""

from __future__ import annotations

import math
import os
import pickle
import socket
import struct
import time
import traceback
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from functools import lru_cache
from typing import Any, Protocol

from deap_nas.errors import ExecutorError, LostWorkerError, NASError
from deap_nas.evaluation.adapter import AdaptedFitness
from deap_nas.evaluation.call_limits import Limits
from deap_nas.evaluation.runner import set_worker, worker_number
from deap_nas.executors.mpi.controller import CALL, FUNCTION, NUMBER, RESULT, STOP
from deap_nas.executors.mpi.heartbeat import Pulse
from deap_nas.executors.pickling import explain, pickled, survives_pickling, unpickled
from deap_nas.executors.processes import ProcessExecutor, death_in_words, is_out_of_memory_exit, limit_in_words

__all__ = ["Backoff", "Link", "pickled_function", "serve"]

#: How a function is called, before the function: whether in a child process; limits in seconds, bytes and seconds.
_HEAD = struct.Struct("<?ddd")
#: Longest sleep between two looks for a message, in seconds.
_LONGEST_SLEEP_SECONDS = 0.01
#: A wait shorter than this does without sleep.
_SECONDS_BEFORE_SLEEP = 2e-4
#: How often a process is started for one call.
_MOST_STARTS = 3


class Link(Protocol):
    """A rank's connection to rank 0."""

    def send(self, message: bytes) -> None:
        """Send a message to rank 0."""

    def beat(self, number: bytes) -> None:
        """Give rank 0 a sign of life for the call of this number; end the job where that fails."""

    def receive(self) -> bytes | None:
        """Give the next message of rank 0, or None when there is none yet."""


class Backoff:
    """Pauses that grow with the time already waited, so that a short wait stays short and a long one costs nothing."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def reset(self) -> None:
        """Begin to wait anew."""
        self._since = time.monotonic()

    def seconds(self) -> float:
        """Length of the next pause: an eighth of the time waited so far; 0 at first, to let others have the core."""
        waited = time.monotonic() - self._since
        return 0.0 if waited < _SECONDS_BEFORE_SLEEP else min(_LONGEST_SLEEP_SECONDS, waited / 8)

    def pause(self) -> None:
        """Let others have the core, and sleep if the wait is no short one."""
        seconds = self.seconds()
        if seconds:
            time.sleep(seconds)
        else:
            os.sched_yield()


def pickled_function(
    function: Callable[..., Any], *, isolate: bool | None = None, limits: Limits | None = None
) -> bytes:
    """Pickle a function as ranks hold it, after how they call it: in a child process or not, and within what limits.

    Args:
        function: that is to be called.
        isolate: whether in a child process; by default where there is a limit of time or memory, and where the
            attribute ``isolated`` of the function, or of the object whose method it is, says so.
        limits: of its calls; by default none.

    Raises:
        ExecutorError: the function does not pickle.
    """
    limits = limits or Limits()
    if isolate is None:
        isolate = limits.isolates or AdaptedFitness(function).isolated
    numbers = (limits.timeout_seconds, limits.memory_bytes, limits.lease_seconds)
    return _HEAD.pack(isolate, *(math.inf if number is None else number for number in numbers)) + pickled(function)


def _limits_of(head: bytes) -> Limits:
    _, timeout, memory, lease = _HEAD.unpack(head)
    return Limits(None if timeout == math.inf else timeout, None if memory == math.inf else int(memory), lease)


def serve(link: Link, rank: int) -> None:
    """Run calls for rank 0 until it says that there are no more."""
    head = function = b""
    with _Child(rank) as child, Pulse(link.beat, Limits().beat_seconds) as pulse:
        while True:
            backoff = Backoff()
            while (message := link.receive()) is None:
                backoff.pause()
            kind = message[:1]
            if kind == STOP:
                return
            if kind == FUNCTION:
                head, function = message[1 : 1 + _HEAD.size], message[1 + _HEAD.size :]
                child.limits = _limits_of(head)
                pulse.every(child.limits.beat_seconds)
            elif kind == CALL:
                number, arguments = message[1 : 1 + NUMBER.size], message[1 + NUMBER.size :]
                run = child.run if head[:1] == b"\x01" else _answer
                pulse.begin(number)
                answer = run(function, arguments)
                pulse.end()
                link.send(RESULT + number + answer)


class _Child:
    """The process in which a rank runs the calls that may take it down."""

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self._limits = Limits()
        self._process: ProcessExecutor | None = None

    @property
    def limits(self) -> Limits:
        """Of its calls; with others, the next one gets another process."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        if limits != self._limits:
            self.__exit__()
        self._limits = limits

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self._process.shutdown(cancel_futures=True)
            self._process = None

    def run(self, function: bytes, arguments: bytes) -> bytes:
        """Run a call and give its answer."""
        for _ in range(_MOST_STARTS):
            try:
                return self._start(function, arguments).result()
            except BrokenExecutor:  # the process was found dead before it had begun with the call
                self.__exit__()
            except TimeoutError as error:
                return _failure(TimeoutError(limit_in_words(error)))
            except NASError as error:
                return _failure(error)
            except Exception as error:
                return _failure(_death(error, self._limits))
        return _failure(BrokenExecutor("no process could be started for the evaluation"))

    def _start(self, function: bytes, arguments: bytes) -> Future[bytes]:
        limits = self._limits
        if self._process is None:
            self._process = ProcessExecutor(1, timeout_seconds=limits.timeout_seconds, memory_bytes=limits.memory_bytes)
        return self._process.submit(_answer_as, self._rank, function, arguments)


def _failure(error: Exception) -> bytes:
    return pickle.dumps((False, error))


def _death(failure: Exception, limits: Limits) -> Exception:
    """What the end of a child process means."""
    if is_out_of_memory_exit(failure):
        return MemoryError(f"ended at its limit of {limits.memory_bytes:,} bytes of memory")
    return LostWorkerError(death_in_words(failure))


def _answer_as(number: int, function: bytes, arguments: bytes) -> bytes:
    """Run a call in the child process of a rank."""
    set_worker(number)
    return _answer(function, arguments)


def _answer(function: bytes, arguments: bytes) -> bytes:
    """Run a call: whether it succeeded, and the result or exception, pickled as a pair."""
    try:
        args, kwargs = unpickled(arguments)
        return pickle.dumps((True, _held(function)(*args, **kwargs)))
    except (Exception, SystemExit) as error:
        explain(error)
        return pickle.dumps((False, _portable(error)))


@lru_cache(maxsize=4)
def _held(function: bytes) -> Any:
    """The function that a process holds; unpickled once, so that what it keeps is kept."""
    return unpickled(function)


def _portable(error: BaseException) -> BaseException:
    """The exception itself if it survives pickling, else one that holds its traceback as text."""
    text = f"rank {worker_number()} on {socket.gethostname()}:\n{''.join(traceback.format_exception(error))}"
    if isinstance(error, SystemExit) or not survives_pickling(error):  # it would end rank 0, or not arrive there
        return ExecutorError(text)
    error.add_note(text)
    return error
