"""What crosses a process border: calls as bytes, and exceptions; what cannot cross it is told in plain words."""

from __future__ import annotations

import pickle
import sys
from typing import Any

from deap_nas.errors import ExecutorError, NASError, UnknownNameError
from deap_nas.evaluation.runner import is_replaceable

__all__ = ["GUARD_LINE", "STDIN", "explain", "likely_lack", "pickled", "program_path", "survives_pickling", "unpickled"]

#: The line that scripts need whose processes are started afresh, and import the script.
GUARD_LINE = 'if __name__ == "__main__":'
#: What stands for the file of a program that is read from standard input.
STDIN = "<stdin>"
_REFUSAL = "a call cannot be sent to a worker"
_NO_FILE = (
    "it is part of a notebook, a prompt, python -c or standard input, which worker processes cannot import: put it "
    "into a file, such as mine.py, and import it from there, or evaluate in this process, with SerialExecutor"
)


def program_path() -> str | None:
    """What Python takes for the file of the program; None where it has none, as a notebook, a prompt and ``-c``."""
    main = sys.modules.get("__main__")
    path: str | None = getattr(main, "__file__", None)
    return path


def likely_lack() -> str:
    """Why worker processes most likely cannot be started by this program, or end at once."""
    if program_path() in (None, STDIN):
        return f"the fitness is not to be found: {_NO_FILE}"
    return f"the script lacks the line '{GUARD_LINE}', below which the search belongs"


def explain(error: BaseException) -> None:
    """Tell, in a worker, what a name that is registered elsewhere lacks here."""
    if isinstance(error, UnknownNameError):
        error.args = (
            f"{error}; a worker process imports the program's file, and knows what is registered by that alone: "
            f"register it in a module that the program imports, not in a notebook, and not below '{GUARD_LINE}'",
        )


def pickled(value: Any) -> bytes:
    """Pickle what is to be sent to a worker.

    Raises:
        ExecutorError: it does not pickle.
    """
    try:
        return pickle.dumps(value)
    except Exception as error:
        raise ExecutorError(f"{_REFUSAL}: {type(error).__name__}: {error}") from error


def unpickled(data: bytes) -> Any:
    """Unpickle, in a worker, what was sent to it.

    Raises:
        ExecutorError: it does not unpickle, such as a function that is not there when its script is imported.
        NASError: unpickling raises it.
        MemoryError: there is too little memory.
    """
    try:
        return pickle.loads(data)
    except (NASError, MemoryError):
        raise
    except AttributeError as error:
        raise ExecutorError(f"{_REFUSAL}: {error}; {_missing_here()}") from error
    except Exception as error:
        raise ExecutorError(f"{_REFUSAL}: {type(error).__name__}: {error}") from error


def _missing_here() -> str:
    """Why something that the program has defined is not there in this worker."""
    if program_path() is None:
        return _NO_FILE
    if is_replaceable():
        return f"does it stand below the line '{GUARD_LINE}'?"
    return "does it stand in the block of 'with mpi_executor()', which rank 0 alone runs? It belongs above"


def survives_pickling(error: BaseException) -> bool:
    """Whether an exception can be sent to another process; one that asks for more arguments than it keeps cannot."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True
