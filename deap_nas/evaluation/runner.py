"""The worker's side of an evaluation: run a fitness on a job and turn whatever happens into an Evaluation."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from deap_nas.errors import (
    DatasetError,
    DivergedError,
    MissingExtraError,
    NotViableError,
    SettingsError,
    StorageError,
    UnknownNameError,
)
from deap_nas.evaluation.adapter import AdaptedFitness
from deap_nas.evaluation.evaluation import Evaluation, Job, Status

__all__ = [
    "SPOILT_EXIT",
    "ZERO_EXIT",
    "Runner",
    "WorkerFilter",
    "is_replaceable",
    "set_replaceable",
    "set_worker",
    "worker_number",
]

#: Errors that every evaluation of the run would meet; the search loop decides what becomes of them.
_WRONG_SETTINGS = (DatasetError, MissingExtraError, SettingsError, UnknownNameError)
#: What the system says of a disk that fails whoever writes there.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)

#: What torch says where host or device memory runs out, and it has no exception of its own for it.
_OUT_OF_MEMORY_WORDS = ("can't allocate memory", "CUDA error: out of memory", "STATUS_ALLOC_FAILED")
#: Exit status of a process that ends itself since an evaluation has spoilt it.
SPOILT_EXIT = 67
#: What stands for exit status 0; no process can end with it.
ZERO_EXIT = 256

_log = logging.getLogger(__name__)
_worker = -1
_is_replaceable = False


def set_worker(number: int) -> None:
    """Tell this process which worker it is; evaluations carry the number."""
    global _worker  # noqa: PLW0603 - one process is one worker
    _worker = number


def worker_number() -> int:
    """Number of the worker that this process is; -1 for none."""
    return _worker


def set_replaceable() -> None:
    """Tell this process that another takes its place when it ends."""
    global _is_replaceable  # noqa: PLW0603 - as above
    _is_replaceable = True


class WorkerFilter(logging.Filter):
    """Tells each log record, none of which it holds back, where it was made: ``worker`` and ``host``.

    ``worker`` is the number of the worker, as in the population file: its MPI rank, or its number among processes; -1
    in a process that is none, such as rank 0. Add it to a handler, since a filter of a logger sees only the records
    that were made with that very logger::

        logging.basicConfig(format="%(host)s worker %(worker)d %(levelname)s %(message)s", level=logging.INFO)
        logging.getLogger().handlers[0].addFilter(WorkerFilter())
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes."""
        vars(record).update(worker=_worker, host=socket.gethostname())
        return True


def is_replaceable() -> bool:
    """Whether this is a worker process that was started for this, and neither a rank nor the program itself."""
    return _is_replaceable


@dataclass(frozen=True)
class Runner:
    """Picklable function from a job to its evaluation.

    It raises only what is no fault of the genotype: that the settings of the run are wrong, such as a
    :class:`~deap_nas.errors.DatasetError`, or that a disk is full, a :class:`~deap_nas.errors.StorageError`.

    Args:
        evaluate: a DEAP evaluate (``individual -> tuple of floats``), a
            :class:`~deap_nas.evaluation.DetailedFitness` or a :class:`~deap_nas.evaluation.JobFitness`.
    """

    evaluate: Callable[..., Any]

    @property
    def isolated(self) -> bool:
        """Whether the fitness asks for a child process."""
        return AdaptedFitness(self.evaluate).isolated

    def __call__(self, job: Job) -> Evaluation:
        """Run one job."""
        # no earlier than it was handed out, whatever the clocks of two machines say, and not ended before it began,
        # whatever happens to the clock meanwhile
        started, begun = max(time.time(), job.submitted), time.monotonic()
        evaluation = _evaluate(self.evaluate, job)
        worker = _worker if _worker >= 0 else os.getpid()
        return replace(
            evaluation,
            id=job.id,
            parent=job.parent,
            worker=worker,
            host=socket.gethostname(),
            submitted=job.submitted,
            started=started,
            finished=started + (time.monotonic() - begun),
            threads=_n_threads(),
        )


def _n_threads() -> int:
    """CPU threads with which torch computes in this process; 0 where nothing has imported it, or not to the end."""
    count = getattr(sys.modules.get("torch"), "get_num_threads", None)
    return count() if count else 0


def _evaluate(evaluate: Callable[..., Any], job: Job) -> Evaluation:
    try:
        return AdaptedFitness(evaluate).evaluate(job).checked()
    except NotViableError as error:
        return Evaluation(status=Status.NOT_VIABLE, error=str(error))
    except DivergedError as error:
        return Evaluation(status=Status.DIVERGED, error=str(error))
    except (*_WRONG_SETTINGS, StorageError):
        raise
    except (Exception, SystemExit) as error:
        for cause in _causes(error):
            if isinstance(cause, OSError) and cause.errno in _DISK_ERRORS:
                raise StorageError(
                    f"an evaluation met a disk that fails: {cause}; resume the run when that is mended"
                ) from error
        if _is_replaceable and _spoils_the_process(error):
            _log.exception("a CUDA error has left this process without a GPU: it ends, another takes its place")
            os._exit(SPOILT_EXIT)
        status = Status.OUT_OF_MEMORY if _is_out_of_memory(error) else Status.FAILED
        return Evaluation(status=status, error=traceback.format_exc())


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, and those that it came of."""
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _is_out_of_memory(error: BaseException) -> bool:
    """Host or device memory; torch's errors are told by name and text, since torch may not be installed."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY_WORDS)


def _spoils_the_process(error: BaseException) -> bool:
    """Whether every later call of CUDA in this process would fail as this one did."""
    return isinstance(error, RuntimeError) and "CUDA error" in str(error) and not _is_out_of_memory(error)
