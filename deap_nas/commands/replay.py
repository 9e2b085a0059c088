"""``deap-nas replay``: an evaluation once more, from its own seed, to see whether it comes out as it is recorded."""

from __future__ import annotations

import argparse
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from deap_nas.commands.options import add_id, add_weights_dir, chosen_member, searched_weights
from deap_nas.errors import SettingsError, StoreError
from deap_nas.evaluation import Job, Runner, Status
from deap_nas.report import member
from deap_nas.store import HDF5Store
from deap_nas.store.recorded_spaces import check_known

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from deap_nas.training import AccuracyFitness

__all__ = ["add_replay"]

_DESCRIPTION = """\
Train an individual of a search again, as it was trained: with the fitness that the file's settings describe, from the
seed that belongs to its id, with what it inherited of its parent's weights, and with as many CPU threads. On the same
device, with the same versions, the scores are the same to the last bit. The exit status is 1 if they are not.
"""


def add_replay(commands: _SubParsersAction[argparse.ArgumentParser], file: argparse.ArgumentParser) -> None:
    """Add the subcommand; ``file`` is the parent parser with the population file."""
    parser = commands.add_parser(
        "replay", parents=[file], help="evaluate an individual again, and compare", description=_DESCRIPTION
    )
    add_id(parser)
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, ... (default: that of the search)")
    parser.add_argument("--dataset", metavar="NAME", help="where the images of the search are now, imagefolder:PATH")
    parser.add_argument("--data-dir", metavar="FOLDER", help="of cifar10 and cifar100 (default: that of the search)")
    add_weights_dir(parser)
    parser.add_argument(
        "--threads",
        type=int,
        default=0,
        metavar="N",
        help="CPU threads (default: 0, those that the file tells, if any)",
    )
    parser.add_argument("--download", action="store_true", help="fetch cifar10 or cifar100 if it is not there")
    parser.set_defaults(run=_replay)


def _replay(options: argparse.Namespace) -> None:
    from deap_nas.training.devices import use_threads

    with HDF5Store.read(options.file) as store, TemporaryDirectory() as weights_dir:
        check_known(store.space, store.sessions)
        fields = chosen_member(store, options)
        # one that took the fitness of another was not trained itself
        origin = fields["id"] if fields["reused"] < 0 else fields["reused"]
        settings, seed, trained = store.settings_of(origin), store.seed_of(origin), member(store, origin)
        fitness = _fitness(settings, options, weights_dir)
        genotype = store.space.decode(trained["genes"])
        if fitness.weights_dir is not None:
            _copy_weights(store, trained["parent"], options.weights_dir, Path(weights_dir))
        n_threads = options.threads or trained["threads"]
        if n_threads:
            use_threads(n_threads)
        cutoffs = _cutoffs(trained)
        again = Runner(fitness)(Job(origin, genotype, seed, trained["parent"], cutoffs=cutoffs))
    print(f"individual {fields['id']}, evaluation {origin}, seed {seed}, on {fitness.device}, threads: {again.threads}")
    print(f"recorded  {_in_words(fields['status'], fields['scores'], fields['error'])}")
    print(f"now       {_in_words(again.status.name, list(again.scores), again.error)}")
    if (again.status.name, list(again.scores)) != (fields["status"], fields["scores"]):
        remedy = "" if n_threads else "; the file does not tell the number of CPU threads: try others with --threads"
        raise StoreError(f"individual {fields['id']} of {options.file} does not come out as it is recorded{remedy}")
    print("the same")


def _fitness(settings: Mapping[str, Any], options: argparse.Namespace, weights_dir: str) -> AccuracyFitness:
    """The fitness of a run, which leaves its weights in a folder of our own."""
    from deap_nas.training import AccuracyFitness

    if not isinstance(settings.get("fitness"), dict):
        raise SettingsError(
            f"{options.file} does not say how its individuals were evaluated: its settings lack fitness"
        )
    if not settings["fitness"].get("deterministic", True):
        raise StoreError(
            f"{options.file} cannot be replayed: its evaluations depend on more than genotype, seed and parent"
        )
    return AccuracyFitness.from_dict(
        settings["fitness"],
        device=options.device or settings.get("device", "auto"),
        data_dir=options.data_dir or settings.get("data_dir", "data"),
        download=options.download,
        weights_dir=weights_dir,
        dataset=options.dataset,
    )


def _copy_weights(store: HDF5Store, parent: int, weights_dir: Path | None, copies: Path) -> None:
    """Copy the weights that an individual left to its children, if it left any."""
    from deap_nas.training.weights.inheritance import weights_file

    fields = None if parent < 0 else member(store, parent)
    if fields is None or fields["status"] != Status.OK.name or fields["reused"] >= 0:
        return
    path = searched_weights(store, parent, weights_dir)
    if not path.exists():
        raise StoreError(f"{path} is not there: the weights of the parent, individual {parent}; see --weights-dir")
    shutil.copyfile(path, weights_file(copies, parent))


def _cutoffs(trained: Mapping[str, Any]) -> tuple[float, ...]:
    """Cutoffs that end an evaluation where the curve of the recorded one ends."""
    n_passed = len(trained["curve"]) - 1
    return (*[-math.inf] * n_passed, math.inf) if trained["status"] == Status.OK.name and n_passed >= 0 else ()


def _in_words(status: str, scores: list[Any], error: str) -> str:
    if status == Status.OK.name:
        return " ".join(map(repr, scores))
    return " ".join([status, *map(repr, scores), *error.strip().splitlines()[-1:]])
