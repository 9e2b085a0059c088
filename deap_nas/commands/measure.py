"""``deap-nas test``: how well an individual classifies the test images, with the weights that its search has left."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from deap_nas.commands.options import (
    add_id,
    add_weights_dir,
    check_inherits,
    chosen_member,
    described_fitness,
    searched_weights,
)
from deap_nas.errors import ExportError
from deap_nas.store import HDF5Store
from deap_nas.store.recorded_spaces import check_known

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from deap_nas.training import SearchedAccuracies

__all__ = ["add_test"]

_DESCRIPTION = """\
Measure an individual of a search with inherited weights on the test images, with the weights that it has itself and
without another training, as Real 2017 reports the individual of the highest validation accuracy. It is measured on the
validation images as well, where it comes out as the search has recorded it. Nothing is written. Choose nothing by what
this says: the test images would then be a second validation set.
"""


def add_test(commands: _SubParsersAction[argparse.ArgumentParser], file: argparse.ArgumentParser) -> None:
    """Add the subcommand; ``file`` is the parent parser with the population file."""
    parser = commands.add_parser(
        "test",
        parents=[file],
        help="measure an individual on the test images, with the weights that its search has left",
        description=_DESCRIPTION,
    )
    add_id(parser)
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, ... (default: that of the search)")
    parser.add_argument("--dataset", metavar="NAME", help="where the images of the search are now, imagefolder:PATH")
    parser.add_argument("--data-dir", metavar="FOLDER", help="of cifar10 and cifar100 (default: that of the search)")
    parser.add_argument("--download", action="store_true", help="fetch cifar10 or cifar100 if it is not there")
    add_weights_dir(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=_test)


def _test(options: argparse.Namespace) -> None:
    from deap_nas.training import AccuracyFitness, searched_accuracies
    from deap_nas.training.devices import choose_device

    with HDF5Store.read(options.file) as store:
        check_known(store.space, store.sessions)
        fields = chosen_member(store, options)
        number = fields["id"]
        settings, seed = store.settings_of(number), store.seed_of(number)
        path = searched_weights(store, number, options.weights_dir)
        genotype = store.space.decode(fields["genes"])
    described = described_fitness(settings)
    check_inherits(described, options.file)
    if not path.is_file():
        raise ExportError(
            f"{path} is not there: the weights of individual {number}, which has left none, or was removed and is not "
            f"the best; see --weights-dir"
        )
    fitness = AccuracyFitness.from_dict(
        described,
        device=options.device or settings.get("device", "auto"),
        data_dir=options.data_dir or settings.get("data_dir", "data"),
        download=options.download,
        weights_dir=path.parent,
        dataset=options.dataset,
    )
    found = searched_accuracies(fitness, genotype, path, seed=seed)
    if options.json:
        places = {"file": str(options.file), "id": number, "weights": str(path), "dataset": fitness.source.name}
        print(json.dumps(places | _as_json(fields, found), indent=2))
    else:
        print(f"individual  {number}, with the weights in {path}, on {choose_device(fitness.device)}")
        print(_in_words(fields, found))


def _as_json(fields: dict[str, Any], found: SearchedAccuracies) -> dict[str, Any]:
    means = {"test_accuracy": _mean(found.test), "validation_accuracy": _mean(found.validation)}
    return means | asdict(found) | {"fitness": fields["fitness"], "scores": fields["scores"]}


def _in_words(fields: dict[str, Any], found: SearchedAccuracies) -> str:
    """A line for each set of images, and one for the network."""
    recorded = f"{_mean(fields['scores']):.4f}" if fields["scores"] else "none"
    lines = [
        f"test        {_mean(found.test):.4f} of {found.n_test_images:,} images{_each(found.test)}",
        f"validation  {_mean(found.validation):.4f}, recorded {recorded}{_each(found.validation)}",
        f"network     {found.n_parameters:,} parameters",
    ]
    return "\n".join(lines)


def _mean(shares: Sequence[float]) -> float:
    return sum(shares) / len(shares)  # to the last bit as the search has it


def _each(shares: tuple[float, ...]) -> str:
    """The accuracy of each repeat, where there are several."""
    return f" (repeats {', '.join(f'{share:.4f}' for share in shares)})" if len(shares) > 1 else ""
