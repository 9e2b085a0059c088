"""What the values of a fitness can be, and of how many trainings they are the mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

from deap_nas.errors import SettingsError, UnknownNameError
from deap_nas.template import Cost

__all__ = ["WORST", "check_objectives", "check_repeats", "values_of"]

#: Name of each objective, and its worst value: sizes and times that no network reaches, finite as a fitness must be.
WORST = {"accuracy": 0.0, "n_parameters": 1e15, "flops": 1e18, "latency": 1e6}


def check_objectives(objectives: Sequence[str], *, stops: bool = False) -> tuple[str, ...]:
    """Check the names of objectives.

    Args:
        objectives: the names.
        stops: whether trainings end early, by their accuracy.

    Raises:
        SettingsError: there are none, or trainings end by an accuracy that is not among them.
        UnknownNameError: there is no such objective.
    """
    if not objectives or isinstance(objectives, str):
        raise SettingsError(f"objectives must be a sequence of at least one name, found {objectives!r}")
    for name in objectives:
        if name not in WORST:
            raise UnknownNameError("objective", name, WORST)
    if stops and "accuracy" not in objectives:
        raise SettingsError(f"stopping is by the accuracy, which is not among the objectives {tuple(objectives)}")
    return tuple(objectives)


def values_of(
    objectives: Sequence[str], accuracy: float, size: Cost, *, latency: float = math.nan
) -> tuple[float, ...]:
    """Give the values of a network, in the order of the objectives.

    Args:
        objectives: their names.
        accuracy: in [0, 1].
        size: of the network.
        latency: seconds for one image, where it is among the objectives.
    """
    found = {"accuracy": accuracy, "n_parameters": size.n_parameters, "flops": size.flops, "latency": latency}
    return tuple(float(found[name]) for name in objectives)


def check_repeats(repeats: int) -> int:
    """Check the number of trainings.

    Raises:
        SettingsError: it is no positive integer.
    """
    if not isinstance(repeats, int) or repeats < 1:
        raise SettingsError(f"repeats must be an integer of at least 1, found {repeats!r}")
    return repeats
