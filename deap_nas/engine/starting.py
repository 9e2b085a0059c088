"""What a search is started with, refused in words where it could not go on with it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence
from typing import Any

from deap_nas.errors import SettingsError
from deap_nas.evaluation.adapter import AdaptedFitness
from deap_nas.evaluation.curves import Curves
from deap_nas.genotype import content_of
from deap_nas.store import Store

__all__ = ["check_population", "check_settings", "check_store", "check_toolbox", "is_pending", "n_first"]

_log = logging.getLogger("deap_nas.algorithms")


def check_settings(n_evaluations: int, n_workers: int | None, cxpb: float = 0.0, n_ahead: int = 0) -> None:
    """Refuse numbers out of their range.

    Raises:
        SettingsError: see :func:`deap_nas.eaAsync`.
    """
    if n_evaluations < 1 or (n_workers is not None and n_workers < 1):
        raise SettingsError(f"n_evaluations and n_workers must be at least 1, found {n_evaluations} and {n_workers}")
    if n_ahead < 0:
        raise SettingsError(f"n_ahead must be at least 0, found {n_ahead}")
    if not 0 <= cxpb <= 1:
        raise SettingsError(f"cxpb must lie in [0, 1], found {cxpb}")


def check_population(population: Any) -> None:
    """Refuse what is no list of individuals that can grow, before anything is evaluated.

    Raises:
        SettingsError: see :func:`deap_nas.eaAsync`.
    """
    if not _can_grow(population):
        name = type(population).__name__
        raise SettingsError(
            f"the population must be a list, which the search changes in place, found {name}: pass list(population)"
        )
    if not population:
        raise SettingsError(
            "the population is empty: start with toolbox.population(n) or resume_population(store, ...)"
        )
    without = next((member for member in population if not hasattr(member, "fitness")), population)
    if without is not population:
        raise SettingsError(
            f"each member of the population needs a fitness, found {without!r}: make them of a class from "
            "creator.create('Individual', deap_nas.Genotype, fitness=creator.FitnessMax)"
        )
    if len({id(member) for member in population}) < len(population):
        raise SettingsError(
            "the population holds an individual more than once: make each by a call of its own, as "
            "tools.initRepeat(list, toolbox.individual, n) does, or clone it"
        )


def check_toolbox(toolbox: Any, names: Iterable[str]) -> None:
    """Refuse a toolbox in which something is not registered, before anything is evaluated that needs it later.

    Raises:
        SettingsError: see :func:`deap_nas.eaAsync`.
    """
    missing = [name for name in names if not hasattr(toolbox, name)]
    if missing:
        raise SettingsError(f"the toolbox has no {' and no '.join(missing)}: toolbox.register({missing[0]!r}, ...)")


def _can_grow(population: Any) -> bool:
    """Whether members can be replaced as the search does it; a deque is a sequence that cannot."""
    try:
        population[:] = list(population)
    except TypeError:
        return False
    return isinstance(population, MutableSequence)


def check_store(
    store: Store, population: Sequence[Any], evaluate: Any, seed: int | None, *, reuses: bool = False
) -> None:
    """Refuse a store of another run, or one that does not suit the fitness; and reuse of what cannot be reused.

    Of a run that goes on whose fitness is not, a warning says what is not promised.

    Raises:
        SettingsError: see :func:`deap_nas.eaAsync`.
    """
    if seed is not None and seed != store.seed:
        raise SettingsError(f"the store belongs to a run with seed {store.seed}, found seed {seed}: leave it out")
    weights = tuple(population[0].fitness.weights) if population else store.weights
    if store.weights is not None and store.weights != weights:
        raise SettingsError(f"the store is for fitness weights {store.weights}, the individuals have {weights}")
    fitness = AdaptedFitness(evaluate)
    if reuses:
        _check_reuse(fitness)
    stopping = fitness.stopping
    n_rungs = 0 if stopping is None else len(stopping.cutoffs(Curves()))
    if store.n_rungs is not None and store.n_rungs < n_rungs:
        raise SettingsError(f"the store has n_rungs={store.n_rungs}: the fitness needs one with n_rungs={n_rungs}")
    if fitness.check_store is not None:
        fitness.check_store(store)
    path = getattr(store, "path", "the store")
    if store.n_submitted and not any(_belongs_to(store, population)):
        raise SettingsError(
            f"{path} holds a run of {_evaluations(store.n_evaluated)}, and nobody in the "
            "population belongs to it: go on with resume_population(store, Individual, rng=rng), or use a new store"
        )
    if store.n_submitted:
        _check_word(store.conduct.get("deterministic", fitness.deterministic), fitness.deterministic, path)


def _check_reuse(fitness: AdaptedFitness) -> None:
    """Refuse to give equal networks one fitness where they have each their own."""
    if not fitness.deterministic:
        raise SettingsError("reuse needs a fitness that follows from genotype, seed and parent: this one does not")
    if not fitness.reusable:
        raise SettingsError(
            "reuse needs a fitness that equal networks share, and this one says that they do not (its reusable is "
            "False), as where weights are inherited: an equal network is then trained on; leave reuse out"
        )


def _check_word(recorded: bool, asked: bool, path: object) -> None:
    """Refuse a fitness that keeps its word otherwise than that of the run; warn where neither is deterministic."""
    if recorded != asked:
        was, now = ("does not", "does") if asked else ("does", "does not")
        raise SettingsError(
            f"the fitness of the run in {path} {was} follow from genotype, seed and parent (its deterministic is "
            f"{recorded}), that of the toolbox {now}: go on with the fitness of the run, or use a new store"
        )
    if not recorded:
        text = "%s goes on, but need not end as a run that was not interrupted: its fitness is not deterministic, %s"
        _log.warning(text, path, "and what had begun is evaluated anew")


def _evaluations(number: int) -> str:
    return "1 evaluation" if number == 1 else f"{number} evaluations"


def _belongs_to(store: Store, population: Sequence[Any]) -> Iterator[bool]:
    """For each member, whether the store has its evaluation, or its job that waits for one."""
    pending = {job.id: content_of(job.genes) for job in store.pending()}
    ids = [individual.evaluation.id if hasattr(individual, "evaluation") else -1 for individual in population]
    genes = store.genes_of(ids)
    for individual, found in zip(population, genes, strict=True):
        yield is_pending(individual, pending) or (found is not None and found == content_of(individual))


def is_pending(individual: Any, pending: Mapping[int, Any]) -> bool:
    """Whether the individual's job is one of the store's; a job may also be left over from another run."""
    return hasattr(individual, "job") and pending.get(individual.job.id) == content_of(individual)


def n_first(population: Iterable[Any]) -> int:
    """Members of the first population, which have no parent, so that a resumed run logs as it did before."""
    members = list(population)
    origins = [getattr(individual, "evaluation", getattr(individual, "job", None)) for individual in members]
    return sum(origin is None or origin.parent == -1 for origin in origins) or len(members)
