"""Where the weights come from that a training starts with: the protocol, and weights drawn anew."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from deap_nas.evaluation import Job
from deap_nas.store import Store

if TYPE_CHECKING:
    from deap_nas.training.fitness.candidate import Candidate

__all__ = ["FreshWeights", "WeightSource", "WeightsOfOne"]


class WeightsOfOne(Protocol):
    """The weights of one evaluation, from its start to its end."""

    def given(self, candidates: Iterable[Candidate]) -> Iterable[Candidate]:
        """Give the candidates, one a repeat, each with the weights that it starts from."""
        ...

    def save(self) -> None:
        """Keep what the trainings of the candidates have made of them; called where all went well."""
        ...


class WeightSource(ABC):
    """Where the weights of a search come from; it pickles, and each worker has a copy."""

    #: Whether what an evaluation gives follows from its genotype, its seed and its parent's evaluation. Where it does
    #: not, nothing can be evaluated again, no fitness be reused, and a resumed run be no twin of an uninterrupted one.
    is_deterministic: ClassVar[bool]
    #: Whether equal networks have one fitness, which one may take from another. Where trainings go on from weights of
    #: others, they do not.
    is_reusable: ClassVar[bool] = True

    @abstractmethod
    def begin(self, job: Job, *, fitness: Mapping[str, Any], genes: list[Any]) -> WeightsOfOne:
        """Begin with an evaluation.

        Args:
            job: the evaluation.
            fitness: what describes the fitness, as JSON can hold it.
            genes: the genotype's row, as JSON can hold it.

        Raises:
            SettingsError: the weights that are there belong to another run.
            StorageError: weights cannot be read.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """What a fitness's description says of it, as JSON can hold it; nothing for weights that are drawn anew."""

    def check_store(self, store: Store) -> None:  # noqa: B027 - most have nothing to check
        """Check, before a search begins, that its run can use these weights.

        Raises:
            SettingsError: it cannot.
            StorageError: the weights cannot be written where they are to be kept.
        """

    def renew(self, store: Store) -> None:  # noqa: B027 - most keep nothing
        """Let go of what a run has left whose population file a new one has replaced; called for a new run.

        Raises:
            SettingsError: it belongs to a run that is still there.
        """

    def forget(self, ids: Sequence[int]) -> None:  # noqa: B027 - most keep nothing
        """Let go of what evaluations have left, which nobody will start from any more; called where it is defined.

        The process that searches calls it, also for evaluations that have left nothing, or were forgotten before.

        Args:
            ids: of the evaluations.

        Raises:
            StorageError: it cannot be removed from where it is kept.
        """


class FreshWeights(WeightSource):
    """Each training starts from weights that its seed decides, as in Liu 2018."""

    is_deterministic = True

    def begin(self, job: Job, *, fitness: Mapping[str, Any], genes: list[Any]) -> _Fresh:  # noqa: ARG002 - it needs none
        """See :meth:`WeightSource.begin`."""
        return _Fresh()

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`WeightSource.to_dict`."""
        return {}


class _Fresh:
    def given(self, candidates: Iterable[Candidate]) -> Iterable[Candidate]:
        return candidates

    def save(self) -> None:
        pass
