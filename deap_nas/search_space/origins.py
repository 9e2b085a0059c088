"""Where operations, search spaces and templates that are not of this package came from: what a file says of them.

A file holds names only, never code, and nothing imports what it says: it may come from a stranger. So a file also says
which module registered a name when it was made, for the person who reads the error that the name is unknown.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from deap_nas.errors import UnknownNameError
from deap_nas.graph.operations import outside_operations
from deap_nas.search_space.space import outside_spaces
from deap_nas.template.template import outside_templates

__all__ = ["explain", "origins", "origins_in_words"]

#: Letters of a name that a file gives, in an error.
_LONGEST = 300


def origins(among: Container[str] | None = None) -> dict[str, dict[str, dict[str, str]]]:
    """Module and file of each registered operation, space and template from outside, by kind of name and name.

    Args:
        among: names to look at; by default all.
    """
    registered = {
        "operation": outside_operations(),
        "search space": outside_spaces(),
        "template": outside_templates(),
    }
    return {
        what: {name: _place(module) for name, module in modules.items() if among is None or name in among}
        for what, modules in registered.items()
    }


def _place(module: str) -> dict[str, str]:
    file = getattr(sys.modules.get(module), "__file__", None)
    return {"module": module, "file": os.path.abspath(file) if file else ""}


def explain(error: UnknownNameError, records: Iterable[Any]) -> UnknownNameError:
    """Say in an error where the name came from when a file was made, if the file tells.

    Args:
        error: changed in place.
        records: what the file says of each time when it was written, the newest last, with what :func:`origins` gave as
            ``"origins"``; of a file from a stranger they may be anything.

    Returns:
        The error.
    """
    found = [place for what, name, *place in _entries(records) if (what, name) == (error.what, error.name)]
    remedy = _remedy(*found[-1]) if found else ""
    if remedy not in str(error):
        error.args = (f"{error}; {remedy}",)
    return error


def _remedy(module: str, file: str) -> str:
    if module == "__main__" and not file:
        return "it was defined in a notebook or an interactive session: save that as a module, and import it"
    names = [name for name in (module, file) if name and name != "__main__"]
    options = " or ".join(f"--import {shlex.quote(_harmless(name))}" for name in names)
    return f"when the file was made, it came from {_source(module, file)}: use {options}"


def _source(module: str, file: str) -> str:
    if module == "__main__":
        return f"the program {_harmless(file)}"
    return f"the module {_harmless(module)}" + (f" ({_harmless(file)})" if file else "")


def origins_in_words(space: Any, records: Iterable[Any]) -> list[str]:
    """Say of each name in the fields of a space where it came from, by the newest record that tells.

    Args:
        space: what its ``to_dict`` gave.
        records: see :func:`explain`.
    """
    names = set(_texts(space))
    entries = {(what, name): (module, file) for what, name, module, file in _entries(records) if name in names}
    return [f"{what} {_harmless(name)} of {_source(*entries[what, name])}" for what, name in sorted(entries)]


def _entries(records: Iterable[Any]) -> Iterator[tuple[str, str, str, str]]:
    """Kind of name, name, module and file, out of records in which anything may be."""
    for record in records:
        for what, names in _items(_items(record).get("origins")).items():
            for name, place in _items(names).items():
                module, file = (_items(place).get(key) for key in ("module", "file"))
                if isinstance(module, str) and isinstance(file, str) and module:
                    yield what, name, module, file


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value of JSON, however deep."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, list | dict):
            waiting += found.values() if isinstance(found, dict) else found


def _items(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _harmless(text: str) -> str:
    """A text of a file, without anything that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST])
