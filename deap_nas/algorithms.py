"""Search loops, in the shape of DEAP's ``ea*`` functions."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from types import ModuleType
from typing import Any

from deap_nas.errors import SettingsError
from deap_nas.evaluators import Evaluation, Job, Runner, Status, derive_seed
from deap_nas.evaluators.channel import count_workers, open_channel
from deap_nas.evaluators.outcome import outcome
from deap_nas.genotype import Genotype
from deap_nas.history import History, Reuse, Survival
from deap_nas.operators.ranking import RankedPopulation
from deap_nas.starting import check_population, check_settings, check_store, is_pending, n_first
from deap_nas.store import MemoryStore, Store

__all__ = ["Observer", "Reuse", "Survival", "eaAsync"]

#: Called after each evaluation with the individual that has it and the number of evaluations that go on.
Observer = Callable[[Any, int], None]

#: What may end otherwise on another try.
_PASSING = (Status.LOST, Status.OUT_OF_MEMORY)


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
    reuse: Reuse | None = None,
    cxpb: float = 0.0,
    retries: int = 1,
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
            An exception, such as Ctrl-C, leaves it with those still to be evaluated at its end, as does a run that
            has nothing left to do.
        toolbox: with ``select(individuals, k)``, ``mutate``, ``clone`` and ``evaluate``. ``evaluate`` receives a plain
            genotype, in a worker; a :class:`~deap_nas.evaluators.DetailedFitness` also receives a seed, a
            :class:`~deap_nas.evaluators.JobFitness` the whole job. If it has an attribute ``stopping``, evaluations
            end early: :class:`~deap_nas.evaluators.Stopping`. If it has a method ``check_store``, that is called with
            the store first, and raises where it does not suit the fitness.
        executor: any :class:`concurrent.futures.Executor`.
        n_evaluations: evaluations in the whole run, those of the initial population and of a resumed run included.
        store: journal of the run, which :func:`deap_nas.store.resume_population` can go on from.
        stats: a :class:`deap.tools.Statistics`, compiled for each row of the logbook over the members whose
            evaluation has not failed.
        halloffame: a :class:`deap.tools.HallOfFame`, updated at each evaluation.
        rng: the generator that the toolbox draws from; its state goes into the store.
        survival: gives the members to be removed after an evaluation, such as :func:`deap_nas.killOldest`; by
            default nobody.
        reuse: gives the key of a genotype, such as ``partial(canonical_key, space)``; one whose key has been evaluated
            with success takes that fitness, and counts as an evaluation of the run. By default every genotype is
            evaluated, as in the paper.
        cxpb: probability that a child is crossed by ``toolbox.mate`` with another selected parent before it is
            mutated, in [0, 1]; the paper has no crossover.
        retries: how often an evaluation is tried again whose worker died or that ran out of memory, on another worker
            where the executor can choose. Ranks of MPI count as one try together: an evaluation whose rank dies goes
            to up to two others.
        n_workers: evaluations kept running at a time; by default as many as the executor has workers.
        seed: of the run, where there is no store that knows it; evaluation seeds derive from it and the evaluation's
            id. By default drawn from ``rng``.
        observer: called after each evaluation.
        verbose: log each row of the logbook (logger ``deap_nas.algorithms``, level INFO).

    Returns:
        The population, and a logbook with one row each time as many evaluations have ended as the population had
        members at first: ``gen``, ``nevals``, ``failed``, with ``reuse`` also ``reused``, and what ``stats`` gives.

    Raises:
        SettingsError: ``n_evaluations`` or ``n_workers`` is not positive, ``cxpb`` is out of its range, the population
            is no list of individuals, or empty, or has one of them twice; the store belongs to another seed, fitness
            or population, has no room for the fitness's curves, or is refused by it; or the whole first population
            has failed for the same reason, which is then the fitness's: all is recorded.
        ExecutorError: an evaluation cannot be sent to a worker, or no worker can be started or is left; a store can be
            resumed.
        NASError: an evaluation says that the settings are wrong, such as a missing dataset, and none has succeeded.
    """
    check_settings(n_evaluations, n_workers, cxpb)
    check_population(population)
    if store is None:
        store = MemoryStore(seed=rng.getrandbits(32) if seed is None else seed)
    check_store(store, population, toolbox.evaluate, seed)
    queue = _Queue(population, toolbox, store, rng, cxpb=cxpb)
    history = History(
        queue.evaluated,
        store,
        toolbox.evaluate,
        stats=stats,
        halloffame=halloffame,
        survival=survival,
        reuse=reuse,
        awaited=queue.founders(),
        period=n_first(population),
        verbose=verbose,
    )
    crew = _Crew(executor, toolbox.evaluate, retries=retries, n_workers=n_workers)
    n_left = n_evaluations - store.n_evaluated
    had_nothing_to_do = n_left <= 0

    def join(individual: Any, evaluation: Evaluation) -> None:
        nonlocal n_left
        history.record(individual, evaluation)
        n_left -= 1
        if observer is not None:
            observer(individual, min(crew.n_workers, n_left))

    try:
        while n_left > 0:
            while len(crew.running) < min(crew.n_workers, n_left) and queue.ready():
                individual, job = queue.next()
                known = history.recall(job)
                if known is None:
                    crew.submit(individual, history.with_cutoffs(job))
                queue.waiting.popleft()
                if known is not None:
                    join(individual, known)
            if crew.running:
                for individual, evaluation in crew.ended(history):
                    join(individual, evaluation)
                history.check_success()
            elif n_left > 0:
                raise SettingsError("the survival rule left no evaluated member to have offspring")
        history.close()
    except BaseException as error:
        unfinished = [*crew.running.values(), *queue.waiting]
        population[:] = [*queue.evaluated, *(member for member in unfinished if not member.fitness.valid)]
        history.tell_end(error)
        raise
    finally:
        crew.dismiss()
    population[:] = [*queue.evaluated, *(queue.waiting if had_nothing_to_do else ())]
    return population, history.logbook


class _Crew:
    """The workers, and the individuals they are evaluating."""

    def __init__(self, executor: Executor, evaluate: Any, *, retries: int, n_workers: int | None) -> None:
        self._executor = executor
        self._channel = open_channel(executor, Runner(evaluate))
        self._retries = retries
        self._n_workers = n_workers
        self._n_tries: Counter[int] = Counter()
        #: Individuals by the id of their evaluation.
        self.running: dict[int, Any] = {}

    @property
    def n_workers(self) -> int:
        """The number that was asked for, or that of the executor at this moment."""
        return count_workers(self._executor) if self._n_workers is None else self._n_workers

    def submit(self, individual: Any, job: Job) -> None:
        self._channel.submit(job)
        self.running[job.id] = individual

    def ended(self, history: History) -> Iterator[tuple[Any, Evaluation]]:
        """Wait for evaluations that have ended, and give those that need no other try; what is wrong is raised last."""
        problem: Exception | None = None
        for job, end in sorted(self._channel.wait(), key=lambda pair: pair[0].id):
            try:
                is_last_try = self._n_tries[job.id] >= self._retries
                evaluation = outcome(end, job, is_first=not history.has_success, is_last_try=is_last_try)
                if evaluation.status in _PASSING and not is_last_try:
                    self._n_tries[job.id] += 1
                    self._channel.submit(job, avoid=evaluation.worker)
                    continue
            except Exception as error:  # those that ended beside it are recorded first
                problem = problem or error
                continue
            yield self.running[job.id], evaluation
            del self.running[job.id]
        if problem is not None:
            raise problem

    def dismiss(self) -> None:
        self._channel.close()


class _Queue:
    """Where the next job comes from: members without a fitness first, then offspring of the evaluated ones."""

    def __init__(
        self, population: Sequence[Any], toolbox: Any, store: Store, rng: random.Random | ModuleType, *, cxpb: float
    ) -> None:
        self._toolbox = toolbox
        self._cxpb = cxpb
        self._store = store
        self._rng = rng
        self.evaluated = RankedPopulation(individual for individual in population if individual.fitness.valid)
        _forget_other_runs(self.evaluated, store)
        pending = {job.id: job.genes for job in store.pending()}
        invalid = [individual for individual in population if not individual.fitness.valid]
        self.waiting = deque(individual for individual in invalid if is_pending(individual, pending))
        fresh = [individual for individual in invalid if not is_pending(individual, pending)]
        self._enqueue(fresh, [-1] * len(fresh))

    def founders(self) -> set[int]:
        """Ids of the evaluations that wait, but for those of offspring."""
        return {individual.job.id for individual in self.waiting if individual.job.parent == -1}

    def ready(self) -> bool:
        """Whether there is somebody to evaluate, or to have offspring."""
        return bool(self.waiting or self.evaluated)

    def next(self) -> tuple[Any, Job]:
        """Give the individual to be evaluated next, and its job; it stays in ``waiting`` until it is handed out."""
        if not self.waiting:
            child, parent = self._breed()
            del child.fitness.values
            number = parent.evaluation.id if hasattr(parent, "evaluation") else -1
            for name in ("evaluation", "job"):
                vars(child).pop(name, None)
            self._enqueue([child], [number])
        individual = self.waiting[0]
        return individual, replace(individual.job, submitted=time.time())

    def _breed(self) -> tuple[Any, Any]:
        """A changed clone of a selected member, and that member."""
        select, clone = self._toolbox.select, self._toolbox.clone
        parent = select(self.evaluated, 1)[0]
        child = clone(parent)
        if self._cxpb and self._rng.random() < self._cxpb:
            child, _ = self._toolbox.mate(child, clone(select(self.evaluated, 1)[0]))
        (child,) = self._toolbox.mutate(child)
        return child, parent

    def _enqueue(self, individuals: list[Any], parents: list[int]) -> None:
        first = self._store.n_submitted
        for number, (individual, parent) in enumerate(zip(individuals, parents, strict=True), start=first):
            individual.job = Job(number, Genotype(individual), derive_seed(self._store.seed, number), parent)
        if individuals:
            self._store.submit([individual.job for individual in individuals], self._rng.getstate())
        self.waiting.extend(individuals)


def _forget_other_runs(evaluated: Iterable[Any], store: Store) -> None:
    """Take the evaluations of another run, whose ids mean others here, from members that bring their fitness along."""
    with_evaluation = [individual for individual in evaluated if hasattr(individual, "evaluation")]
    ours = store.genes_of([individual.evaluation.id for individual in with_evaluation])
    for individual, genes in zip(with_evaluation, ours, strict=True):
        if genes != tuple(individual):
            del individual.evaluation
