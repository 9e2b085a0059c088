"""Imports of optional dependencies, with one clear line when they are missing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from deap_nas.errors import MissingExtraError

__all__ = ["check_installed", "require"]


def check_installed(module: str, *, extra: str) -> None:
    """Check that an optional dependency is there, without importing it.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        found = find_spec(module)
    except ValueError:  # the module is marked as absent
        found = None
    if found is None:
        raise MissingExtraError(module, extra)


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional dependency.

    Args:
        module: the module's dotted name, such as ``"mpi4py.MPI"``.
        extra: the extra of this package that brings it.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise
        raise MissingExtraError(top, extra) from error
