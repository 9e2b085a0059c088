"""``--import``: modules that a command imports before it starts, by name or by the path of a file."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from deap_nas.errors import SettingsError

__all__ = ["import_modules"]


def import_modules(names: Iterable[str]) -> None:
    """Import modules that register operations or search spaces.

    Args:
        names: of modules, those of the current folder included, or paths of ``.py`` files, whose folders are then
            searched for what they import.

    Raises:
        SettingsError: a module is not there, or raises an exception while it is imported.
    """
    sys.path.insert(0, "")  # modules of the current folder, as with python -m
    for name in names:
        is_path = name.endswith(".py") or os.sep in name
        try:
            _import_file(Path(name).expanduser()) if is_path else import_module(name)
        except Exception as error:
            raise SettingsError(f"--import {name}: {_in_words(error)}") from error


def _import_file(path: Path) -> None:
    """Import a file as the module that has its name."""
    path = path.resolve()
    if not path.is_file():
        raise SettingsError(f"{path} is not there" if not path.exists() else f"{path} is no file")
    if any(getattr(module, "__file__", None) == str(path) for module in list(sys.modules.values())):
        return
    name = path.stem if path.stem not in sys.modules else f"{path.stem} of {path.parent}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SettingsError(f"{path} is no Python file: its name must end with .py")
    sys.path.insert(0, str(path.parent))
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _in_words(error: Exception) -> str:
    """An error with its kind and its place, but for what says enough by itself: a module that is not there."""
    if isinstance(error, (ImportError, SettingsError)):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__}: {error} ({frames[-1].filename}, line {frames[-1].lineno})"
