"""Search loops, in the shape of DEAP's ``ea*`` functions."""

from __future__ import annotations

import random
from collections.abc import Callable, MutableSequence, Sequence
from concurrent.futures import Executor
from functools import partial
from types import ModuleType
from typing import Any

from deap_nas.deap_protocols import EvaluatedIndividual, Individual, StrategyToolbox, VariationToolbox
from deap_nas.engine import (
    Agenda,
    Crew,
    check_population,
    check_settings,
    check_store,
    check_toolbox,
    n_first,
    split_population,
)
from deap_nas.errors import SettingsError
from deap_nas.evaluation import Evaluation
from deap_nas.evaluation.adapter import AdaptedFitness
from deap_nas.history import History, Reuse, Survival
from deap_nas.needs import Needs
from deap_nas.operators.ranking import RankedPopulation
from deap_nas.store import MemoryStore, Store
from deap_nas.store.conduct import conduct_of
from deap_nas.store.contract import without_collection
from deap_nas.strategies import Tournaments

__all__ = ["Observer", "Reuse", "Survival", "eaAsync", "eaAsyncGenerateUpdate"]

#: Called after each evaluation with the individual that has it and the number of evaluations that go on.
Observer = Callable[[EvaluatedIndividual, int], None]


def eaAsync(
    population: MutableSequence[Individual],
    toolbox: VariationToolbox,
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
    n_ahead: int = 0,
    seed: int | None = None,
    observer: Observer | None = None,
    verbose: bool = False,
) -> tuple[MutableSequence[Individual], Any]:
    """Asynchronous evolution by tournaments (Liu 2018, algorithms 1 and 2).

    The members without a fitness are evaluated first. After that, whenever a worker is free, ``toolbox.select`` picks
    a parent among the evaluated members, and its clone, changed by ``toolbox.mutate``, is evaluated and joins them.
    Nobody waits for anybody, and nobody is removed unless a ``survival`` rule says so.

    Args:
        population: individuals, with or without a fitness; at the end the evaluated members, in the order in which
            they joined; those evaluated here have an ``evaluation``, an :class:`~deap_nas.evaluation.Evaluation`.
            An exception, such as Ctrl-C, leaves it with those still to be evaluated at its end, as does a run that
            has nothing left to do.
        toolbox: with ``select(individuals, k)``, ``mutate``, ``clone`` and ``evaluate``. ``evaluate`` receives a plain
            genotype, in a worker; a :class:`~deap_nas.evaluation.DetailedFitness` also receives a seed, a
            :class:`~deap_nas.evaluation.JobFitness` the whole job. If it has an attribute ``stopping``, evaluations
            end early: :class:`~deap_nas.evaluation.Stopping`. If it has a method ``check_store``, that is called with
            the store first, and raises where it does not suit the fitness. If it has an attribute ``deterministic``
            that is false, genotype, seed and parent do not decide what an evaluation gives: ``reuse`` is then refused,
            and a resumed run need not end as one that was not interrupted. ``reuse`` is also refused by an attribute
            ``reusable`` that is false. If it has a method ``forget``, that is called, in this process, with the ids of
            evaluations that nobody needs any more: they are no members, no job that came from them is left, and none of
            them is the best so far. Of a run that goes on it is told all of them again, once.
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
            with success takes that fitness, and counts as an evaluation of the run. The key must tell apart all that
            the fitness does: that of a graph is too little where genes say more than the graph does, such as channels.
            By default every genotype is evaluated, as in the paper.
        cxpb: probability that a child is crossed by ``toolbox.mate`` with another selected parent before it is
            mutated, in [0, 1]; the paper has no crossover.
        retries: how often an evaluation is tried again whose worker died or that ran out of memory, on another worker
            where the executor can choose. Ranks of MPI count as one try together: an evaluation whose rank dies goes
            to up to two others.
        n_workers: evaluations kept running at a time; by default as many as the executor has workers.
        n_ahead: children that are made before a worker is free, at least 0, so that none waits for a slow ``mutate``,
            such as that of a :class:`~deap_nas.Preselect`; each knows of as many fewer evaluations. They are pending in
            the store, and count as running for the observer.
        seed: of the run, where there is no store that knows it; evaluation seeds derive from it and the evaluation's
            id. By default drawn from ``rng``.
        observer: called after each evaluation.
        verbose: log each row of the logbook (logger ``deap_nas.algorithms``, level INFO).

    Returns:
        The population, and a logbook with one row each time as many evaluations have ended as the population had
        members at first: ``gen``, ``nevals``, ``failed``, with ``reuse`` also ``reused``, and what ``stats`` gives.

    Raises:
        SettingsError: ``n_evaluations`` or ``n_workers`` is not positive, ``n_ahead`` is negative, ``cxpb`` is out of
            its range, the population is no list of individuals, or empty, or has one of them twice; the toolbox lacks
            something; the store belongs to another seed, fitness or population, has no room for the fitness's curves,
            or is refused by it; ``reuse`` is asked of a fitness that is not deterministic or not reusable, or a run
            goes on with one that is deterministic where the run's was not, or the other way round; or the whole first
            population has failed for the same reason, which is then the fitness's: all is recorded.
        ExecutorError: an evaluation cannot be sent to a worker, or no worker can be started or is left; a store can be
            resumed.
        StorageError: weights, or what else an evaluation writes, cannot be written, such as on a full disk. Nothing
            is recorded of that evaluation: a store can be resumed.
        DatasetError: images are missing or cannot be read, at any time, such as in a process that is started later.
            Nothing is recorded of that evaluation: a store can be resumed.
        MissingExtraError: a worker lacks an optional dependency; likewise.
        NASError: an evaluation says that the settings are wrong in another way, and none has succeeded since the search
            was started or resumed.
    """
    check_settings(n_evaluations, n_workers, cxpb, n_ahead)
    check_population(population)
    check_toolbox(toolbox, ("evaluate",))
    if store is None:
        store = MemoryStore(seed=rng.getrandbits(32) if seed is None else seed)
    check_store(store, population, toolbox.evaluate, seed, reuses=reuse is not None)
    members, waiting, fresh = split_population(population, store)
    if n_evaluations - store.n_evaluated > len(waiting) + len(fresh):  # there will be offspring
        check_toolbox(toolbox, ("select", "clone", "mutate", *(["mate"] if cxpb else [])))
    evaluated = RankedPopulation(members)
    tournaments = Tournaments(evaluated, toolbox, cxpb=cxpb, rng=rng)
    needs = Needs.of(toolbox.evaluate, store, population)
    agenda = Agenda(waiting, fresh, tournaments.generate, store, rng, needs=needs)
    history = History(
        evaluated,
        store,
        toolbox.evaluate,
        stats=stats,
        halloffame=halloffame,
        survival=survival,
        reuse=reuse,
        awaited=agenda.founders(),
        period=n_first(population),
        verbose=verbose,
        needs=needs,
    )
    note = _note(store, toolbox, n_evaluations, survival=survival, reuse=reuse)
    crew = Crew(executor, toolbox.evaluate, retries=retries, n_workers=n_workers, note=note)
    n_left = n_evaluations - store.n_evaluated
    _search(agenda, history, crew, n_left, n_ahead=n_ahead, population=population, observer=observer)
    return population, history.logbook


def eaAsyncGenerateUpdate(
    toolbox: StrategyToolbox,
    executor: Executor,
    *,
    n_evaluations: int,
    store: Store | None = None,
    stats: Any = None,
    halloffame: Any = None,
    observer: Observer | None = None,
    population: Sequence[Individual] = (),
    period: int = 100,
    rng: random.Random | ModuleType = random,
    reuse: Reuse | None = None,
    retries: int = 1,
    n_workers: int | None = None,
    seed: int | None = None,
    verbose: bool = False,
) -> tuple[list[Individual], Any]:
    """Asynchronous search by any strategy, as :func:`deap.algorithms.eaGenerateUpdate` is a search by generations.

    Whenever a worker is free, ``toolbox.generate`` gives the individual that it evaluates; whenever an evaluation has
    ended, ``toolbox.update`` takes the individual back with its fitness. What a strategy is, and what else it may
    have, is said at :class:`~deap_nas.strategies.Strategy`.

    The search ends after so many evaluations, or before, where the strategy generates
    :data:`~deap_nas.strategies.END`.

    A resumed run goes on with ``population=resume_population(store, ...)``: all evaluations of the run are given to
    ``update`` again, in their order, the state that was written last to ``setstate`` before those that came after it,
    and those that were removed to ``remove``. With one worker it then ends as a run that was not interrupted.

    Args:
        toolbox: with ``generate()``, ``update(individual)`` and ``evaluate``; see :func:`eaAsync` for the last.
        executor: any :class:`concurrent.futures.Executor`.
        n_evaluations: evaluations in the whole run, those of a resumed run included.
        store: journal of the run, which :func:`deap_nas.store.resume_population` can go on from.
        stats: a :class:`deap.tools.Statistics`, compiled for each row of the logbook over the members whose
            evaluation has not failed.
        halloffame: a :class:`deap.tools.HallOfFame`, updated at each evaluation.
        observer: called after each evaluation.
        population: what a run was left with that goes on.
        period: evaluations in a row of the logbook, at least 1.
        rng: the generator that the strategy draws from; its state goes into the store.
        reuse: see :func:`eaAsync`.
        retries: see :func:`eaAsync`.
        n_workers: evaluations kept running at a time; by default as many as the executor has workers.
        seed: of the run, where there is no store that knows it; by default drawn from ``rng``.
        verbose: log each row of the logbook (logger ``deap_nas.algorithms``, level INFO).

    Returns:
        The evaluated individuals that no proposal has removed, in the order in which their evaluations ended, and a
        logbook as that of :func:`eaAsync`.

    Raises:
        SettingsError: ``n_evaluations``, ``n_workers`` or ``period`` is not positive, the toolbox lacks something, the
            strategy waits though nothing is being evaluated, the store belongs to another seed or fitness, has no room
            for its curves, or is refused by it, or the fitness is not what is asked of it, see :func:`eaAsync`.
        ExecutorError: see :func:`eaAsync`.
        StorageError: see :func:`eaAsync`.
        DatasetError: see :func:`eaAsync`.
        MissingExtraError: see :func:`eaAsync`.
        NASError: see :func:`eaAsync`.
    """
    check_settings(n_evaluations, n_workers)
    if period < 1:
        raise SettingsError(f"period must be at least 1, found {period}")
    check_toolbox(toolbox, ("generate", "update", "evaluate"))
    if store is None:
        store = MemoryStore(seed=rng.getrandbits(32) if seed is None else seed)
    check_store(store, population, toolbox.evaluate, seed, reuses=reuse is not None)
    members, waiting, fresh = split_population(population, store)
    evaluated = RankedPopulation(members)
    _replay(toolbox, store, population)
    needs = Needs.of(toolbox.evaluate, store, population)
    history = History(
        evaluated,
        store,
        toolbox.evaluate,
        stats=stats,
        halloffame=halloffame,
        survival=None,
        reuse=reuse,
        awaited=range(store.n_submitted, min(period, n_evaluations)),
        period=period,
        verbose=verbose,
        needs=needs,
    )

    def remove(individuals: Sequence[Individual]) -> None:
        history.remove(individuals)
        if (tell := _ability(toolbox, "remove")) is not None:
            tell(individuals)

    getstate = _ability(toolbox, "getstate")
    agenda = Agenda(waiting, fresh, toolbox.generate, store, rng, getstate=getstate, remove=remove, needs=needs)
    note = _note(store, toolbox, n_evaluations, survival="by the strategy", reuse=reuse)
    crew = Crew(executor, toolbox.evaluate, retries=retries, n_workers=n_workers, note=note)

    def observe(individual: EvaluatedIndividual, n_running: int) -> None:
        toolbox.update(individual)
        if observer is not None:
            observer(individual, n_running)

    left: list[Individual] = []
    _search(agenda, history, crew, n_evaluations - store.n_evaluated, population=left, observer=observe)
    return left, history.logbook


def _ability(toolbox: Any, name: str) -> Any:
    """What a strategy can do besides: by the toolbox, or by the object whose method ``generate`` is."""
    owner = toolbox.generate
    while isinstance(owner, partial):
        owner = owner.func
    found = getattr(toolbox, name, None)
    return getattr(getattr(owner, "__self__", None), name, None) if found is None else found


def _replay(toolbox: Any, store: Store, population: Sequence[Any]) -> None:
    """Bring a strategy to where the run was left."""
    if not store.n_submitted or not population:
        return
    icls = type(population[0])
    ours = {individual.evaluation.id: individual for individual in population if hasattr(individual, "evaluation")}
    state, n_known = store.strategy_state() or (None, -1)
    dead = []
    stages = store.stages()
    with without_collection():
        for number, record in enumerate(store):
            if number == n_known:
                _ability(toolbox, "setstate")(state)
            individual = ours.get(record.evaluation.id)
            if individual is None:
                individual = icls(record.genes)
                individual.fitness.values = record.evaluation.values
                individual.evaluation = record.evaluation
                dead.append(individual)
            if record.evaluation.id in stages:
                individual.stage = stages[record.evaluation.id]
            toolbox.update(individual)
    if n_known == store.n_evaluated:
        _ability(toolbox, "setstate")(state)
    if dead and (tell := _ability(toolbox, "remove")) is not None:
        tell(dead)


def _note(
    store: Store, toolbox: Any, n_evaluations: int, *, survival: Survival | str | None, reuse: Reuse | None
) -> Callable[[int], None]:
    """What tells the store how the search is conducted, by so many workers."""
    word = AdaptedFitness(toolbox.evaluate).deterministic
    rules: dict[str, Any] = {"survival": survival, "reuse": reuse, "deterministic": word}

    def note(n_workers: int) -> None:
        store.note_conduct(conduct_of(n_evaluations=n_evaluations, n_workers=n_workers, **rules))

    return note


def _search(
    agenda: Agenda,
    history: History,
    crew: Crew,
    n_left: int,
    *,
    n_ahead: int = 0,
    population: MutableSequence[Individual],
    observer: Observer | None,
) -> None:
    """Evaluate until so many evaluations have ended; at the end, the population is those who are members then."""
    had_nothing_to_do = n_left <= 0

    def join(individual: Any, evaluation: Evaluation) -> None:
        nonlocal n_left
        history.record(individual, evaluation)
        n_left -= 1
        if observer is not None:
            observer(individual, min(crew.n_workers + n_ahead, n_left))

    try:
        while n_left > 0:
            crew.tell_changes()
            while len(crew.running) < min(crew.n_workers, n_left) and (following := agenda.next()) is not None:
                individual, job = following
                known = history.recall(job)
                if known is None:
                    crew.submit(individual, history.with_cutoffs(job))
                agenda.waiting.popleft()
                if known is not None:
                    join(individual, known)
            agenda.prepare(min(n_ahead, n_left - len(crew.running)))
            if crew.running:
                for individual, evaluation in crew.ended(has_success=lambda: history.has_success):
                    join(individual, evaluation)
                history.check_success()
            elif agenda.has_ended:
                break
            elif n_left > 0:
                raise SettingsError(
                    "there is nobody to evaluate next: the survival rule left no evaluated member to have offspring, "
                    "or the strategy waits though nothing is being evaluated"
                )
        history.close()
    except BaseException as error:
        unfinished = [*crew.running.values(), *agenda.waiting]
        population[:] = [*history.members, *(member for member in unfinished if not member.fitness.valid)]
        history.tell_end(error)
        raise
    finally:
        crew.dismiss()
    population[:] = [*history.members, *(agenda.waiting if had_nothing_to_do else ())]
