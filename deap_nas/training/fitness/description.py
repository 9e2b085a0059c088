"""What a fitness is, as a dictionary that JSON can hold, and back to the arguments that make it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deap_nas.errors import DatasetError, NASError, SettingsError
from deap_nas.search_space import space_from_dict
from deap_nas.template import template_from_dict
from deap_nas.training.data.image_identity import check_images
from deap_nas.training.data.sources import VALIDATION_SHARE, Augmentation, Source
from deap_nas.training.fitness.early_stopping import EarlyStopping
from deap_nas.training.recipes import Recipe
from deap_nas.training.weights.inheritance import ParentWeights
from deap_nas.training.weights.morphed_weights import MorphedWeights
from deap_nas.training.weights.shared_weights import SharedWeights
from deap_nas.training.weights.weight_sources import WeightSource

__all__ = ["arguments_of", "check_known_fields", "check_same_images", "describe_images", "not_described"]

#: Sources of weights that are kept in a folder, by the field with which they describe themselves.
WEIGHTS_IN_FOLDERS: dict[str, type[ParentWeights | SharedWeights]] = {
    "morphs_weights": MorphedWeights,
    "inherits_weights": ParentWeights,
    "shares_weights": SharedWeights,
}
#: Fields that are arguments as they are: those of every description, and those of some.
_PLAIN = ("dataset", "repeats", "seed", "objectives")
_OPTIONAL = (
    "n_images", "image_size", "flip", "crop", "validation_share", "precision", "compile", "stacked", "memory_bytes",
)  # fmt: skip


def describe_images(source: Source, augmentation: Augmentation, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Say which images a fitness uses, and how."""
    options = {
        "n_images": source.n_images,
        "image_size": source.image_size,
        "flip": source.flip,
        "crop": source.crop,
        "validation_share": None if source.validation_share == VALIDATION_SHARE else source.validation_share,
    }
    padding = {"padding": augmentation.padding} if augmentation.padding else {}
    return {
        "dataset": source.name,
        "augmentation": {"crop": augmentation.crop, "flip": augmentation.flip} | padding,
        "images": identity,
        **{name: value for name, value in options.items() if value is not None},
    }


def arguments_of(fields: Mapping[str, Any], weights_dir: str | Path | None) -> dict[str, Any]:
    """The arguments of :class:`~deap_nas.training.AccuracyFitness` that a description of one holds.

    Args:
        fields: the description.
        weights_dir: folder of the weights, where the fitness inherits or shares them.

    Raises:
        SettingsError: a field is missing, or makes no sense.
        UnknownNameError: there is no such operation, search space, template or stopping rule.
    """
    weights = _weights(fields, weights_dir)
    try:
        return {
            "space": space_from_dict(fields["space"]),
            "template": template_from_dict(fields["template"]),
            "recipe": Recipe(**{**fields["recipe"], "drops": tuple(fields["recipe"]["drops"])}),
            "stopping": EarlyStopping.from_dict(fields["stopping"]) if "stopping" in fields else None,
            "weights": weights,
            **{name: fields[name] for name in _PLAIN},
            **{name: fields[name] for name in _OPTIONAL if name in fields},
        }
    except NASError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise not_described(error) from error


def _weights(fields: Mapping[str, Any], weights_dir: str | Path | None) -> WeightSource | None:
    """Where weights come from; None where they are drawn anew."""
    for name, source in WEIGHTS_IN_FOLDERS.items():
        if fields.get(name, False):
            if weights_dir is None:
                raise SettingsError("the fitness keeps weights in a folder: give weights_dir, which folder it is")
            return source(weights_dir)
    return None


def not_described(error: Exception) -> SettingsError:
    """What to raise for a description that no fitness gave."""
    return SettingsError(f"the fitness is not described as AccuracyFitness.to_dict does it: {error}")


def check_known_fields(fields: Mapping[str, Any], made: Mapping[str, Any]) -> None:
    """Check that a fitness that was made from a description is all that was described.

    Args:
        fields: the description.
        made: the description of the fitness that was made from it.

    Raises:
        SettingsError: the description says more, such as of a source of weights that only its own script can make.
    """
    if unknown := sorted(fields.keys() - made.keys()):
        raise SettingsError(
            f"the fitness is described by more than AccuracyFitness knows ({', '.join(map(repr, unknown))}), such as a "
            f"source of weights of one's own: only the script that made it can make it again"
        )


def check_same_images(fields: Mapping[str, Any], made: Mapping[str, Any], source: Source) -> None:
    """Check that the images are those that a fitness was described with.

    Args:
        fields: the description.
        made: the description of the fitness that was made from it.
        source: where its images are.

    Raises:
        DatasetError: they are others.
    """
    if any(made[name] != fields.get(name) for name in ("template", "augmentation")):
        raise DatasetError(f"{source.name} has other images than those that the fitness was made for")
    check_images(fields, source)
