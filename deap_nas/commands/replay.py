"""``deap-nas replay``: an evaluation once more, from its own seed, to see whether it comes out as it is recorded."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deap_nas.commands.options import chosen_member
from deap_nas.errors import SettingsError, StoreError
from deap_nas.evaluators import Job, Runner, Status
from deap_nas.genotype import Genotype
from deap_nas.report import member
from deap_nas.store import HDF5Store

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_replay"]

_DESCRIPTION = """\
Train an individual of a search again, as it was trained: with the fitness that the file's settings describe, from the
seed that belongs to its id. On the same device, with the same versions, the scores are the same to the last bit. The
exit status is 1 if they are not.
"""


def add_replay(commands: _SubParsersAction[argparse.ArgumentParser], file: argparse.ArgumentParser) -> None:
    """Add the subcommand; ``file`` is the parent parser with the population file."""
    parser = commands.add_parser(
        "replay", parents=[file], help="evaluate an individual again, and compare", description=_DESCRIPTION
    )
    parser.add_argument("--id", type=int, metavar="N", help="which individual (default: the best)")
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, ... (default: that of the search)")
    parser.add_argument("--data-dir", metavar="FOLDER", help="of cifar10 and cifar100 (default: that of the search)")
    parser.add_argument("--download", action="store_true", help="fetch cifar10 or cifar100 if it is not there")
    parser.set_defaults(run=_replay)


def _replay(options: argparse.Namespace) -> None:
    from deap_nas.training import AccuracyFitness

    with HDF5Store.read(options.file) as store:
        fields = chosen_member(store, options)
        # one that took the fitness of another was not trained itself
        origin = fields["id"] if fields["reused"] < 0 else fields["reused"]
        settings, seed, trained = store.settings_of(origin), store.seed_of(origin), member(store, origin)
    if not isinstance(settings.get("fitness"), dict):
        raise SettingsError(
            f"{options.file} does not say how its individuals were evaluated: its settings lack fitness"
        )
    fitness = AccuracyFitness.from_dict(
        settings["fitness"],
        device=options.device or settings.get("device", "auto"),
        data_dir=options.data_dir or settings.get("data_dir", "data"),
        download=options.download,
    )
    again = Runner(fitness)(Job(origin, Genotype(trained["genes"]), seed, cutoffs=_cutoffs(trained)))
    print(f"individual {fields['id']}, evaluation {origin}, seed {seed}, on {fitness.device}")
    print(f"recorded  {_in_words(fields['status'], fields['scores'], fields['error'])}")
    print(f"now       {_in_words(again.status.name, list(again.scores), again.error)}")
    if (again.status.name, list(again.scores)) != (fields["status"], fields["scores"]):
        raise StoreError(f"individual {fields['id']} of {options.file} does not come out as it is recorded")
    print("the same")


def _cutoffs(trained: Mapping[str, Any]) -> tuple[float, ...]:
    """Cutoffs that end an evaluation where the curve of the recorded one ends."""
    n_passed = len(trained["curve"]) - 1
    return (*[-math.inf] * n_passed, math.inf) if trained["status"] == Status.OK.name and n_passed >= 0 else ()


def _in_words(status: str, scores: list[Any], error: str) -> str:
    if status == Status.OK.name:
        return " ".join(map(repr, scores))
    return " ".join([status, *map(repr, scores), *error.strip().splitlines()[-1:]])
