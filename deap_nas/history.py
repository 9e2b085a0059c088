"""What a search has evaluated so far: members, store, hall of fame, logbook, and the fitness that can be reused."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from deap_nas.errors import SettingsError
from deap_nas.evaluation import Evaluation, Job, Status
from deap_nas.evaluation.adapter import AdaptedFitness
from deap_nas.evaluation.curves import Curves
from deap_nas.evaluation.failures import Failures, reason_of
from deap_nas.executors.interrupts import say_stopped
from deap_nas.needs import Needs
from deap_nas.operators.ranking import RankedPopulation
from deap_nas.store import Store

__all__ = ["History", "Reuse", "Survival"]

#: Takes the evaluated members in the order in which they joined; gives those to be removed.
Survival = Callable[[Sequence[Any]], Iterable[Any]]
#: Gives the key of a genotype; what has the same key has the same fitness.
Reuse = Callable[[Any], Hashable]

_log = logging.getLogger("deap_nas.algorithms")


class History:
    """Lets individuals join with their evaluations, and others leave.

    Args:
        evaluated: the members, whom this class adds to and removes from.
        store: journal of the run.
        evaluate: the fitness, which may name its worst values.
        stats: a :class:`deap.tools.Statistics`, or None.
        halloffame: a :class:`deap.tools.HallOfFame`, or None.
        survival: gives the members to be removed, or None.
        reuse: gives the keys of genotypes, or None.
        awaited: ids of the first population's evaluations that are still to come.
        period: evaluations in a row of the logbook.
        verbose: whether to log each row.
        needs: told what was recorded and removed; None where nobody keeps anything of evaluations.
    """

    def __init__(
        self,
        evaluated: RankedPopulation,
        store: Store,
        evaluate: Any,
        *,
        stats: Any,
        halloffame: Any,
        survival: Survival | None,
        reuse: Reuse | None,
        awaited: Iterable[int],
        period: int,
        verbose: bool,
        needs: Needs | None = None,
    ) -> None:
        """See the class."""
        from deap import tools  # not at the top, so that ranks that only evaluate do without it

        self._evaluated = evaluated
        self._store = store
        self._fitness = AdaptedFitness(evaluate)
        self._stats = stats
        self._halloffame = halloffame
        self._survival = survival
        self._reuse = reuse
        self._period = period
        self._verbose = verbose
        self._needs = needs
        self._known: dict[Hashable, Evaluation] = {}
        if reuse is not None:
            for record in store:
                self._remember(record.genes, record.evaluation)
        #: Whether any evaluation has succeeded since the search was started or resumed.
        self.has_success = False
        self._was_successful = any(not _has_failed(member) for member in evaluated)
        self._awaited = set(awaited)
        self._failures = Failures()
        for member in () if self._was_successful else evaluated:
            self._failures.remember(member.evaluation)
        self._stopping = self._fitness.stopping
        self._curves = Curves()
        if self._stopping is not None:
            for record in store:
                self._curves.add(record.evaluation, is_member=record.alive)
        self.logbook = tools.Logbook()
        self._counts = dict.fromkeys(("nevals", "failed") if reuse is None else ("nevals", "reused", "failed"), 0)
        self.logbook.header = ["gen", *self._counts, *(stats.fields if stats else [])]
        if halloffame is not None:
            halloffame.update(evaluated)
        if evaluated:
            self._remove()  # a kill may have come between an evaluation and the removal that follows

    @property
    def members(self) -> Sequence[Any]:
        """The evaluated members, in the order in which they joined."""
        return self._evaluated

    def recall(self, job: Job) -> Evaluation | None:
        """Give the job the evaluation of an earlier genotype with the same key; None when there is none."""
        known = self._known.get(self._reuse(job.genes)) if self._reuse is not None else None
        if known is None:
            return None
        now = time.time()
        taken = replace(known, reused=known.id, worker=-1, host="", threads=0, compute=0.0)
        return replace(taken, id=job.id, parent=job.parent, submitted=now, started=now, finished=now)

    def with_cutoffs(self, job: Job) -> Job:
        """The job with what it must reach to go on, where the fitness ends evaluations early."""
        return job if self._stopping is None else replace(job, cutoffs=self._stopping.cutoffs(self._curves))

    def record(self, individual: Any, evaluation: Evaluation) -> None:
        """Let an individual join with its evaluation; a failed one gets the worst finite fitness."""
        weights = individual.fitness.weights
        if evaluation.status is Status.OK and len(evaluation.values) != len(weights):
            error = f"expected {len(weights)} fitness values, one for each weight, found {evaluation.values}"
            evaluation = replace(evaluation, status=Status.FAILED, error=error)
        if evaluation.status is not Status.OK:
            evaluation = replace(evaluation, values=self._fitness.worst_values(weights))
            self._counts["failed"] += 1
            _log.info("evaluation %d: %s", evaluation.id, evaluation.status.name)
        else:
            self.has_success = True
        self._store.append(individual, evaluation)
        self._awaited.discard(evaluation.id)
        if evaluation.status is not Status.OK:
            self._failures.add(evaluation)
        individual.fitness.values = evaluation.values
        individual.evaluation = evaluation
        self._evaluated.append(individual)
        self._counts["nevals" if evaluation.reused < 0 else "reused"] += 1
        if self._stopping is not None:
            self._curves.add(evaluation)
        if self._reuse is not None:
            self._remember(individual, evaluation)
        if self._halloffame is not None:
            _improve(self._halloffame, individual)
        if self._n_new == self._period:
            self._log_row()
        if self._needs is not None:
            self._needs.recorded(evaluation, weights)
        self._remove()

    def remove(self, individuals: Iterable[Any]) -> None:
        """Let members leave whom a submission has removed, which the store knows."""
        leaving = list(individuals)
        ended = [member.evaluation for member in leaving if hasattr(member, "evaluation")]
        for evaluation in ended if self._stopping is not None else ():
            self._curves.discard(evaluation)
        self._evaluated.discard(leaving)
        if self._needs is not None:
            self._needs.removed(evaluation.id for evaluation in ended)

    def check_success(self, *, at_end: bool = False) -> None:
        """End a search whose fitness cannot be evaluated.

        Raises:
            SettingsError: all of the first population has failed for one reason, or at the end all that there is.
        """
        one = None if self._has_ever_succeeded or (self._awaited and not at_end) else self._failures.common()
        if one is None or one.status is not Status.FAILED:
            return
        path, number = getattr(self._store, "path", None), self._store.n_evaluated
        anew = "start anew" if path is None else f"start anew, with another file or without {path}"
        failed, kept = f"all {number} evaluations have failed for the same reason", "these failures"
        if number == 1:
            failed, kept = "the only evaluation has failed", "this failure"
        raise SettingsError(
            f"{failed}, {reason_of(one)}: mend it and {anew}; a run that is resumed keeps {kept} and goes on with "
            "offspring of what failed"
        )

    def tell_end(self, error: BaseException) -> None:
        """Say what an exception leaves behind, and how the search goes on."""
        self._failures.tell_counts()
        path = getattr(self._store, "path", None)
        if path is None:
            return
        number = self._store.n_evaluated
        ended = "the 1 evaluation that has" if number == 1 else f"all {number} evaluations that have"
        how = getattr(self._store, "how_to_go_on", "start the program again to go on with it")
        text = f"{path} holds {ended} ended; {how}"
        if isinstance(error, KeyboardInterrupt):  # where nobody may print its notes
            say_stopped(text)
        elif self._has_ever_succeeded:
            error.add_note(text)

    def close(self) -> None:
        """Log the evaluations that fill no whole row; a run that had nothing to do has a row of none.

        Raises:
            SettingsError: see :meth:`check_success`.
        """
        if self._n_new or not self.logbook:
            self._log_row()
        self.check_success(at_end=True)
        self._failures.tell_counts()

    @property
    def _has_ever_succeeded(self) -> bool:
        return self.has_success or self._was_successful

    @property
    def _n_new(self) -> int:
        return self._counts["nevals"] + self._counts.get("reused", 0)

    def _remember(self, genes: Any, evaluation: Evaluation) -> None:
        """Keep the first evaluation of each key, if it succeeded."""
        if self._reuse is not None and evaluation.status is Status.OK and evaluation.reused < 0:
            self._known.setdefault(self._reuse(genes), evaluation)

    def _log_row(self) -> None:
        generation = -(-self._store.n_evaluated // self._period) - 1
        members = [member for member in self._evaluated if not _has_failed(member)] if self._stats else []
        compiled = self._stats.compile(members) if members else _blank(self._stats)
        self.logbook.record(gen=generation, **self._counts, **compiled)
        self._counts = dict.fromkeys(self._counts, 0)
        if self._verbose:
            _log.info("%s", self.logbook.stream)

    def _remove(self) -> None:
        """Remove the members that the survival rule names."""
        dead = list(self._survival(self._evaluated)) if self._survival is not None else []
        if dead:
            self._store.kill([member.evaluation.id for member in dead if hasattr(member, "evaluation")])
            self.remove(dead)


def _blank(stats: Any) -> dict[str, dict[str, float]]:
    """What stands for the statistics of nobody: a logbook with chapters prints only if each row has all of them."""
    chapters = stats.items() if isinstance(stats, dict) else ()
    return {name: dict.fromkeys(chapter.fields, math.nan) for name, chapter in chapters}


def _has_failed(member: Any) -> bool:
    return hasattr(member, "evaluation") and member.evaluation.status is not Status.OK


def _improve(halloffame: Any, individual: Any) -> None:
    """Update a hall of fame; of two equal genotypes it keeps the fitter, where DEAP's own keeps the first."""
    for place, member in enumerate(halloffame):
        if halloffame.similar(member, individual) and individual.fitness.dominates(member.fitness):
            halloffame.remove(place)
            break
    halloffame.update([individual])
