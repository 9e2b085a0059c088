"""What a retraining tells: its progress, how each run ended, and the result of all runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

from deap_nas.evaluation import Status

__all__ = ["RetrainingProgress", "RetrainingResult", "RunResult"]


@dataclass(frozen=True)
class RetrainingProgress:
    """Where a retraining stands; what an observer is called with, some hundred times a run."""

    #: The run that goes on, from 0, and how many there are.
    run: int
    runs: int
    #: The step that has just ended, from 1, and how many a run has.
    step: int
    steps: int
    learning_rate: float
    #: Mean training loss since the last call.
    loss: float
    #: Training images a second since the last call, on all processes together.
    images_per_second: float


@dataclass(frozen=True)
class RunResult:
    """How one run ended."""

    #: ``OK``, or ``DIVERGED`` if the loss, or what the network gives, became infinite or NaN.
    status: Status
    #: Share of the test images, in [0, 1], whose class the network names first; 0 if the run diverged.
    accuracy: float
    #: Share of the test images, in [0, 1], whose class is among the first five; 0 if the run diverged.
    top5: float
    #: Seconds of training.
    seconds: float
    #: What went wrong, if anything did.
    error: str = ""
    #: Where and by what means it was trained: one for the beginning, and one for each change when it went on.
    environments: tuple[Mapping[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON can hold them."""
        return asdict(self) | {"status": self.status.name}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> RunResult:
        """Read what :meth:`to_dict` wrote."""
        return cls(
            **fields | {"status": Status[fields["status"]], "environments": tuple(fields.get("environments", ()))}
        )


@dataclass(frozen=True)
class RetrainingResult:
    """The result of a retraining.

    A run that diverged has no accuracy: it is in ``runs``, and is left out of ``accuracies``, ``top5``, ``mean`` and
    ``deviation``. Say so where you report them: :attr:`n_diverged` counts these runs.
    """

    runs: tuple[RunResult, ...]
    #: Trainable parameters of the network.
    n_parameters: int

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Test accuracy, in [0, 1], of each run that did not diverge."""
        return tuple(run.accuracy for run in self.runs if run.status is Status.OK)

    @property
    def top5(self) -> tuple[float, ...]:
        """Share of the test images, in [0, 1], whose class is among the first five, of the same runs."""
        return tuple(run.top5 for run in self.runs if run.status is Status.OK)

    @property
    def mean(self) -> float | None:
        """Mean of the accuracies; None when every run diverged."""
        return fmean(self.accuracies) if self.accuracies else None

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation of the accuracies (n - 1 in the denominator); None for less than two."""
        return stdev(self.accuracies) if len(self.accuracies) > 1 else None

    @property
    def n_diverged(self) -> int:
        """Runs that diverged."""
        return sum(run.status is Status.DIVERGED for run in self.runs)

    @property
    def seconds(self) -> float:
        """Seconds of training of all runs."""
        return sum(run.seconds for run in self.runs)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        names = ("accuracies", "top5", "mean", "deviation", "n_diverged", "n_parameters", "seconds")
        return {name: getattr(self, name) for name in names} | {"runs": [run.to_dict() for run in self.runs]}
