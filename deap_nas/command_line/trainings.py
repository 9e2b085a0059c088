"""The fitness that the options of a command line describe."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from deap_nas.errors import SettingsError
from deap_nas.search_space import SearchSpace
from deap_nas.template import Template
from deap_nas.training import (
    SEARCH,
    AccuracyFitness,
    CurveBound,
    CurveExtrapolation,
    EarlyStopping,
    Recipe,
    StoppingRule,
    SuccessiveHalving,
)

__all__ = ["make_fitness"]

#: The rules of ``--stopping``.
_RULES: Mapping[str, type[StoppingRule]] = {
    "halving": SuccessiveHalving,
    "bound": CurveBound,
    "extrapolation": CurveExtrapolation,
}
#: Fields of these rules by their options: an option is for all rules that have its field.
_FIELDS = {
    "keep": "fraction",
    "quantile": "quantile",
    "margin": "margin",
    "whole": "n_whole",
    "chance": "chance",
    "points": "n_points",
}


def make_fitness(
    space: SearchSpace, args: argparse.Namespace, *, recipe: Recipe = SEARCH, **others: Any
) -> AccuracyFitness:
    """Make the fitness that options of a :class:`CommandLine` describe.

    Args:
        space: search space of the genotypes.
        args: what was parsed.
        recipe: of which the options say steps, or epochs, and size of batches.
        others: arguments of :class:`~deap_nas.training.AccuracyFitness` that are no options.

    Raises:
        SettingsError: an option of early stopping does not go with the others, or a setting is out of its range.
        DatasetError: the images are missing, or too few.
        UnknownNameError: there is no such dataset or objective.
        MissingExtraError: torch, or what reads the dataset, is not installed.
    """
    with _telling_the_option(args):
        fitness = _whole_fitness(space, args, recipe, others)
    if hasattr(args, "epochs"):
        fitness = fitness.cheaper(steps=_steps_of(args.epochs, fitness))
    less = {
        name: getattr(args, f"cheaper_{name.removeprefix('n_')}", None)
        for name in ("steps", "n_images", "image_size", "channels", "repeats")
    }
    with _telling_the_option(args, "cheaper_"):
        return fitness.cheaper(**less) if any(less.values()) else fitness


def _whole_fitness(
    space: SearchSpace, args: argparse.Namespace, recipe: Recipe, others: Mapping[str, Any]
) -> AccuracyFitness:
    names = (
        "dataset", "repeats", "device", "seed", "data_dir", "download", "flip", "crop", "validation_share", "precision",
        "compile",
    )  # fmt: skip
    return AccuracyFitness(
        space,
        template=_template(space, args),
        recipe=replace(recipe, steps=getattr(args, "steps", recipe.steps), batch_size=args.batch_size),
        n_images=args.images,
        stopping=_stopping(args),
        **{name: getattr(args, name) for name in names},
        **others,
    )


def _steps_of(epochs: float, fitness: AccuracyFitness) -> int:
    """Steps in which a training goes so often through the images that do not validate."""
    n_images = fitness.images.n_images
    n_training = n_images - round(fitness.source.validation_share * n_images)
    return max(1, math.ceil(epochs * n_training / fitness.recipe.batch_size))


def _template(space: SearchSpace, args: argparse.Namespace) -> Template:
    """The space's own template, as wide as was asked for where the width is its own, and as long."""
    template = space.default_template()
    if hasattr(args, "cells"):
        template = template.with_cells(args.cells)
    return template.with_channels(args.channels) if template.has_width else template


@contextmanager
def _telling_the_option(args: argparse.Namespace, start: str = "") -> Iterator[None]:
    """Call an argument of the fitness what its option is called, where a message begins with it."""
    try:
        yield
    except SettingsError as error:
        name, _, rest = str(error).partition(" ")
        option = start + name.removeprefix("n_")
        if not hasattr(args, option):
            raise
        raise SettingsError(f"--{option.replace('_', '-')} {rest}") from error


def _stopping(args: argparse.Namespace) -> EarlyStopping | None:
    """How trainings end early; None where they do not, or the script has no options of it."""
    wanted = getattr(args, "stopping", "none")
    given = {name: getattr(args, name) for name in ("rungs", *_FIELDS) if getattr(args, name, None) is not None}
    for name in given:
        rules = [rule for rule in _RULES if name == "rungs" or hasattr(_RULES[rule], _FIELDS[name])]
        if wanted not in rules:
            raise SettingsError(
                f"--{name} is for --stopping {' or '.join(rules)}, found --stopping {wanted}: "
                f"change --stopping, or leave --{name} out"
            )
    if wanted == "none":
        return None
    rungs = tuple(given.pop("rungs", ()))
    return EarlyStopping(rungs, _RULES[wanted](**{_FIELDS[name]: value for name, value in given.items()}))
