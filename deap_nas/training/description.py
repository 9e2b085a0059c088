"""What a fitness is, as a dictionary that JSON can hold: back to the arguments that it is made with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deap_nas.search_space import space_from_dict
from deap_nas.template import NetworkTemplate
from deap_nas.training.recipes import Recipe
from deap_nas.training.stopping import EarlyStopping

__all__ = ["arguments_of"]

#: Fields that are arguments as they are: those of every description, and those of some.
_PLAIN = ("dataset", "repeats", "seed", "objectives")
_OPTIONAL = ("n_images", "image_size", "precision", "compile", "stacked", "memory_bytes")


def arguments_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments of :class:`AccuracyFitness` that its ``to_dict`` described.

    Raises:
        KeyError: a field is missing.
        TypeError: one of its parts has a field that does not belong there.
        SettingsError: a field is out of its range.
        UnknownNameError: there is no such operation, search space or stopping rule.
    """
    return {
        "space": space_from_dict(fields["space"]),
        "template": NetworkTemplate.from_dict(fields["template"]),
        "recipe": Recipe(**{**fields["recipe"], "drops": tuple(fields["recipe"]["drops"])}),
        "stopping": EarlyStopping.from_dict(fields["stopping"]) if "stopping" in fields else None,
        **{name: fields[name] for name in _PLAIN},
        **{name: fields[name] for name in _OPTIONAL if name in fields},
    }
