"""Rank 0's bookkeeping: which call runs on which rank, and what becomes of it when the rank dies or falls silent.

Nothing here knows MPI: ranks are numbers, messages are bytes, and a :class:`Transport` carries them. So the same code
runs over MPI, in tests with ranks that misbehave on purpose, and in a simulation of many thousand ranks.

A message starts with one byte that says what it is. To a rank: ``F`` a pickled function to be held, ``C`` a call of it
(its number, then the pickled arguments), ``S`` the end. From a rank: ``R`` the end of a call (its number, then the
pickled pair of whether it succeeded and the result or exception), ``B`` the sign that it is still at it.
"""

from __future__ import annotations

import logging
import pickle
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from deap_nas.errors import ExecutorError, LostWorkerError, NoWorkerError

__all__ = ["BEAT", "CALL", "FUNCTION", "NUMBER", "RESULT", "STOP", "Call", "Controller", "Transport"]

FUNCTION, CALL, STOP, RESULT, BEAT = b"F", b"C", b"S", b"R", b"B"
#: How the number of a call is written, after the first byte of a message.
NUMBER = struct.Struct("<q")
_HEAD_BYTES = 1 + NUMBER.size
#: A call whose rank has died so often is given up, since it may be what kills them.
_MOST_LOSSES = 3

_log = logging.getLogger("deap_nas.executors.mpi.entering")


class Transport(Protocol):
    """Carries messages between rank 0 and the others."""

    def send(self, rank: int, message: bytes) -> None:
        """Send a message; it is lost if the rank has died."""

    def receive(self) -> tuple[int, bytes] | None:
        """Give the next message and its rank, or None when there is none yet."""

    def failed(self) -> Iterable[int]:
        """Give the ranks that have died since the last time."""


class Call:
    """A call that waits, runs, or has ended.

    Args:
        function: pickled; calls of one channel share the object.
        arguments: pickled.
        token: whose call it is.
        avoid: a rank that should not run it if another can.
    """

    #: Rank that runs it, or ran it.
    worker = -1
    #: Its number, as messages have it.
    number = b""
    n_losses = 0
    #: Pickled pair of whether it succeeded and the result or exception.
    answer: bytes | None = None
    error: Exception | None = None

    def __init__(self, function: bytes, arguments: bytes, token: Any, *, avoid: int = -1) -> None:
        """See the class."""
        self.function = function
        self.arguments = arguments
        self.token = token
        self.avoid = avoid

    def result(self) -> Any:
        """Give what the call returned, or raise what it raised."""
        if self.answer is None:
            raise self.error or ExecutorError("the call has not ended")
        try:
            succeeded, result = pickle.loads(self.answer)
        except Exception as error:  # made of classes that rank 0 does not have
            raise ExecutorError(f"a result cannot be unpickled: {type(error).__name__}: {error}") from error
        if not succeeded:
            raise result
        return result


class Controller:
    """Hands calls out to ranks and takes their ends.

    Args:
        transport: to the ranks.
        ranks: numbers of the workers.
        lease_seconds: a rank from which nothing has been heard for so long while it runs a call is taken for lost, and
            the call given to another; None waits without end.
        clock: gives the time in seconds.
    """

    def __init__(
        self,
        transport: Transport,
        ranks: Iterable[int],
        *,
        lease_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """See the class."""
        self._transport = transport
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._idle = deque(ranks)
        self._live = set(self._idle)
        self._silent: set[int] = set()
        self._held: dict[int, bytes] = {}  # function that each rank holds
        self._running: dict[int, Call] = {}  # by rank
        self._heard: dict[int, float] = {}  # when a busy rank last gave a sign of life
        self._next_look = 0.0
        self._last_step = clock()
        self._alone_since: float | None = None  # when the last rank was lost
        self._n_handed_out = 0
        self.waiting: deque[Call] = deque()

    @property
    def n_workers(self) -> int:
        """Ranks that live and are not silent."""
        return len(self._live)

    @property
    def n_free(self) -> int:
        """Ranks that would run another call at once."""
        return len(self._idle) - len(self.waiting)

    @property
    def silent(self) -> frozenset[int]:
        """Ranks that were taken for lost and have not been heard of since."""
        return frozenset(self._silent)

    @property
    def is_busy(self) -> bool:
        """Whether any call runs."""
        return bool(self._running)

    def lease(self, seconds: float | None) -> None:
        """Take a rank for lost after so many seconds of silence from now on; None for never."""
        self._lease_seconds = seconds
        self._next_look = 0.0

    def submit(self, call: Call) -> None:
        """Hand the call out, now or when a rank is free."""
        if self._idle and not self.waiting and call.avoid < 0:
            self._send(self._idle.popleft(), call)
        else:
            self.waiting.append(call)
            self._hand_out()

    def step(self) -> list[Call]:
        """Take what has come in, hand out what waits, and give the calls that have ended."""
        ended: list[Call] = []
        while (message := self._transport.receive()) is not None:
            self._take(*message, ended)
        for rank in self._transport.failed():
            self._bury(rank, ended)
        if self._lease_seconds is not None:
            self._end_leases(self._lease_seconds, ended)
        self._hand_out()
        if self.waiting and not self._live and self._is_hopeless():
            ended.extend(self._give_up())
        return ended

    def stop(self) -> None:
        """Dismiss all ranks, the silent ones as well."""
        for rank in (*self._live, *self._silent):
            self._transport.send(rank, STOP)

    def _hand_out(self) -> None:
        while self.waiting and self._idle:
            call, rank = self.waiting.popleft(), self._idle.popleft()
            if rank == call.avoid and self.n_workers > 1:
                if self._idle:
                    self._idle.append(rank)
                    rank = self._idle.popleft()
                else:  # the only free rank is the wrong one
                    self.waiting.append(call)
                    self._idle.append(rank)
                    if all(other.avoid == rank for other in self.waiting):
                        return
                    continue
            self._send(rank, call)

    def _send(self, rank: int, call: Call) -> None:
        self._n_handed_out += 1
        call.number, call.worker = NUMBER.pack(self._n_handed_out), rank
        self._running[rank] = call
        self._heard[rank] = self._clock()
        if self._held.get(rank) is not call.function:
            if self._held.get(rank) != call.function:
                self._transport.send(rank, FUNCTION + call.function)
            self._held[rank] = call.function
        self._transport.send(rank, CALL + call.number + call.arguments)

    def _take(self, rank: int, message: bytes, ended: list[Call]) -> None:
        call = self._running.get(rank)
        is_awaited = call is not None and message[1:_HEAD_BYTES] == call.number
        if message[:1] == BEAT:
            if is_awaited:
                self._heard[rank] = self._clock()
            elif rank in self._silent:  # it may come back
                self._alone_since = None
            return
        if call is not None and is_awaited:
            del self._running[rank]
            self._heard.pop(rank, None)
            call.answer = message[_HEAD_BYTES:]
            ended.append(call)
        elif rank in self._silent:  # late: another rank has the call now
            _log.warning("rank %d is back; its late answer is refused", rank)
            self._silent.discard(rank)
            self._live.add(rank)
            self._alone_since = None
        else:
            return
        self._idle.append(rank)

    def _bury(self, rank: int, ended: list[Call]) -> None:
        """Take a dead rank out of service."""
        _log.warning("rank %d has died; %d are left", rank, len(self._live - {rank}))
        self._silent.discard(rank)
        self._withdraw(rank, ended)

    def _end_leases(self, lease_seconds: float, ended: list[Call]) -> None:
        """Take the call from each rank that has been silent for too long."""
        now = self._clock()
        gap, self._last_step = now - self._last_step, now
        if gap > lease_seconds / 2:  # it was this process that slept
            self._heard = {rank: min(now, heard + gap) for rank, heard in self._heard.items()}
        if now < self._next_look:
            return
        self._next_look = now + lease_seconds / 8
        for rank in [rank for rank, heard in self._heard.items() if now - heard > lease_seconds]:
            _log.warning("nothing heard from rank %d for %.0f seconds; its call goes to another", rank, lease_seconds)
            self._silent.add(rank)
            self._withdraw(rank, ended)

    def _is_hopeless(self) -> bool:
        """Whether no rank is left that might come back, or none has for ten leases."""
        now = self._clock()
        self._alone_since = now if self._alone_since is None else self._alone_since
        return not self._silent or now - self._alone_since > 10 * (self._lease_seconds or 0.0)

    def _withdraw(self, rank: int, ended: list[Call]) -> None:
        self._live.discard(rank)
        if rank in self._idle:
            self._idle.remove(rank)
        call = self._running.pop(rank, None)
        self._heard.pop(rank, None)
        self._held.pop(rank, None)
        if call is None:
            return
        call.n_losses += 1
        if call.n_losses < _MOST_LOSSES:
            self.waiting.appendleft(call)
        else:
            call.error = LostWorkerError(f"the worker was lost {call.n_losses} times, the last time rank {rank}")
            ended.append(call)

    def _give_up(self) -> list[Call]:
        """End the calls that wait when nobody is left to run them."""
        given_up = list(self.waiting)
        self.waiting.clear()
        for call in given_up:
            call.error = NoWorkerError("no rank is left to run the call")
        return given_up
