"""What crosses a process border: calls as bytes, and exceptions; what cannot cross it is told in plain words."""

from __future__ import annotations

import pickle
from typing import Any

from deap_nas.errors import ExecutorError, NASError

__all__ = ["GUARD_LINE", "pickled", "survives_pickling", "unpickled"]

#: The line that scripts need whose processes are started afresh, and import the script.
GUARD_LINE = 'if __name__ == "__main__":'
_REFUSAL = "a call cannot be sent to a worker"


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
        raise ExecutorError(f"{_REFUSAL}: {error}; does it stand below the line '{GUARD_LINE}'?") from error
    except Exception as error:
        raise ExecutorError(f"{_REFUSAL}: {type(error).__name__}: {error}") from error


def survives_pickling(error: BaseException) -> bool:
    """Whether an exception can be sent to another process; one that asks for more arguments than it keeps cannot."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True
