"""``deap-nas retrain``: the test accuracy of a found cell in a larger network, as the paper reports it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from deap_nas.commands.options import chosen_member, chosen_template, network_folder, network_options
from deap_nas.errors import DivergedError, SettingsError
from deap_nas.evaluators import Status
from deap_nas.store import HDF5Store
from deap_nas.training import CIFAR_EVALUATION, IMAGENET, Recipe, Retraining, RetrainingProgress, RetrainingResult

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["RetrainingReport", "add_retrain"]

_DESCRIPTION = """\
Train the network of an individual from scratch, several times, on all training images, and measure it on the test
images: the evaluation of a found cell in Liu 2018, sections 4.1 and 4.3. The template large-cifar is trained for
80,000 steps of 256 images, imagenet for 200,000 of 1024; --scale 0.001 rehearses that in a thousandth of the steps.

A retraining that was interrupted goes on when the same command is given again; one that has ended is told again.
"""
_EPILOG = """\
several GPUs train each network together when torchrun starts one process for each:
  torchrun --nproc-per-node 4 -m deap_nas.cli retrain FILE
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
    add("--runs", type=int, default=5, metavar="N", help="trainings, each from a seed of its own (default: 5)")
    add("--scale", type=float, default=1.0, metavar="FACTOR", help="take so many times the paper's steps (default: 1)")
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
    add("--data-dir", default="data", metavar="FOLDER", help="of cifar10 and cifar100 (default: data)")
    add("--download", action="store_true", help="fetch cifar10 or cifar100 if it is not there")
    add(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="for curves, checkpoints, networks and the result (default: FILE with -idN-TEMPLATE)",
    )


def _retrain(options: argparse.Namespace) -> None:
    with HDF5Store.read(options.file) as store:
        fields = chosen_member(store, options)
        space, searched = store.space, store.settings.get("fitness")
    dataset = options.dataset or (searched.get("dataset") if isinstance(searched, dict) else None)
    if not isinstance(dataset, str):
        raise SettingsError(f"{options.file} does not say on which images it searched; name some with --dataset")
    retraining = Retraining(
        space,
        fields["genes"],
        dataset=dataset,
        template=chosen_template(options),
        recipe=_recipe(options),
        runs=options.runs,
        seed=options.seed,
        device=options.device,
        precision=options.precision,
        compile=options.compile,
        data_dir=options.data_dir,
        download=options.download,
        n_images=options.images,
        origin={"file": str(options.file.resolve()), "id": fields["id"], "fitness": fields["fitness"]},
    )
    folder = options.output or network_folder(options, fields["id"])
    is_first = (os.environ.get("RANK") or "0") == "0"  # of the processes that torchrun starts
    report = RetrainingReport(sys.stderr)
    try:
        if is_first:
            print(f"individual {fields['id']} on {dataset}, into {folder}", file=sys.stderr)
        result = retraining.run(folder, observer=report)
    except KeyboardInterrupt:
        report.end_line()
        if is_first:
            print(f"stopped; the same command goes on with the last checkpoint in {folder}", file=sys.stderr)
        raise SystemExit(130) from None
    report.end_line()
    if is_first:
        print(_in_words(result))
    if result.n_diverged == len(result.runs):
        raise DivergedError("no run came to an end: the loss of each became infinite or NaN")


def _recipe(options: argparse.Namespace) -> Recipe:
    recipe = (IMAGENET if options.template == "imagenet" else CIFAR_EVALUATION).scaled(options.scale)
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
        self._is_terminal = file.isatty()
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
            f"run{progress.run}",
            f"step {progress.step}/{progress.steps}",
            f"loss {progress.loss:.4f}",
            f"{progress.images_per_second:,.0f} images/s",
        ]
        if done > self._first_step:
            seconds_each = (now - self._since) / (done - self._first_step)
            left = timedelta(seconds=round(seconds_each * (progress.runs * progress.steps - done)))
            parts.append(f"{left} left")
        self._file.write(f"\r\x1b[K{', '.join(parts)}" if self._is_terminal else f"{', '.join(parts)}\n")
        self._file.flush()

    def end_line(self) -> None:
        """Leave the last state on the terminal."""
        if self._is_terminal and self._first_step is not None:
            self._file.write("\n")


def _in_words(result: RetrainingResult) -> str:
    """A table of the runs, then the mean as the paper gives it."""
    lines = ["run       test accuracy    top 5"]
    for number, run in enumerate(result.runs):
        if run.status is Status.OK:
            lines.append(f"{f'run{number}':<8}  {run.accuracy:>13.4f}  {run.top5:>7.4f}")
        else:
            lines.append(f"{f'run{number}':<8}  {run.status.name:>13}")
    if result.accuracies:
        mean, deviation = 100 * result.mean, 100 * result.deviation
        lines += [
            f"accuracy  {mean:.2f} +- {deviation:.2f} %",
            f"error     {100 - mean:.2f} +- {deviation:.2f} %, mean and sample standard deviation over the runs",
        ]
    if result.n_diverged:
        lines.append(f"left out  {result.n_diverged} of {len(result.runs)} runs, which diverged")
    trained = timedelta(seconds=round(result.seconds))
    return "\n".join([*lines, f"network   {result.n_parameters:,} parameters, trained for {trained}"])
