"""Every exception of the package.

::

    NASError
    ├── GenotypeError         (ValueError)       genes that do not belong to the search space
    ├── NotViableError        (ValueError)       a genotype whose network has no path from input to output
    ├── SettingsError         (ValueError)       an argument that makes no sense
    ├── UnknownNameError      (LookupError)      a name that is not in a registry
    ├── MissingExtraError     (ImportError)      an optional dependency that is not installed
    ├── DatasetError          (ValueError)       images that are missing, too few or unreadable
    ├── ExecutorError         (RuntimeError)     workers that cannot do their work
    │   ├── LostWorkerError   (RuntimeError)     a worker that died, or was ended, with the call it ran
    │   └── NoWorkerError     (RuntimeError)     no worker that is left
    ├── DivergedError         (ArithmeticError)  a training whose loss is no longer a number
    ├── StorageError          (OSError)          a file or folder that cannot be written, or is gone: a full disk
    ├── ExportError           (RuntimeError)     a network that cannot be exported, or a file of one that is wrong
    └── StoreError            (RuntimeError)     a population file that cannot be used
        ├── StoreExistsError  (FileExistsError)  the file to be created is already there
        └── DifferentRunError (ValueError)       the file belongs to a run with other settings
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = [
    "DatasetError",
    "DifferentRunError",
    "DivergedError",
    "ExecutorError",
    "ExportError",
    "GenotypeError",
    "LostWorkerError",
    "MissingExtraError",
    "NASError",
    "NoWorkerError",
    "NotViableError",
    "SettingsError",
    "StorageError",
    "StoreError",
    "StoreExistsError",
    "UnknownNameError",
]


class NASError(Exception):
    """Base of every exception that the package raises on purpose; survives pickling, whatever made its message."""

    def __reduce__(self) -> tuple[Callable[..., NASError], tuple[type[NASError], str, tuple[str, ...]]]:
        """Pickle the message and its notes, not the arguments that made it."""
        return _with_message, (type(self), str(self), tuple(getattr(self, "__notes__", ())))


def _with_message(kind: type[NASError], message: str, notes: tuple[str, ...] = ()) -> NASError:
    error = kind.__new__(kind)
    error.args = (message,)
    for note in notes:
        error.add_note(note)
    return error


class GenotypeError(NASError, ValueError):
    """The genes do not belong to the search space."""


class NotViableError(NASError, ValueError):
    """The genotype's network has no path from its input to its output; a note says what a loop of DEAP does of it."""

    def __init__(self, *arguments: object) -> None:
        """Take the message."""
        super().__init__(*arguments)
        self.add_note(
            "eaAsync records such a genotype as a failed evaluation; in a loop of DEAP, or with toolbox.map, register "
            "the fitness behind a guard: Guard(evaluate, worst_values=(0.0,)), from deap_nas.evaluation"
        )


class SettingsError(NASError, ValueError):
    """An argument is out of its range or contradicts another."""


class UnknownNameError(NASError, LookupError):
    """A name is not registered."""

    #: What kind of name it is, such as ``"operation"``, and the name; empty in a copy from another process.
    what: str = ""
    name: object = None

    def __init__(self, what: str, name: object, known: object, *, remedy: str = "") -> None:
        """Say which ``name`` of which kind (``what``) was asked for, the ``known`` ones, and what to do."""
        names = ", ".join(sorted(map(str, known)))  # type: ignore[call-overload]
        super().__init__(f"unknown {what} {name!r}; known: {names}" + (f"; {remedy}" if remedy else ""))
        self.what, self.name = what, name


class MissingExtraError(NASError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        """Say which ``module`` is missing and which ``extra`` brings it."""
        super().__init__(f"{module} is not installed; install it with: pip install 'deap-nas[{extra}]'")


class DatasetError(NASError, ValueError):
    """The images are missing, too few or unreadable."""


class ExecutorError(NASError, RuntimeError):
    """Workers cannot do their work."""


class LostWorkerError(ExecutorError):
    """A worker died, or was ended, with the call it ran."""


class NoWorkerError(ExecutorError):
    """No worker is left to run a call."""


class DivergedError(NASError, ArithmeticError):
    """The loss of a training, or what its network gives, is no longer a finite number."""


class StorageError(NASError, OSError):
    """A file or a folder that the work needs cannot be written or read: a full disk, a quota, a disk that is gone.

    It says nothing of the genotype whose evaluation met it, so the search loops raise it and record nothing.
    """


class ExportError(NASError, RuntimeError):
    """A network cannot be exported, or a file of one cannot be used."""


class StoreError(NASError, RuntimeError):
    """A population file cannot be used."""


class StoreExistsError(StoreError, FileExistsError):
    """The population file to be created is already there."""


class DifferentRunError(StoreError, ValueError):
    """The population file belongs to a run with other settings."""
