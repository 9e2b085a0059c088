"""Workers that take no time: evaluations end in the order in which they would, had each taken a time of its own."""

import heapq
import random
from concurrent.futures import Executor, Future

#: Deviation of the logarithm of how long an evaluation takes.
SPREAD = 0.5


class VirtualWorkers(Executor):
    """An executor of :func:`deap_nas.eaAsync` with a clock of its own; a call is made when it is submitted.

    Args:
        n_workers: calls at the same time.
        rng: that durations are drawn from, log-normal ones.
    """

    def __init__(self, n_workers, rng=None):
        """See the class."""
        self.n_workers = n_workers
        self._rng = rng or random.Random(0)
        self._now = 0.0

    def open_channel(self, function):
        """Open a channel, as executors of the package do."""
        return _Channel(function, self)

    def end_of(self, begin):
        """When a call ends that begins then."""
        return begin + self._rng.lognormvariate(0, SPREAD)


class _Channel:
    """See :class:`deap_nas.executors.channel.Channel`."""

    def __init__(self, function, workers):
        self._function, self._workers = function, workers
        self._running, self._now, self._number = [], 0.0, 0

    def submit(self, argument, *, avoid=-1):  # noqa: ARG002 - all workers are alike
        future = Future()
        future.set_result(self._function(argument))
        self._number += 1  # which keeps equal times in order
        heapq.heappush(self._running, (self._workers.end_of(self._now), self._number, argument, future))

    def wait(self):
        self._now, _, argument, future = heapq.heappop(self._running)
        return [(argument, future)]

    def close(self):
        self._running.clear()
