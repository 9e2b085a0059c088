"""What a fitness is and can do, asked in one place: a function, a method, an object, or a toolbox's partial of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import copysign
from typing import Any

from deap_nas.evaluation.curves import Stopping
from deap_nas.evaluation.evaluation import DetailedFitness, Evaluation, Job, JobFitness

__all__ = ["AdaptedFitness"]

#: Fitness of a failed evaluation, away from the optimum, where the fitness names no worst value of its own. Finite,
#: and small enough that the mean and the deviation of a population stay finite.
_WORST = 1e100


class AdaptedFitness:
    """A fitness of any form, with all that it may say of itself by attributes.

    Args:
        evaluate: a DEAP evaluate (``individual -> tuple of floats``), a
            :class:`~deap_nas.evaluation.DetailedFitness` or a :class:`~deap_nas.evaluation.JobFitness`, also as the
            partial of a toolbox. It may have the attributes ``isolated``, ``stopping``, ``deterministic``,
            ``reusable``, ``worst_values``, ``check_store`` and ``forget``.
    """

    def __init__(self, evaluate: Callable[..., Any]) -> None:
        """See the class."""
        arguments: tuple[Any, ...] = ()
        keywords: dict[str, Any] = {}
        while isinstance(evaluate, partial):
            arguments, keywords = evaluate.args + arguments, {**evaluate.keywords, **keywords}
            evaluate = evaluate.func
        self._function = evaluate
        self._arguments = arguments
        self._keywords = keywords

    def evaluate(self, job: Job) -> Evaluation:
        """Evaluate a genotype in the richest way that the fitness offers; raises what it raises."""
        function, arguments, keywords = self._function, self._arguments, self._keywords
        if isinstance(function, JobFitness):
            return _expect_evaluation(function.evaluate_job(*arguments, job, **keywords), "evaluate_job")
        if isinstance(function, DetailedFitness):
            found = function.evaluate(*arguments, job.genes, seed=job.seed, **keywords)
            return _expect_evaluation(found, "evaluate")
        return Evaluation(_as_values(function(*arguments, job.genes, **keywords)))

    @property
    def isolated(self) -> bool:
        """Whether it asks for a child process: itself, the object whose method it is, or what a decorator holds."""
        function: Any = self._function
        while isinstance(function, partial) or hasattr(function, "__wrapped__"):
            function = function.func if isinstance(function, partial) else function.__wrapped__
        owner = getattr(function, "__self__", None)
        return bool(getattr(function, "isolated", getattr(owner, "isolated", False)))

    @property
    def stopping(self) -> Stopping | None:
        """How evaluations are to be ended early; None for not at all."""
        stopping: Stopping | None = getattr(self._function, "stopping", None)
        return stopping

    @property
    def deterministic(self) -> bool:
        """Whether genotype, seed and parent decide what an evaluation gives; by default it is so."""
        return bool(getattr(self._function, "deterministic", True))

    @property
    def reusable(self) -> bool:
        """Whether a genotype may take the fitness of an equal one; by default it is so."""
        return bool(getattr(self._function, "reusable", True))

    @property
    def forget(self) -> Callable[[Sequence[int]], None] | None:
        """What is told, in the process that searches, of evaluations that nobody needs; None if it keeps nothing."""
        forget: Callable[[Sequence[int]], None] | None = getattr(self._function, "forget", None)
        return forget

    @property
    def check_store(self) -> Callable[[Any], None] | None:
        """What refuses a store; None if it takes any."""
        check: Callable[[Any], None] | None = getattr(self._function, "check_store", None)
        return check

    def worst_values(self, weights: Sequence[float]) -> tuple[float, ...]:
        """Worst finite fitness: what the fitness calls so, else far from the optimum."""
        values = getattr(self._function, "worst_values", None)
        return tuple(copysign(_WORST, -weight) for weight in weights) if values is None else tuple(values)


def _expect_evaluation(found: Any, method: str) -> Evaluation:
    if not isinstance(found, Evaluation):
        raise TypeError(
            f"{method} of the fitness must return a deap_nas.Evaluation, such as Evaluation(values=(0.9,)), "
            f"it returned {found!r}"
        )
    return found


def _as_values(found: Any) -> tuple[float, ...]:
    """What a fitness of DEAP has returned, as floats."""
    try:
        if isinstance(found, (str, bytes, Mapping)):
            raise TypeError("no sequence of numbers")
        return tuple(map(float, found))
    except (TypeError, ValueError) as error:
        raise TypeError(
            "evaluate must return a sequence of numbers, one for each weight of the fitness, such as (0.9,) for one; "
            f"it returned {found!r}"
        ) from error
