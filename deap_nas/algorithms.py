"""Search loops, in the shape of DEAP's ``ea*`` functions."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, MutableSequence, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import replace
from functools import partial
from math import copysign
from types import ModuleType
from typing import Any

from deap import tools

from deap_nas.errors import ExecutorError, NASError, SettingsError
from deap_nas.evaluators import Evaluation, Job, Runner, Status, derive_seed
from deap_nas.genotype import Genotype
from deap_nas.store import MemoryStore, Store

__all__ = ["Observer", "Survival", "eaAsync"]

#: Takes the evaluated members in the order in which they joined; gives those to be removed.
Survival = Callable[[Sequence[Any]], Iterable[Any]]
#: Called after each evaluation with the individual that has it and the number of evaluations that go on.
Observer = Callable[[Any, int], None]

#: Fitness of a failed evaluation, away from the optimum, where the fitness names no worst value of its own. Finite,
#: and small enough that the mean and the deviation of a population stay finite.
_WORST = 1e100

_log = logging.getLogger(__name__)


def eaAsync(
    population: MutableSequence[Any],
    toolbox: Any,
    executor: Executor,
    *,
    n_evaluations: int,
    store: Store | None = None,
    stats: Any = None,
    halloffame: Any = None,
    rng: random.Random | ModuleType = random,
    survival: Survival | None = None,
    n_workers: int | None = None,
    seed: int | None = None,
    observer: Observer | None = None,
    verbose: bool = False,
) -> tuple[MutableSequence[Any], Any]:
    """Asynchronous evolution by tournaments (Liu 2018, algorithms 1 and 2).

    The members without a fitness are evaluated first. After that, whenever a worker is free, ``toolbox.select`` picks
    a parent among the evaluated members, and its clone, changed by ``toolbox.mutate``, is evaluated and joins them.
    Nobody waits for anybody, and nobody is removed unless a ``survival`` rule says so.

    Args:
        population: individuals, with or without a fitness; at the end the evaluated members, in the order in which
            they joined; those evaluated here have an ``evaluation``, an :class:`~deap_nas.evaluators.Evaluation`.
            An exception, such as Ctrl-C, leaves it with those still to be evaluated at its end.
        toolbox: with ``select(individuals, k)``, ``mutate``, ``clone`` and ``evaluate``. ``evaluate`` receives a plain
            genotype, in a worker; a :class:`~deap_nas.evaluators.DetailedFitness` also receives a seed.
        executor: any :class:`concurrent.futures.Executor`.
        n_evaluations: evaluations in the whole run, those of the initial population and of a resumed run included.
        store: journal of the run, which :func:`deap_nas.store.resume_population` can go on from.
        stats: a :class:`deap.tools.Statistics`, compiled for each row of the logbook over the members whose
            evaluation has not failed.
        halloffame: a :class:`deap.tools.HallOfFame`, updated at each evaluation.
        rng: the generator that the toolbox draws from; its state goes into the store.
        survival: gives the members to be removed after an evaluation; by default nobody.
        n_workers: evaluations kept running at a time; by default as many as the executor has workers.
        seed: of the run, where there is no store that knows it; evaluation seeds derive from it and the evaluation's
            id. By default drawn from ``rng``.
        observer: called after each evaluation.
        verbose: log each row of the logbook (logger ``deap_nas.algorithms``, level INFO).

    Returns:
        The population, and a logbook with one row each time as many evaluations have ended as the population had
        members at first: ``gen``, ``nevals``, ``failed``, and what ``stats`` gives.

    Raises:
        SettingsError: ``n_evaluations`` or ``n_workers`` is not positive, there is nobody to start from, or the store
            belongs to another seed or fitness.
        ExecutorError: an evaluation cannot be sent to a worker.
        NASError: an evaluation says that the settings are wrong, such as a missing dataset, and none has succeeded.
    """
    n_workers = _count_workers(executor) if n_workers is None else n_workers
    if n_evaluations < 1 or n_workers < 1:
        raise SettingsError(f"n_evaluations and n_workers must be at least 1, found {n_evaluations} and {n_workers}")
    if not population:
        raise SettingsError(
            "the population is empty: start with toolbox.population(n) or resume_population(store, ...)"
        )
    if store is None:
        store = MemoryStore(seed=rng.getrandbits(32) if seed is None else seed)
    _check_store(store, population[0], seed)
    queue = _Queue(population, toolbox, store, rng)
    history = _History(queue.evaluated, store, stats, halloffame, period=_n_first(population), verbose=verbose)
    runner = Runner(toolbox.evaluate)
    running: dict[Future[Evaluation], tuple[Any, Job]] = {}
    n_left = n_evaluations - store.n_evaluated
    try:
        while n_left > 0:
            while len(running) < min(n_workers, n_left) and queue.ready():
                individual, job = queue.next()
                running[executor.submit(runner, job)] = (individual, job)
                queue.waiting.popleft()
            if not running:
                raise SettingsError("the survival rule left no evaluated member to have offspring")
            done = wait(running, return_when=FIRST_COMPLETED).done
            for future in sorted(done, key=lambda future: running[future][1].id):
                individual, job = running.pop(future)
                history.record(individual, _outcome(future, job, history), toolbox.evaluate)
                _remove(queue.evaluated, store, survival)
                n_left -= 1
                if observer is not None:
                    observer(individual, min(n_workers, n_left))
    except BaseException:
        for future in running:
            future.cancel()
        population[:] = [*queue.evaluated, *(individual for individual, _ in running.values()), *queue.waiting]
        raise
    history.close()
    population[:] = queue.evaluated
    return population, history.logbook


def _check_store(store: Store, individual: Any, seed: int | None) -> None:
    if seed is not None and seed != store.seed:
        raise SettingsError(f"the store belongs to a run with seed {store.seed}, found seed {seed}: leave it out")
    weights = tuple(individual.fitness.weights)
    if store.weights is not None and store.weights != weights:
        raise SettingsError(f"the store is for fitness weights {store.weights}, the individuals have {weights}")


def _n_first(population: Sequence[Any]) -> int:
    """Members of the first population, which have no parent, so that a resumed run logs as it did before."""
    origins = [getattr(individual, "evaluation", getattr(individual, "job", None)) for individual in population]
    return sum(origin is None or origin.parent == -1 for origin in origins) or len(population)


def _count_workers(executor: Executor) -> int:
    """Workers of any executor, by the names that the standard library, mpi4py and this package use."""
    for name in ("n_workers", "_max_workers", "num_workers"):
        number = getattr(executor, name, None)
        if isinstance(number, int) and number > 0:
            return number
    raise SettingsError(f"how many workers {type(executor).__name__} has is not known; pass n_workers")


class _Queue:
    """Where the next job comes from: members without a fitness first, then offspring of the evaluated ones."""

    def __init__(self, population: Sequence[Any], toolbox: Any, store: Store, rng: random.Random | ModuleType) -> None:
        self._toolbox = toolbox
        self._store = store
        self._rng = rng
        self.evaluated = [individual for individual in population if individual.fitness.valid]
        _forget_other_runs(self.evaluated, store)
        pending = {job.id: job.genes for job in store.pending()}
        invalid = [individual for individual in population if not individual.fitness.valid]
        self.waiting = deque(individual for individual in invalid if _is_pending(individual, pending))
        fresh = [individual for individual in invalid if not _is_pending(individual, pending)]
        self._enqueue(fresh, [-1] * len(fresh))

    def ready(self) -> bool:
        """Whether there is somebody to evaluate, or to have offspring."""
        return bool(self.waiting or self.evaluated)

    def next(self) -> tuple[Any, Job]:
        """Give the individual to be evaluated next, and its job; it stays in ``waiting`` until it is handed out."""
        if not self.waiting:
            parent = self._toolbox.select(self.evaluated, 1)[0]
            child = self._toolbox.clone(parent)
            (child,) = self._toolbox.mutate(child)
            del child.fitness.values
            number = parent.evaluation.id if hasattr(parent, "evaluation") else -1
            for name in ("evaluation", "job"):
                vars(child).pop(name, None)
            self._enqueue([child], [number])
        individual = self.waiting[0]
        return individual, replace(individual.job, submitted=time.time())

    def _enqueue(self, individuals: list[Any], parents: list[int]) -> None:
        first = self._store.n_submitted
        for number, (individual, parent) in enumerate(zip(individuals, parents, strict=True), start=first):
            individual.job = Job(number, Genotype(individual), derive_seed(self._store.seed, number), parent)
        if individuals:
            self._store.submit([individual.job for individual in individuals], self._rng.getstate())
        self.waiting.extend(individuals)


def _forget_other_runs(evaluated: Iterable[Any], store: Store) -> None:
    """Take the evaluations of another run, whose ids mean others here, from members that bring their fitness along."""
    ours = {record.evaluation.id: record.genes for record in store.records()}
    for individual in evaluated:
        if hasattr(individual, "evaluation") and ours.get(individual.evaluation.id) != tuple(individual):
            del individual.evaluation


def _is_pending(individual: Any, pending: Mapping[int, Genotype]) -> bool:
    """Whether the individual's job is one of the store's; a job may also be left over from another run."""
    return hasattr(individual, "job") and pending.get(individual.job.id) == individual


class _History:
    """What has been evaluated: the members, the store, the hall of fame and the logbook."""

    def __init__(
        self, evaluated: list[Any], store: Store, stats: Any, halloffame: Any, *, period: int, verbose: bool
    ) -> None:
        self._evaluated = evaluated
        self._store = store
        self._stats = stats
        self._halloffame = halloffame
        self._period = period
        self._verbose = verbose
        self._n_new = self._n_failed = 0
        #: Whether any evaluation has succeeded.
        self.has_success = any(not _has_failed(member) for member in evaluated)
        self.logbook = tools.Logbook()
        self.logbook.header = ["gen", "nevals", "failed", *(stats.fields if stats else [])]
        if halloffame is not None:
            halloffame.update(evaluated)

    def record(self, individual: Any, evaluation: Evaluation, evaluate: Any) -> None:
        """Let an individual join with its evaluation; a failed one gets the worst finite fitness."""
        weights = individual.fitness.weights
        if evaluation.status is Status.OK and len(evaluation.values) != len(weights):
            error = f"expected {len(weights)} fitness values, one for each weight, found {evaluation.values}"
            evaluation = replace(evaluation, status=Status.FAILED, error=error)
        if evaluation.status is not Status.OK:
            evaluation = replace(evaluation, values=_worst_values(evaluate, weights))
            self._n_failed += 1
            _log.info("evaluation %d: %s", evaluation.id, evaluation.status.name)
        else:
            self.has_success = True
        individual.fitness.values = evaluation.values
        individual.evaluation = evaluation
        self._store.append(individual, evaluation)
        self._evaluated.append(individual)
        if self._halloffame is not None:
            self._halloffame.update([individual])
        self._n_new += 1
        if self._n_new == self._period:
            self._log_row()

    def close(self) -> None:
        """Log the evaluations that fill no whole row."""
        if self._n_new:
            self._log_row()

    def _log_row(self) -> None:
        generation = -(-self._store.n_evaluated // self._period) - 1
        members = [member for member in self._evaluated if not _has_failed(member)]
        compiled = self._stats.compile(members) if self._stats and members else {}
        self.logbook.record(gen=generation, nevals=self._n_new, failed=self._n_failed, **compiled)
        self._n_new = self._n_failed = 0
        if self._verbose:
            _log.info("%s", self.logbook.stream)


def _remove(evaluated: list[Any], store: Store, survival: Survival | None) -> None:
    """Remove the members that the survival rule names."""
    dead = {id(individual) for individual in survival(evaluated)} if survival is not None else set()
    if dead:
        leaving = (individual for individual in evaluated if id(individual) in dead)
        store.kill(individual.evaluation.id for individual in leaving if hasattr(individual, "evaluation"))
        evaluated[:] = [individual for individual in evaluated if id(individual) not in dead]


def _has_failed(member: Any) -> bool:
    return hasattr(member, "evaluation") and member.evaluation.status is not Status.OK


def _outcome(future: Future[Evaluation], job: Job, history: _History) -> Evaluation:
    """The future's evaluation, or one that says how it failed outside the fitness."""
    try:
        return future.result()
    except (KeyboardInterrupt, CancelledError):
        raise
    except TimeoutError as error:
        status, text = Status.TIMED_OUT, str(error) or "ended at its time limit"
    except NASError as error:
        if not history.has_success:
            raise
        status, text = Status.FAILED, f"{type(error).__name__}: {error}"
    except Exception as error:
        if _cannot_be_sent(error) and not history.has_success:
            raise ExecutorError(f"an evaluation cannot be sent to a worker: {error}") from error
        status, text = Status.LOST, f"{type(error).__name__}: {error}"
    now = time.time()
    ended = Evaluation(status=status, error=text, id=job.id, parent=job.parent)
    return replace(ended, submitted=job.submitted, started=job.submitted, finished=now)


def _cannot_be_sent(error: Exception) -> bool:
    """Whether pickling is what failed; a fitness's own exceptions do not come this way."""
    return isinstance(error, (AttributeError, TypeError, ImportError)) or type(error).__name__ == "PicklingError"


def _worst_values(evaluate: Any, weights: Sequence[float]) -> tuple[float, ...]:
    """Worst finite fitness: what the fitness calls so (``worst_values``), else far from the optimum."""
    while isinstance(evaluate, partial):
        evaluate = evaluate.func
    values = getattr(evaluate, "worst_values", None)
    return tuple(copysign(_WORST, -weight) for weight in weights) if values is None else tuple(values)
