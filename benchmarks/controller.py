"""What rank 0's own code costs an evaluation, without MPI, by how often it has to give its core to others.

    python benchmarks/controller.py [--evaluations 5000] [--rounds 5] [--others 4]

Calls are handed out to 16 workers and their ends taken as in a search, but a queue in this process stands where MPI
would be. Whenever it has given so many answers, rank 0 finds none and yields its core: to nobody, or to other
processes that compute. Then its code and its data have left the caches, and take time to come back. Figures are CPU
microseconds of rank 0 for each evaluation, medians over the rounds, with the range.
"""

import argparse
import os
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager

from jobs import spread
from machine import describe
from peers import GENES, evaluate, steady_state

from deap_nas.executors.mpi.controller import CALL, NUMBER, RESULT, Call, Controller
from deap_nas.executors.mpi.worker import pickled_function
from deap_nas.executors.pickling import pickled

N_WORKERS = 16
#: A process that goes through more memory than the first caches hold, and yields its core in between.
OTHER = """
import os
numbers = {number: str(number) for number in range(20_000)}
while True:
    for number in range(0, 20_000, 37):
        numbers[number] = str(int(numbers[number]) + 1)
    os.sched_yield()
"""


class Queue:
    """A transport whose ranks answer at once; it gives so many answers, then none once."""

    def __init__(self, n_at_once):
        self._n_at_once = n_at_once
        self._n_given = 0
        self._answers = deque()
        self._answer = pickled((True, evaluate((0, GENES))))

    def send(self, rank, message):
        """See :meth:`Transport.send`."""
        if message[:1] == CALL:
            self._answers.append((rank, RESULT + message[1 : 1 + NUMBER.size] + self._answer))

    def receive(self):
        """See :meth:`Transport.receive`."""
        if self._n_given == self._n_at_once or not self._answers:
            self._n_given = 0
            return None
        self._n_given += 1
        return self._answers.popleft()

    def failed(self):
        """See :meth:`Transport.failed`."""
        return ()


def cpu_microseconds(n_at_once, n_evaluations):
    """CPU of this process for each evaluation."""
    controller = Controller(Queue(n_at_once), range(1, N_WORKERS + 1), lease_seconds=60.0)
    function = pickled_function(evaluate)

    def submit(job):
        controller.submit(Call(function, pickled(((job,), {})), job))

    def wait():
        os.sched_yield()
        return len([call.result() for call in controller.step()])

    _, seconds = steady_state(submit, wait, ((number, GENES) for number in range(n_evaluations)), N_WORKERS)
    return seconds / n_evaluations * 1e6


@contextmanager
def others(n_processes):
    """Processes that compute on the core of this one."""
    running = [subprocess.Popen([sys.executable, "-c", OTHER]) for _ in range(n_processes)]
    try:
        time.sleep(1.0 if running else 0.0)
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=5_000, help="in a round (default: 5000)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: 5)")
    parser.add_argument("--others", type=int, default=4, help="processes beside it (default: 4)")
    args = parser.parse_args()
    describe("deap-nas")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(f"{'answers found at once':24}{'alone':>26}{f'beside {args.others} processes':>26}")
    for n_at_once in (16, 8, 4, 2, 1):
        cells = []
        for n_processes in (0, args.others):
            with others(n_processes):
                cells.append(spread([cpu_microseconds(n_at_once, args.evaluations) for _ in range(args.rounds)]))
        print(f"{n_at_once:<24}{cells[0]:>26}{cells[1]:>26}", flush=True)


if __name__ == "__main__":
    main()
