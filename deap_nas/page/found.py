"""The best network of a run as a page shows it: its drawing, how it came about, and the commands that go on with it."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from deap_nas.evaluation import Status
from deap_nas.facts.ancestry import lineage
from deap_nas.files import beside
from deap_nas.page.packing import number_of
from deap_nas.store import HDF5Store

__all__ = ["found_in", "lineage_of_best"]


def found_in(store: HDF5Store, best: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of the best individual, what its retrainings have given, and commands.

    Args:
        store: the file.
        best: its fields, see :func:`deap_nas.report.member`.
    """
    file = shlex.quote(str(store.path))
    fields = {name: best[name] for name in ("id", "fitness", "scores", "n_parameters", "flops", "seconds")}
    return fields | {
        "retrained": _retrained(store.path, best["id"]),
        "commands": [
            ["train it to the end, and measure it on the test images", f"deap-nas retrain {file}"],
            ["write it as files that run without this package", f"deap-nas export {file}"],
            ["draw it, and its lineage", f"deap-nas lineage {file}"],
        ],
    }


def lineage_of_best(store: HDF5Store) -> list[dict[str, Any]]:
    """Give the ancestors of the best individual, first ones first, and what each has that its parent has not."""
    if not (store.column("status") == Status.OK).any():
        return []
    return [
        {
            "id": ancestor.id,
            "fitness": list(map(number_of, ancestor.fitness)),
            "status": ancestor.status,
            "reused": ancestor.reused,
            "changes": list(ancestor.changes),
        }
        for ancestor in lineage(store)
    ]


def _retrained(path: Path, number: int) -> list[dict[str, Any]]:
    """What retrainings of an individual have given, as far as their results lie beside the file."""
    stem = beside(path, f"-id{number}-").name
    found = []
    for folder in sorted(path.parent.iterdir()):
        if folder.name.startswith(stem):
            with suppress(OSError, ValueError, KeyError, TypeError):  # no result, or a stranger's
                fields = json.loads((folder / "result.json").read_text(encoding="utf-8"))
                accuracies = [float(value) for value in fields["accuracies"]]
                if accuracies and all(map(math.isfinite, accuracies)):
                    found.append({"folder": folder.name, "accuracies": accuracies})
    return found
