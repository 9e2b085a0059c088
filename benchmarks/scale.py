"""How far one controller reaches: the real search loop and controller, with simulated workers and a simulated clock.

    python benchmarks/scale.py [--workers 200 2000 20000 100000] [--evaluations-each 4] [--members 1000000] [--store]

The loop, the bookkeeping of calls and ranks, selection, mutation and, with --store, the population file are the real
code and take the time they take; it is added to the simulated clock. Only the evaluations, the network between the
ranks and the ranks themselves are simulated. Utilisation is the share of the workers' time, from the first evaluation
to the last that is handed out, in which they evaluate. The controller's load is its share of one core; that of the
signs of life, with leases of a minute, is measured apart, over one lease, and is not part of it.
"""

import argparse
import heapq
import pickle
import random
import resource
import tempfile
import time
from concurrent.futures import Executor
from pathlib import Path

from deap import base, creator
from machine import describe

import deap_nas
from deap_nas.evaluation import Evaluation
from deap_nas.executors.mpi.controller import BEAT, CALL, NUMBER, RESULT, Call, Controller
from deap_nas.store import HDF5Store, MemoryStore

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)

SPACE = deap_nas.HierarchicalSpace()
LEASE_SECONDS = 60.0
#: Signs of life that a rank gives in a lease.
N_SIGNS = 8
#: Seconds of an evaluation: the paper's hour with some spread, and with a heavier tail of the same mean.
LENGTHS = {
    "log-normal": lambda rng: 3600 * rng.lognormvariate(-0.02, 0.2),
    "heavy tail": lambda rng: 3600 * rng.paretovariate(2.0) / 2,
}


class Simulation(Executor):
    """An executor whose channel hands calls to simulated ranks by the real controller.

    Args:
        n_workers: simulated ranks.
        length: draws the seconds of an evaluation.
        seed: of the lengths.
    """

    def __init__(self, n_workers, length, seed=0):
        """See the class."""
        self.n_workers = n_workers
        self.now = self.busy = self.last_handed_out = self.controller_seconds = 0.0
        self._length = length
        self._rng = random.Random(seed)
        self._events = []  # (when, rank, message)
        self._cpu = time.process_time()
        self._controller = Controller(self, range(1, n_workers + 1), clock=lambda: self.now)

    def open_channel(self, function):  # noqa: ARG002 - every evaluation is simulated
        """Give the channel, which is this object."""
        return self

    def submit(self, job, *, avoid=-1):
        """See :meth:`deap_nas.executors.channel.Channel.submit`."""
        self._let_time_pass()
        self._controller.submit(Call(b"1", pickle.dumps((job,)), job, avoid=avoid))

    def wait(self):
        """See :meth:`deap_nas.executors.channel.Channel.wait`."""
        while True:
            self._let_time_pass()
            ended = self._controller.step()
            if ended:
                return [(call.token, call) for call in ended]
            self.now = max(self.now, self._events[0][0])

    def close(self):
        """See :meth:`deap_nas.executors.channel.Channel.close`."""

    def send(self, rank, message):
        """Let a rank evaluate; see :meth:`deap_nas.executors.mpi.controller.Transport.send`."""
        if message[:1] != CALL:
            return
        (job,) = pickle.loads(message[1 + NUMBER.size :])
        seconds = self._length(self._rng)
        self.busy += seconds
        self.last_handed_out = self.now
        values = (self._rng.random(),)
        times = {"submitted": job.submitted, "started": self.now, "finished": self.now + seconds}
        found = Evaluation(values, scores=values, id=job.id, parent=job.parent, worker=rank, **times)
        heapq.heappush(
            self._events,
            (self.now + seconds, rank, RESULT + message[1 : 1 + NUMBER.size] + pickle.dumps((True, found))),
        )

    def receive(self):
        """See :meth:`deap_nas.executors.mpi.controller.Transport.receive`."""
        if not self._events or self._events[0][0] > self.now:
            return None
        return heapq.heappop(self._events)[1:]

    def failed(self):
        """See :meth:`deap_nas.executors.mpi.controller.Transport.failed`."""
        return ()

    def _let_time_pass(self):
        cpu = time.process_time()
        self.now += cpu - self._cpu
        self.controller_seconds += cpu - self._cpu
        self._cpu = cpu


class Signs:
    """A transport that brings signs of life from all ranks, spread evenly over time; and the clock of that time."""

    def __init__(self, n_workers):
        """See the class."""
        self.now = 0.0
        self._seconds = LEASE_SECONDS / N_SIGNS / n_workers
        self._calls = []  # (rank, number)
        self._turn = 0
        self._is_due = False

    def send(self, rank, message):
        """See :meth:`deap_nas.executors.mpi.controller.Transport.send`."""
        if message[:1] == CALL:
            self._calls.append((rank, message[1 : 1 + NUMBER.size]))

    def receive(self):
        """See :meth:`deap_nas.executors.mpi.controller.Transport.receive`."""
        if not self._is_due:
            return None
        self._is_due = False
        rank, number = self._calls[self._turn]
        self._turn = (self._turn + 1) % len(self._calls)
        return rank, BEAT + number

    def failed(self):
        """See :meth:`deap_nas.executors.mpi.controller.Transport.failed`."""
        return ()

    def let_time_pass(self):
        """Go on to the next sign."""
        self.now += self._seconds
        self._is_due = True


def load_of_signs(n_workers):
    """Give the controller's load by the signs of life of ranks that all evaluate, and by looking at their leases."""
    signs = Signs(n_workers)
    controller = Controller(signs, range(1, n_workers + 1), lease_seconds=LEASE_SECONDS, clock=lambda: signs.now)
    for _ in range(n_workers):
        controller.submit(Call(b"1", b"", None))
    cpu = time.process_time()
    for _ in range(N_SIGNS * n_workers):
        signs.let_time_pass()
        controller.step()
    load = (time.process_time() - cpu) / signs.now
    if controller.silent:
        raise RuntimeError(f"{len(controller.silent)} ranks were taken for lost")
    return load


def run(n_workers, n_evaluations, length, store):
    """Run a search; gives utilisation, the controller's load, and CPU microseconds an evaluation."""
    rng = random.Random(1)
    toolbox = base.Toolbox()
    toolbox.register("select", deap_nas.selTournamentFraction, fraction=0.05, rng=rng)
    toolbox.register("mutate", deap_nas.mutEdge, space=SPACE, rng=rng)
    toolbox.register("evaluate", len)
    trivial = deap_nas.initTrivial(creator.Individual, SPACE)
    population = [creator.Individual(trivial) for _ in range(min(n_workers, n_evaluations))]
    simulation = Simulation(n_workers, length)
    deap_nas.eaAsync(population, toolbox, simulation, n_evaluations=n_evaluations, store=store, rng=rng)
    unfinished = sum(max(0.0, member.evaluation.finished - simulation.last_handed_out) for member in population)
    share = (simulation.busy - unfinished) / (simulation.last_handed_out * n_workers)
    seconds = simulation.controller_seconds
    return share, seconds / simulation.last_handed_out, seconds / n_evaluations * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    workers = [200, 2_000, 20_000, 100_000]
    parser.add_argument("--workers", type=int, nargs="+", default=workers, help="(default: %(default)s)")
    parser.add_argument("--evaluations-each", type=int, default=4, help="of each worker, on average (default: 4)")
    parser.add_argument("--members", type=int, default=0, help="one more run with so many members at the end")
    parser.add_argument("--store", action="store_true", help="write a population file, and count its time")
    args = parser.parse_args()
    describe("deap-nas", "deap", "h5py")
    print(
        f"{'workers':>8}{'evaluations':>13}  {'lengths':12}{'utilisation':>12}{'controller load':>17}{'signs':>9}"
        f"{'us each':>9}{'MB':>8}"
    )
    sizes = [(n, n * args.evaluations_each) for n in args.workers]
    sizes += [(args.workers[-1], args.members)] if args.members else []
    for n_workers, n_evaluations in sizes:
        signs = load_of_signs(n_workers)
        for name, length in LENGTHS.items():
            with tempfile.TemporaryDirectory() as folder:
                if args.store:
                    store = HDF5Store.create(Path(folder) / "run.h5", space=SPACE, settings={}, seed=1, n_repeats=1)
                else:
                    store = MemoryStore(seed=1)
                share, load, each = run(n_workers, n_evaluations, length, store)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{n_workers:8,}{n_evaluations:13,}  {name:12}{share:12.4f}{load:17.4f}{signs:9.4f}{each:9.0f}"
                f"{memory:8.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
