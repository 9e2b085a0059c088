"""What a run found, as a page shows it: the best network, the line that led to it, and what retrainings have given."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import Any

from deap_nas.evaluation import Status
from deap_nas.facts.ancestry import lineage
from deap_nas.facts.run_columns import RunColumns
from deap_nas.files import beside
from deap_nas.store import HDF5Store
from deap_nas.surrogates import kendall_tau

__all__ = ["found_in", "lineage_of_best", "retrainings_of"]


def found_in(store: HDF5Store, best: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of the best individual, and the commands that go on with it.

    Args:
        store: the file.
        best: its fields, see :func:`deap_nas.report.member`.
    """
    file = shlex.quote(str(store.path))
    fields = {name: best[name] for name in ("id", "fitness", "scores", "n_parameters", "flops", "seconds")}
    return fields | {
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
            "fitness": list(ancestor.fitness),
            "status": ancestor.status,
            "reused": ancestor.reused,
            "changes": list(ancestor.changes),
        }
        for ancestor in lineage(store)
    ]


def retrainings_of(store: HDF5Store, columns: RunColumns) -> dict[str, Any]:
    """Give what retrainings have given whose results lie beside the file, and how the search had ranked them.

    Returns:
        ``networks``, each with its ``id``, the ``folder`` of the retraining, its ``accuracies`` on the test images and
        the ``fitness`` that the search had measured, the first objective; and ``tau``, Kendall's between these and the
        mean accuracies, NaN where there is nothing to be ranked.
    """
    fitness_of = dict(zip(columns.ids.tolist(), columns.fitness[:, 0].tolist(), strict=True))
    networks = [
        network | {"fitness": fitness_of[network["id"]]}
        for network in _results_beside(store.path)
        if math.isfinite(fitness_of.get(network["id"], math.nan))
    ]
    ends = [fmean(network["accuracies"]) for network in networks]
    tau = kendall_tau([columns.signs[0] * network["fitness"] for network in networks], ends)
    return {"networks": networks, "tau": tau}


def _results_beside(path: Path) -> Iterator[dict[str, Any]]:
    name = re.compile(re.escape(beside(path, "-id").name) + r"(\d{1,18})-.+")
    for folder in sorted(path.parent.iterdir()):
        if found := name.fullmatch(folder.name):
            with suppress(OSError, ValueError, KeyError, TypeError):  # no result, or a stranger's
                fields = json.loads((folder / "result.json").read_text(encoding="utf-8"))
                accuracies = [float(value) for value in fields["accuracies"]]
                if accuracies and all(map(math.isfinite, accuracies)):
                    yield {"id": int(found[1]), "folder": folder.name, "accuracies": accuracies}
