"""What a fitness is, as a dictionary that JSON can hold, and back to the fitness."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from deap_nas.errors import DatasetError, NASError, SettingsError
from deap_nas.search_space import space_from_dict
from deap_nas.template import template_from_dict
from deap_nas.training.data.image_identity import check_images
from deap_nas.training.fitness.early_stopping import EarlyStopping
from deap_nas.training.recipes import Recipe

if TYPE_CHECKING:
    from deap_nas.training.fitness.accuracy import AccuracyFitness

__all__ = ["describe", "made_from"]

Fitness = TypeVar("Fitness", bound="AccuracyFitness")

#: Fields that are arguments as they are: those of every description, and those of some.
_PLAIN = ("dataset", "repeats", "seed", "objectives")
_OPTIONAL = ("n_images", "image_size", "flip", "crop", "precision", "compile", "stacked", "memory_bytes")


def describe(fitness: AccuracyFitness) -> dict[str, Any]:
    """See :meth:`AccuracyFitness.to_dict <deap_nas.training.AccuracyFitness>`."""
    options = {
        "n_images": fitness.source.n_images,
        "image_size": fitness.source.image_size,
        "flip": fitness.source.flip,
        "crop": fitness.source.crop,
        "stopping": None if fitness.stopping is None else fitness.stopping.to_dict(),
        "memory_bytes": fitness.memory_bytes,
    }
    padding = fitness.augmentation.padding
    return {
        "space": fitness.space.to_dict(),
        "dataset": fitness.source.name,
        "template": fitness.template.to_dict(),
        "recipe": fitness.recipe.to_dict(),
        "repeats": fitness.repeats,
        "objectives": list(fitness.objectives),
        "augmentation": {"crop": fitness.augmentation.crop, "flip": fitness.augmentation.flip}
        | ({"padding": padding} if padding else {}),
        "images": fitness.image_identity,
        "seed": fitness.seed,
        **{name: value for name, value in options.items() if value is not None},
        **fitness.switches.to_dict(),
        **fitness.weights.to_dict(),
    }


def made_from(
    kind: type[Fitness],
    fields: Mapping[str, Any],
    *,
    device: str,
    data_dir: str | Path,
    download: bool,
    weights_dir: str | Path | None,
    dataset: str | None,
) -> Fitness:
    """See :meth:`AccuracyFitness.from_dict <deap_nas.training.AccuracyFitness>`."""
    fields = fields if dataset is None else {**fields, "dataset": dataset}
    inherits = fields.get("inherits_weights", False)
    if inherits and weights_dir is None:
        raise SettingsError("the fitness inherits weights: give weights_dir, the folder that they are in")
    try:
        fitness = kind(
            **_arguments(fields),
            device=device,
            data_dir=data_dir,
            download=download,
            weights_dir=weights_dir if inherits else None,
        )
    except NASError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"the fitness is not described as AccuracyFitness.to_dict does it: {error}") from error
    for name in ("template", "augmentation"):
        if fitness.to_dict()[name] != fields.get(name):
            raise DatasetError(f"{fields['dataset']} has other images than those that the fitness was made for")
    check_images(fields, fitness.source)
    return fitness


def _arguments(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "space": space_from_dict(fields["space"]),
        "template": template_from_dict(fields["template"]),
        "recipe": Recipe(**{**fields["recipe"], "drops": tuple(fields["recipe"]["drops"])}),
        "stopping": EarlyStopping.from_dict(fields["stopping"]) if "stopping" in fields else None,
        **{name: fields[name] for name in _PLAIN},
        **{name: fields[name] for name in _OPTIONAL if name in fields},
    }
