"""A fitness for DEAP's own loops that always gives finite values, also where the evaluation fails."""

from __future__ import annotations

import itertools
import logging
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any

from deap_nas.errors import SettingsError
from deap_nas.evaluation.adapter import AdaptedFitness
from deap_nas.evaluation.curves import Stopping
from deap_nas.evaluation.evaluation import Evaluation, Job, Status
from deap_nas.evaluation.runner import Runner

__all__ = ["Guard"]

_log = logging.getLogger(__name__)

#: Numbers of the guards that this process has made.
_numbers = itertools.count()
#: Genotypes that were not viable, by the key of their guard, of which each call of a worker may unpickle a copy.
_n_not_viable: Counter[tuple[int, int]] = Counter()


class Guard:
    """Evaluates as the fitness that it guards does, but a failed evaluation has the worst values.

    :func:`~deap_nas.eaAsync` needs no guard. A loop of DEAP ends when a fitness raises, and lets a NaN win or lose a
    tournament by its place. Behind a guard each of these is a failure: an exception, a value that is not finite, a
    wrong number of values. Its error is logged (logger ``deap_nas.evaluation.guard``, level WARNING) by the process
    that evaluates. Genotypes that are not viable, of which any search meets many, are counted there, and logged when
    that is the first, second, fourth, eighth and so on of the process. The death of that process, or its time limit, is
    raised by ``toolbox.map`` as ever.

    It pickles if the fitness does, and also decorates what a toolbox already has::

        toolbox.register("evaluate", Guard(fitness, worst_values=(0.0,)))
        toolbox.decorate("evaluate", partial(Guard, worst_values=(0.0,)))

    Args:
        evaluate: a DEAP evaluate (``individual -> tuple of floats``), or a
            :class:`~deap_nas.evaluation.DetailedFitness` or :class:`~deap_nas.evaluation.JobFitness`, which remains
            one in :func:`~deap_nas.eaAsync`.
        worst_values: fitness of a failed evaluation, one finite number for each objective.

    Raises:
        SettingsError: ``worst_values`` is not a sequence of finite numbers.
    """

    def __init__(self, evaluate: Callable[..., Any], *, worst_values: Sequence[float]) -> None:
        """See the class."""
        if not isinstance(worst_values, Sequence) or not worst_values or not all(map(_is_finite, worst_values)):
            raise SettingsError(f"worst_values must be finite numbers, one for each objective, found {worst_values!r}")
        self.worst_values = tuple(map(float, worst_values))
        self._fitness = evaluate
        #: Tells this guard from others in any process.
        self._key = (os.getpid(), next(_numbers))

    @property
    def isolated(self) -> bool:
        """Whether the fitness asks for a child process."""
        return AdaptedFitness(self._fitness).isolated

    @property
    def stopping(self) -> Stopping | None:
        """How the fitness wants its evaluations to be ended early."""
        return AdaptedFitness(self._fitness).stopping

    @property
    def check_store(self) -> Callable[[Any], None] | None:
        """How the fitness refuses a store, see :func:`~deap_nas.eaAsync`; None if it takes any."""
        return AdaptedFitness(self._fitness).check_store

    @property
    def deterministic(self) -> bool:
        """Whether the fitness says that genotype, seed and parent decide what it gives."""
        return AdaptedFitness(self._fitness).deterministic

    @property
    def reusable(self) -> bool:
        """Whether the fitness lets a genotype take that of an equal one."""
        return AdaptedFitness(self._fitness).reusable

    @property
    def forget(self) -> Callable[[Sequence[int]], None] | None:
        """How the fitness is told of evaluations that nobody needs any more; None if it keeps nothing."""
        return AdaptedFitness(self._fitness).forget

    def __call__(self, *arguments: Any, **keywords: Any) -> tuple[float, ...]:
        """Give the values of an individual, the last argument; those before it are the toolbox's.

        Raises:
            NASError: the settings of the run are wrong, such as a missing dataset.
        """
        *defaults, individual = arguments

        def plain(individual: Any) -> Any:
            """Hide that a fitness is detailed: outside eaAsync it chooses its seed itself."""
            return self._fitness(*defaults, individual, **keywords)

        evaluation = self._run(plain, Job(-1, individual, seed=0))
        if evaluation.status is Status.OK:
            return evaluation.values
        if evaluation.status is Status.NOT_VIABLE:
            self._count(individual, evaluation)
        else:
            _log.warning("%s evaluation of %s: %s", evaluation.status.name, individual, evaluation.error)
        return self.worst_values

    def _count(self, individual: Any, evaluation: Evaluation) -> None:
        """Log a genotype that is not viable, unless as many have been logged that it says nothing new."""
        _n_not_viable[self._key] += 1
        number = _n_not_viable[self._key]
        if number & (number - 1) == 0:  # a power of two
            ending = f" (number {number} of this kind; the next one told is number {2 * number})"
            _log.warning("%s evaluation of %s: %s%s", evaluation.status.name, individual, evaluation.error, ending)

    def evaluate_job(self, *arguments: Any, **keywords: Any) -> Evaluation:
        """Evaluate for :func:`~deap_nas.eaAsync`; see :class:`~deap_nas.evaluation.JobFitness`.

        Raises:
            NASError: the settings of the run are wrong, such as a missing dataset.
        """
        *defaults, job = arguments
        return self._run(partial(self._fitness, *defaults, **keywords), job)

    def _run(self, fitness: Callable[..., Any], job: Job) -> Evaluation:
        """The evaluation, failed if it has too many values or too few."""
        evaluation = Runner(fitness)(job)
        if evaluation.status is not Status.OK or len(evaluation.values) == len(self.worst_values):
            return evaluation
        error = f"expected {len(self.worst_values)} fitness values, found {evaluation.values}"
        return replace(evaluation, values=(), status=Status.FAILED, error=error)


def _is_finite(value: object) -> bool:
    return isinstance(value, Real) and math.isfinite(value)
