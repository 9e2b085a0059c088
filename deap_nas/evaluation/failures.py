"""What a program is told of evaluations that fail: the first of each kind at once, the others by their number."""

from __future__ import annotations

import logging
import re
from collections import Counter
from pathlib import PurePath

from deap_nas.evaluation.evaluation import Evaluation, Status

__all__ = ["Failures", "reason_of"]

#: Without a handler of the program's own, Python writes what this logger warns of to standard error.
_log = logging.getLogger("deap_nas.algorithms")

_PLACE = re.compile(r'^ +File "(.+)", line (\d+), in (.+)$', re.MULTILINE)
_NUMBER = re.compile(r"[-+]?\d[\d.]*(e[-+]?\d+)?")


class Failures:
    """Sorts evaluations that failed by their kind: how they ended, and which exception was raised where.

    A genotype that is no network belongs to every search, so nobody is warned of it.
    """

    def __init__(self) -> None:
        """See the class."""
        #: One of each kind, those of an earlier session included.
        self._kinds: dict[tuple[str, ...], Evaluation] = {}
        self._told: dict[tuple[str, ...], Evaluation] = {}
        self._counts: Counter[tuple[str, ...]] = Counter()

    def remember(self, evaluation: Evaluation) -> None:
        """Take note of one that failed in an earlier session, and say nothing."""
        if evaluation.status is not Status.NOT_VIABLE:
            self._kinds.setdefault(_kind_of(evaluation), evaluation)

    def add(self, evaluation: Evaluation) -> None:
        """Take note of one that has just failed, and warn where it is the first of its kind."""
        self.remember(evaluation)
        if evaluation.status is Status.NOT_VIABLE:
            return
        kind = _kind_of(evaluation)
        self._counts[kind] += 1
        if kind not in self._told:
            self._told[kind] = evaluation
            error = evaluation.error.rstrip()
            text = "evaluation %d ended as %s; more that end like it are counted, not shown:%s%s"
            _log.warning(text, evaluation.id, evaluation.status.name, "\n" if "\n" in error else " ", error)

    def tell_counts(self) -> None:
        """Say how many failed in a way of which a warning has shown the first."""
        for kind, number in self._counts.items():
            if number > 1:
                one = self._told[kind]
                text = "%d evaluations ended as %s like evaluation %d: %s"
                _log.warning(text, number, one.status.name, one.id, reason_of(one))

    def common(self) -> Evaluation | None:
        """An evaluation that stands for all that failed, if they are of one kind."""
        return next(iter(self._kinds.values())) if len(self._kinds) == 1 else None


def reason_of(evaluation: Evaluation) -> str:
    """The exception of a failed evaluation and the place that raised it, in one line."""
    places = list(_PLACE.finditer(evaluation.error))
    if not places:
        return evaluation.error.strip().partition("\n")[0]
    path, line, function = places[-1].groups()
    return f"{_raised(evaluation.error, places[-1].end())} ({PurePath(path).name}, line {line}, in {function})"


def _raised(error: str, end: int) -> str:
    """The line of a traceback that names the exception: the first after the last place that is not indented."""
    lines = error[end:].splitlines()
    return next((line for line in lines if line and not line.startswith(" ")), "")


def _kind_of(evaluation: Evaluation) -> tuple[str, ...]:
    """Equal for evaluations that failed in one way, though their numbers differ."""
    places = list(_PLACE.finditer(evaluation.error))
    if not places:
        return evaluation.status.name, _NUMBER.sub("#", evaluation.error.strip().partition("\n")[0])
    path, line, _ = places[-1].groups()
    return evaluation.status.name, path, line, _raised(evaluation.error, places[-1].end()).partition(":")[0]
