"""Options of more than one subcommand: which individual, and which network around its cell."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deap_nas.errors import SettingsError, StoreError
from deap_nas.files import beside, user_path
from deap_nas.report import best_id, member
from deap_nas.search_space import SearchSpace
from deap_nas.store import HDF5Store
from deap_nas.template import NetworkTemplate, Template

__all__ = [
    "add_id",
    "add_weights_dir",
    "check_inherits",
    "chosen_member",
    "chosen_template",
    "described_fitness",
    "network_folder",
    "network_options",
    "searched_weights",
]

_TEMPLATES = {
    "small-cifar": NetworkTemplate.small_cifar,
    "large-cifar": NetworkTemplate.large_cifar,
    "imagenet": NetworkTemplate.imagenet,
}
_DEFAULT_TEMPLATE = "large-cifar"


def add_id(parser: argparse.ArgumentParser) -> None:
    """Add ``--id``, None by default, see :func:`chosen_member`."""
    parser.add_argument("--id", type=int, metavar="N", help="which individual (default: the best)")


def network_options() -> argparse.ArgumentParser:
    """Make a parent parser with ``--id``, ``--template``, ``--channels`` and ``--cells``; each is None by default."""
    options = argparse.ArgumentParser(add_help=False)
    add_id(options)
    options.add_argument(
        "--template", choices=_TEMPLATES, help=f"network around the cell (default: {_DEFAULT_TEMPLATE})"
    )
    options.add_argument("--channels", type=int, metavar="C", help="channels of its first cell (default: the paper's)")
    options.add_argument("--cells", type=int, metavar="N", help="cells in each of its groups (default: the paper's)")
    return options


def chosen_member(store: HDF5Store, options: argparse.Namespace) -> dict[str, Any]:
    """Fields of the individual that ``--id`` names, by default of the best; see :func:`deap_nas.report.member`.

    Raises:
        StoreError: no evaluated individual has that id, or none has a fitness.
    """
    number = best_id(store) if options.id is None else options.id
    if number is None:
        raise StoreError(f"{options.file} has no individual with a fitness; choose one with --id")
    return member(store, number)


def chosen_template(options: argparse.Namespace, space: SearchSpace) -> Template:
    """Template that the options describe, with the paper's images and classes.

    Args:
        options: those of :func:`network_options`.
        space: whose genotypes it is for; one whose genotypes are no cells of Liu 2018 has its own template.

    Raises:
        SettingsError: a count is less than 1, or the space has its own template, which has no such count.
    """
    own = space.evaluation_template()
    if not isinstance(own, NetworkTemplate):
        if options.template is not None:
            raise SettingsError(f"--template is for the cells of Liu 2018; genotypes of {space!r} are other networks")
        wider = own if options.channels is None else own.with_channels(options.channels)
        return wider if options.cells is None else wider.with_cells(options.cells)
    counts = {"channels": options.channels, "n_cells": options.cells}
    make = _TEMPLATES[options.template or _DEFAULT_TEMPLATE]
    return make(**{name: count for name, count in counts.items() if count is not None})


def network_folder(options: argparse.Namespace, number: int, template: Template) -> Path:
    """Folder of all that is made of an individual's network: beside the population file, named after it.

    Args:
        options: those of :func:`network_options`.
        number: id of the individual.
        template: see :func:`chosen_template`; one that is the space's own has no name.
    """
    own = _DEFAULT_TEMPLATE if isinstance(template, NetworkTemplate) else "network"
    return beside(options.file, f"-id{number}-{options.template or own}")


def add_weights_dir(parser: argparse.ArgumentParser) -> None:
    """Add ``--weights-dir``, None by default."""
    parser.add_argument(
        "--weights-dir",
        type=user_path,
        metavar="FOLDER",
        help="of inherited weights (default: FILE-weights, without the .h5 of FILE)",
    )


def searched_weights(store: HDF5Store, number: int, weights_dir: Path | None) -> Path:
    """File in which the evaluation of an individual has left its weights, if it has: by its id in its own run.

    Args:
        store: file of the run, or one that was merged.
        number: id of the individual.
        weights_dir: folder of the run's weights; by default beside the file.
    """
    from deap_nas.training.weights.inheritance import weights_file

    first_id = max((run["first_id"] for run in store.sources if run["first_id"] <= number), default=0)
    return weights_file(weights_dir or beside(store.path, "-weights"), number - first_id)


def described_fitness(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the settings of a file say of the fitness of its search; from a stranger they may say anything."""
    fitness = settings.get("fitness")
    return fitness if isinstance(fitness, dict) else {}


def check_inherits(described: Mapping[str, Any], path: Path) -> None:
    """Check that a search has left weights at all.

    Args:
        described: its fitness, see :func:`described_fitness`.
        path: of the population file.

    Raises:
        SettingsError: its fitness does not inherit weights.
    """
    if described.get("inherits_weights") is not True:
        raise SettingsError(
            f"the search in {path} has left no weights, as its fitness does not inherit them: train the network of an "
            f"individual with deap-nas retrain"
        )
