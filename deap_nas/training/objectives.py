"""What the values of a fitness can be."""

from __future__ import annotations

from collections.abc import Sequence

from deap_nas.errors import SettingsError, UnknownNameError

__all__ = ["WORST", "check_objectives"]

#: Name of each objective, and its worst value: sizes that no network reaches, finite as a fitness must be.
WORST = {"accuracy": 0.0, "n_parameters": 1e15, "flops": 1e18}


def check_objectives(objectives: Sequence[str]) -> tuple[str, ...]:
    """Check the names of objectives.

    Raises:
        SettingsError: there are none.
        UnknownNameError: there is no such objective.
    """
    if not objectives or isinstance(objectives, str):
        raise SettingsError(f"objectives must be a sequence of at least one name, found {objectives!r}")
    for name in objectives:
        if name not in WORST:
            raise UnknownNameError("objective", name, WORST)
    return tuple(objectives)
