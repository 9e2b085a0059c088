"""``deap-nas retrain``: the test accuracy of a found cell in a larger network, as the paper reports it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from deap_nas.commands.options import chosen_member, chosen_template, network_folder, network_options
from deap_nas.errors import DatasetError, DivergedError, SettingsError
from deap_nas.evaluation import Status
from deap_nas.executors.interrupts import interrupted_by_signals
from deap_nas.files import user_path
from deap_nas.report.terminal import columns_of, error_stream, fitting, is_terminal
from deap_nas.search_space import SearchSpace
from deap_nas.store import HDF5Store
from deap_nas.store.recorded_spaces import check_known
from deap_nas.training import (
    RECIPES,
    Recipe,
    Retraining,
    RetrainingProgress,
    RetrainingResult,
    Source,
    dataset_info,
)
from deap_nas.training.data.image_identity import other_images

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["RetrainingReport", "add_retrain"]

_DESCRIPTION = """\
Train the network of an individual from scratch, several times, on all training images, and measure it on the test
images: the evaluation of a found cell in Liu 2018, sections 4.1 and 4.3. The template large-cifar is trained for
80,000 steps of 256 images, imagenet for 200,000 of 1024; the networks of Perez-Rua 2018, of 96 channels or 200, for 310
epochs with restarts. --scale 0.001 rehearses that in a thousandth of the steps.

A retraining that was interrupted goes on when the same command is given again; one that has ended is told again.
Ctrl-C, SIGTERM and SIGUSR1 end it after a checkpoint.
"""
_EPILOG = """\
several GPUs train each network together when torchrun starts one process for each:
  torchrun --nproc-per-node 4 -m deap_nas.cli retrain FILE
torchrun passes on Ctrl-C and SIGTERM; it dies of SIGUSR1, whereupon its processes leave a checkpoint and end, but waits
for them with --signals-to-handle SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1 if it has that option.
"""


def add_retrain(commands: _SubParsersAction[argparse.ArgumentParser], file: argparse.ArgumentParser) -> None:
    """Add the subcommand; ``file`` is the parent parser with the population file."""
    parser = commands.add_parser(
        "retrain",
        parents=[file, network_options()],
        help="train the network of an individual to the end, and measure it on the test images",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_task(parser.add_argument_group("what is trained"))
    _add_means(parser.add_argument_group("where, and by what means"))
    parser.set_defaults(run=_retrain)


def _add_task(group: Any) -> None:
    add = group.add_argument
    add(
        "--dataset",
        metavar="NAME",
        help="digits, cifar10, cifar100, imagefolder:PATH, or imagenet:PATH with PATH/train and PATH/val "
        "(default: that of the search)",
    )
    add("--images", type=int, metavar="N", help="train on N of the training images only (default: all)")
    add(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="mirror every second training image (default: as in the search, where it used these images)",
    )
    add(
        "--crop",
        type=int,
        metavar="N",
        help="put N pixels around each training image, then crop it at random to its size; 0 for neither "
        "(default: as in the search, where it used these images)",
    )
    add("--runs", type=int, default=5, metavar="N", help="trainings, each from a seed of its own (default: 5)")
    add("--scale", type=float, default=1.0, metavar="FACTOR", help="take so many times the paper's steps (default: 1)")
    add("--recipe", choices=RECIPES, help="how to train (default: as the paper of the search space does)")
    add("--steps", type=int, metavar="N", help="take N steps instead")
    add("--batch-size", type=int, metavar="N", help="images a step (default: the paper's)")
    add("--seed", type=int, default=0, metavar="N", help="of everything random (default: 0)")


def _add_means(group: Any) -> None:
    add = group.add_argument
    add("--device", default="auto", metavar="NAME", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    add(
        "--precision",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="the last two are mixed precision, for GPUs that are faster in it (default: float32)",
    )
    add("--compile", action="store_true", help="let torch.compile make the training faster, after some minutes")
    add("--data-dir", metavar="FOLDER", help="of cifar10 and cifar100 (default: that of the search, else data)")
    add("--download", action="store_true", help="fetch cifar10 or cifar100 if it is not there")
    add(
        "--output",
        type=user_path,
        metavar="FOLDER",
        help="for curves, checkpoints, networks and the result (default: FILE with -idN-TEMPLATE)",
    )


def _retrain(options: argparse.Namespace) -> None:
    with interrupted_by_signals():
        _train(options)


def _chosen(options: argparse.Namespace) -> tuple[int, Retraining]:
    """The number of the individual that the options ask for, and its retraining."""
    with HDF5Store.read(options.file) as store:
        check_known(store.space, store.sessions)
        fields = chosen_member(store, options)
        space, settings = store.space, store.settings
    genotype = space.decode(fields["genes"])
    searched = settings["fitness"] if isinstance(settings.get("fitness"), dict) else {}
    dataset = options.dataset or searched.get("dataset")
    if not isinstance(dataset, str):
        raise SettingsError(f"{options.file} does not say on which images it searched; name some with --dataset")
    retraining = Retraining(
        space,
        genotype,
        dataset=dataset,
        template=chosen_template(options, space),
        recipe=_recipe(options, space),
        runs=options.runs,
        seed=options.seed,
        device=options.device,
        precision=options.precision,
        compile=options.compile,
        data_dir=options.data_dir or settings.get("data_dir", "data"),
        download=options.download,
        n_images=options.images,
        **_augmentation(dataset, searched, options),
        origin={"file": str(options.file.resolve()), "id": fields["id"], "fitness": fields["fitness"]},
    )
    return fields["id"], retraining


def _train(options: argparse.Namespace) -> None:
    number, retraining = _chosen(options)
    dataset = retraining.source.name
    folder = options.output or network_folder(options, number, retraining.template)
    is_first = _is_first()
    report = RetrainingReport(error_stream())
    try:
        if is_first:
            print(f"individual {number} on {dataset}, into {folder}", file=sys.stderr)
            if ":" in dataset:
                print(f"images: {dataset_info(retraining.source).in_words()}", file=sys.stderr)
        result = retraining.run(folder, observer=report)
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM) if os.environ.get("RANK") else ():
            signal.signal(number, signal.SIG_IGN)  # torchrun passes on what this process may have had already
        report.end_line()
        if is_first:
            print(_how_to_go_on(folder), file=sys.stderr)
        raise SystemExit(130) from None
    report.end_line()
    if is_first:
        print(_in_words(result))
    if result.n_diverged == len(result.runs):
        raise DivergedError("no run came to an end: the loss of each became infinite or NaN")


def _is_first() -> bool:
    """Whether this is the first of the processes that torchrun starts, or no torchrun has started any."""
    return (os.environ.get("RANK") or "0") == "0"


def _how_to_go_on(folder: Path) -> str:
    """What to do after a stop, by what the folder holds."""
    if any(folder.glob("run*.checkpoint.safetensors")):
        return f"stopped; the same command goes on with the last checkpoint in {folder}"
    if (folder / "result.json").exists():
        return f"stopped; the same command goes on after the runs that have ended, which {folder} holds"
    return "stopped before the first checkpoint; the same command begins anew"


def _augmentation(dataset: str, searched: Mapping[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """What ``--flip`` and ``--crop`` say; else what the search did, with the images of the search."""
    chosen = {"flip": options.flip, "crop": options.crop}
    if not _are_the_searched(dataset, searched, options):
        return chosen
    return {name: searched.get(name) if value is None else value for name, value in chosen.items()}


def _are_the_searched(dataset: str, searched: Mapping[str, Any], options: argparse.Namespace) -> bool:
    """Whether the images are those of the search, as far as the file tells.

    Raises:
        DatasetError: they have changed since, and ``--dataset`` does not say that others are meant.
    """
    source = Source(dataset, n_images=searched.get("n_images"))
    if ":" not in dataset or "digest" not in searched.get("images", {}):
        return source.name == Source(searched.get("dataset", "")).name
    different = other_images(searched, source)
    if different and options.dataset is None:
        raise DatasetError(
            f"{source.name} has other images than the search had: {different}; name them with --dataset to train on "
            f"them all the same"
        )
    if different and _is_first():
        print(f"{source.name} has other images than the search had: {different}", file=sys.stderr)
    return not different


def _recipe(options: argparse.Namespace, space: SearchSpace) -> Recipe:
    name = "imagenet" if options.template == "imagenet" else space.evaluation_recipe
    recipe = RECIPES[options.recipe or name].scaled(options.scale)
    wanted = {"steps": options.steps, "batch_size": options.batch_size}
    return replace(recipe, **{name: value for name, value in wanted.items() if value is not None})


class RetrainingReport:
    """Shows the progress of a retraining: on a terminal a line that changes, elsewhere a line now and then.

    Args:
        file: where to write.
        seconds_between_lines: least time between two lines where ``file`` is no terminal.
    """

    def __init__(self, file: TextIO, *, seconds_between_lines: float = 30.0) -> None:
        """See the class."""
        self._file = file
        self._is_terminal = is_terminal(file)
        self._seconds_between = 0.2 if self._is_terminal else seconds_between_lines
        self._last = self._since = time.monotonic()
        self._first_step: int | None = None

    def __call__(self, progress: RetrainingProgress) -> None:
        """Take note of the steps that have ended."""
        done = progress.run * progress.steps + progress.step
        now = time.monotonic()
        if self._first_step is None:
            self._first_step, self._since = done, now
        if now - self._last < self._seconds_between and progress.step < progress.steps:
            return
        self._last = now
        parts = [
            (2, f"run{progress.run}"),
            (0, f"step {progress.step}/{progress.steps}"),
            (3, f"loss {progress.loss:.4f}"),
            (4, f"{progress.images_per_second:,.0f} images/s"),
        ]
        if done > self._first_step:
            seconds_each = (now - self._since) / (done - self._first_step)
            left = timedelta(seconds=round(seconds_each * (progress.runs * progress.steps - done)))
            parts.append((1, f"{left} left"))
        with suppress(OSError):  # a terminal that is gone, a full disk: no reason to end a training
            if self._is_terminal:
                room = columns_of(self._file) - 1  # a longer line would go on in the next, which is not written anew
                self._file.write(f"\r\x1b[K{fitting(parts, room)[:room]}")
            else:
                self._file.write(f"{fitting(parts)}\n")
            self._file.flush()

    def end_line(self) -> None:
        """Leave the last state on the terminal."""
        if self._is_terminal and self._first_step is not None:
            with suppress(OSError):
                self._file.write("\n")


def _in_words(result: RetrainingResult) -> str:
    """A table of the runs, then the mean as the paper gives it."""
    lines = ["run       test accuracy    top 5"]
    for number, run in enumerate(result.runs):
        if run.status is Status.OK:
            lines.append(f"{f'run{number}':<8}  {run.accuracy:>13.4f}  {run.top5:>7.4f}")
        else:
            lines.append(f"{f'run{number}':<8}  {run.status.name:>13}")
    if result.mean is not None:
        deviation, ending = "", "of one run, which has no deviation"
        if result.deviation is not None:
            deviation, ending = f" +- {100 * result.deviation:.2f}", "mean and sample standard deviation over the runs"
        lines += [
            f"accuracy  {100 * result.mean:.2f}{deviation} %",
            f"error     {100 - 100 * result.mean:.2f}{deviation} %, {ending}",
        ]
    if result.n_diverged:
        lines.append(f"left out  {result.n_diverged} of {len(result.runs)} runs, which diverged")
    trained = timedelta(seconds=round(result.seconds))
    return "\n".join([*lines, f"network   {result.n_parameters:,} parameters, trained for {trained}"])
