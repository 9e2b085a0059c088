"""The controller's side of an evaluation that did not end well: what a call that raised means, the worst fitness."""

from __future__ import annotations

import time
from concurrent.futures import BrokenExecutor, CancelledError
from dataclasses import replace

from deap_nas.errors import (
    DatasetError,
    ExecutorError,
    LostWorkerError,
    MissingExtraError,
    NASError,
    NoWorkerError,
    StorageError,
)
from deap_nas.evaluation.evaluation import Evaluation, Job, Status
from deap_nas.executors.channel import Ended
from deap_nas.executors.pickling import likely_lack
from deap_nas.executors.processes import death_in_words, is_out_of_memory_exit, limit_in_words

__all__ = ["outcome"]

#: What no genotype is to blame for, whenever it comes: whoever is started later may find no images where others did.
_OF_THE_MACHINES = (DatasetError, MissingExtraError, NoWorkerError, StorageError)


def outcome(end: Ended, job: Job, *, is_first: bool, is_last_try: bool) -> Evaluation:
    """Give the evaluation of a call that has ended, or one that says how it failed outside the fitness.

    Args:
        end: of a call of a :class:`~deap_nas.evaluation.Runner`.
        job: that was run.
        is_first: whether no evaluation has succeeded yet; what would fail every evaluation is then raised.
        is_last_try: whether the evaluation is not tried again.

    Raises:
        StorageError: a disk is full, or fails otherwise; this and the next two are raised at any time.
        DatasetError: images are missing or cannot be read.
        MissingExtraError: an optional dependency is not installed.
        NASError: the settings are wrong in another way.
        ExecutorError: an evaluation cannot be sent to a worker, no worker can be started, or none is left.
    """
    try:
        evaluation: Evaluation = end.result()
        return evaluation
    except (KeyboardInterrupt, CancelledError, *_OF_THE_MACHINES):
        raise
    except TimeoutError as error:
        status, text = Status.TIMED_OUT, limit_in_words(error)
    except LostWorkerError as error:
        status, text = Status.LOST, str(error)
    except NASError as error:
        if is_first:
            raise
        status, text = Status.FAILED, f"{type(error).__name__}: {error}"
    except MemoryError as error:
        status, text = Status.OUT_OF_MEMORY, str(error)
    except Exception as error:
        if is_out_of_memory_exit(error):
            status, text = Status.OUT_OF_MEMORY, "ended at its memory limit"
        else:
            status, text = Status.LOST, death_in_words(error)
        if is_first:
            _raise_general(error, is_last_try=is_last_try)
    ended = Evaluation(status=status, error=text, id=job.id, parent=job.parent, worker=getattr(end, "worker", -1))
    finished = max(job.submitted, time.time())  # the clock may have been put back
    return replace(ended, submitted=job.submitted, started=job.submitted, finished=finished)


def _raise_general(error: Exception, *, is_last_try: bool) -> None:
    """Raise what would fail every evaluation; a fitness's own exceptions do not come this way."""
    if isinstance(error, (AttributeError, TypeError, ImportError)) or type(error).__name__ == "PicklingError":
        raise ExecutorError(f"an evaluation cannot be sent to a worker: {error}") from error
    if isinstance(error, BrokenExecutor) and is_last_try:
        raise ExecutorError(
            f"no worker could be started ({error}); its output tells why, mostly that {likely_lack()}"
        ) from error
