"""The parser of a search's options: those that scripts share, in groups, and mistakes in one line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from deap_nas.command_line.option_types import at_least, number_in, positive_or_none
from deap_nas.errors import SettingsError
from deap_nas.store import HDF5Store
from deap_nas.training import SEARCH
from deap_nas.training.data.sources import VALIDATION_SHARE

__all__ = ["CommandLine"]

#: Options of :meth:`CommandLine.parse_run` that are no settings of a run; all others are in its population file.
_NO_SETTINGS = ("workers", "download", "output", "overwrite", "resume")


class _Help(argparse.RawDescriptionHelpFormatter):
    """Tells the default of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text, default = action.help, action.default
        has_none = default is None or default is False or default in ([], argparse.SUPPRESS)
        return text if text is None or has_none or "default" in text else f"{text} (default: %(default)s)"


class CommandLine(argparse.ArgumentParser):
    """A parser of options that ends a program in one line where it is given a wrong one; ``--seed`` is there already.

    Args:
        description: what the program does, with the commands that run it.
    """

    def __init__(self, description: str | None) -> None:
        """See the class."""
        super().__init__(description=description, usage="%(prog)s [option ...]", formatter_class=_Help)
        self.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random")
        self._older: Mapping[str, Any] | None = None
        self._first_defaults: dict[str, Any] = {}
        self._output = Path()

    def error(self, message: str) -> NoReturn:
        """Tell a mistake, and end with status 1."""
        text = re.sub(r"^argument (\S+): must ", r"\1 must ", message)
        self.exit(1, f"{self.prog}: {text}; --help lists the options\n")

    def add_fitness_options(
        self,
        *,
        steps: int = SEARCH.steps,
        batch_size: int = SEARCH.batch_size,
        repeats: int = 4,
        channels: int | None = 16,
        validation_share: float = VALIDATION_SHARE,
        epochs: float | None = None,
        cells: int | None = None,
    ) -> None:
        """Add what :func:`make_fitness` asks for; the defaults are those of Liu 2018.

        Args:
            steps: default of ``--steps``.
            batch_size: default of ``--batch-size``.
            repeats: default of ``--repeats``.
            channels: default of ``--channels``; None for no such option, where genotypes say all channels.
            validation_share: default of ``--validation-share``.
            epochs: default of ``--epochs``, which then is there in the place of ``--steps``.
            cells: default of ``--cells``; None for no such option, where the template has no groups of cells.
        """
        add = self.add_argument_group("fitness").add_argument
        add("--dataset", default="digits", metavar="NAME", help="digits, cifar10, cifar100 or imagefolder:PATH")
        add(
            "--images", type=at_least(1), metavar="N", help="training images to use, the same throughout (default: all)"
        )
        text = "mirror training images at random (default: as suits the dataset)"
        add("--flip", action=argparse.BooleanOptionalAction, help=text)
        text = (
            "pixels put around a training image before a random crop to its size; 0: no crop (default: the dataset's)"
        )
        add("--crop", type=at_least(0), metavar="PIXELS", help=text)
        add("--data-dir", default="data", metavar="FOLDER", help="of cifar10 and cifar100")
        add("--download", action="store_true", help="fetch cifar10 or cifar100 if it is not there")
        if epochs is None:
            add("--steps", type=at_least(1), default=steps, metavar="N", help="of a training")
        else:
            text = "times that a training goes through its images"
            add("--epochs", type=number_in("(0, inf)"), default=epochs, metavar="N", help=text)
        add("--batch-size", type=at_least(2), default=batch_size, metavar="N", help="images a step")
        add(
            "--repeats",
            type=at_least(1),
            default=repeats,
            metavar="N",
            help="trainings of a genotype, whose mean counts",
        )
        if channels is not None:
            add("--channels", type=at_least(1), default=channels, metavar="C", help="of the first convolution")
        if cells is not None:
            add("--cells", type=at_least(1), default=cells, metavar="N", help="in each group, reducing ones left out")
        share, text = number_in("(0, 1)"), "part of the training images that validates; the others train"
        add("--validation-share", type=share, default=validation_share, metavar="FRACTION", help=text)
        add("--device", default="auto", metavar="NAME", help="cpu, cuda, cuda:1, ...; auto is a GPU if there is one")
        precisions = ("float32", "bfloat16", "float16")
        text = "the last two are mixed precision, for GPUs that are faster in it"
        add("--precision", choices=precisions, default=precisions[0], help=text)
        add(
            "--compile", action="store_true", help="let torch.compile make each training faster, after a minute or more"
        )

    def add_stopping_options(self) -> None:
        """Add the rules by which trainings of candidates end early in :func:`~deap_nas.eaAsync`."""
        group = self.add_argument_group("early stopping", "Trainings that will not be among the best end at a rung.")
        add = group.add_argument
        text = "who goes on: halving, the best share; bound, who may reach the population by the growth of others; "
        text += "extrapolation, who may by their own curve"
        add("--stopping", choices=("none", "halving", "bound", "extrapolation"), default="none", help=text)
        text = "rungs, as ascending fractions of the steps (default: 1/9 1/3; for extrapolation 1/10 2/10 ... 9/10)"
        add("--rungs", type=number_in("(0, 1)"), nargs="+", metavar="FRACTION", help=text)
        share, first = number_in("(0, 1)"), "halving: share that goes on"
        add("--keep", type=share, metavar="FRACTION", help=f"{first} (default: 1/3)")
        text = "bound, extrapolation: share of the population that must be in reach (default: 0.5)"
        add("--quantile", type=number_in("[0, 1]"), metavar="FRACTION", help=text)
        text = "bound: accuracy added to the largest growth so far (default: 0.02)"
        add("--margin", type=number_in("[0, 1]"), metavar="ACCURACY", help=text)
        text = "bound, extrapolation: trainings that come to their end before any is stopped (default: 20)"
        add("--whole", type=at_least(1), metavar="N", help=text)
        text = "extrapolation: probability of reaching that share below which a training ends (default: 0.05)"
        add("--chance", type=share, metavar="FRACTION", help=text)
        text = "extrapolation: rung at which a training may end at the earliest (default: 4)"
        add("--points", type=at_least(1), metavar="N", help=text)

    def add_cheaper_options(self) -> None:
        """Add what an estimate of the fitness does less of, see :meth:`~deap_nas.training.AccuracyFitness.cheaper`."""
        group = self.add_argument_group("cheaper estimates", "Less of the fitness above; by default all of it.")
        for name, least, letter, text in (
            ("steps", 1, "N", "of a training"),
            ("images", 1, "N", "training images"),
            ("image-size", 1, "PIXELS", "height and width that the images are shrunk to"),
            ("channels", 1, "C", "of the first convolution"),
            ("repeats", 1, "N", "trainings of a genotype"),
        ):
            group.add_argument(f"--cheaper-{name}", type=at_least(least), metavar=letter, help=text)

    def add_worker_options(self) -> None:
        """Add what :func:`run` asks for: the number of processes, and the limits of each evaluation."""
        add = self.add_argument_group("workers").add_argument
        add(
            "--workers",
            type=at_least(0),
            default=0,
            metavar="N",
            help="processes here, without mpirun",
        )
        text = "an evaluation that takes longer is ended; or none (default: none)"
        add("--timeout", type=positive_or_none, metavar="SECONDS", help=text)
        text = "an evaluation whose process takes more main memory is ended; or none (default: none)"
        add("--memory", type=positive_or_none, metavar="GIB", help=text)
        text = "a rank without a sign of life for so long loses its evaluation to another; or none"
        add("--lease", type=positive_or_none, default=60.0, metavar="SECONDS", help=text)

    def add_file_options(self, default: str) -> None:
        """Add the population file, by default this one, and which run goes on; to be parsed by :meth:`parse_run`."""
        self._output = Path(default)
        add = self.add_argument_group("population file").add_argument
        add("--output", type=Path, metavar="FILE", help=f"a new one (default: {default})")
        add("--overwrite", action="store_true", help="replace it if it is there")
        add("--resume", type=Path, metavar="FILE", help="go on with its run; its settings are the defaults then")

    def parse_run(self) -> argparse.Namespace:
        """Parse the process's arguments; of a run that goes on with its settings in the place of the defaults.

        Returns:
            Also with ``settings``, for the population file.

        Raises:
            SettingsError: the options of :meth:`add_file_options` do not go together, or the output is a picture.
            StoreError: the file of the run that goes on cannot be read.
        """
        args = self.parse_args()
        if args.resume:
            if args.output or args.overwrite:
                raise SettingsError(f"--resume goes on writing {args.resume}: leave out --output and --overwrite")
            with HDF5Store.read(args.resume) as store:
                args = self.parse_resumed(store.settings)
        args.output = args.resume or args.output or self._output
        if args.output.suffix in (".png", ".svg"):
            raise SettingsError(f"--output is the population file, pictures go beside it; found {args.output}")
        args.settings = self.settings(args, leave_out=_NO_SETTINGS)
        return args

    def parse_resumed(self, settings: Mapping[str, Any]) -> argparse.Namespace:
        """Parse the process's arguments with the settings of a run that goes on in the place of the defaults."""
        self._older = settings
        self._first_defaults = vars(self.parse_args([]))
        known = {name: value for name, value in settings.items() if name in self._first_defaults}
        numbers = {name: str(value) for name, value in known.items() if type(value) in (int, float)}
        self.set_defaults(**{**known, **numbers})  # argparse reads, and so checks, defaults that are text
        return self.parse_args()

    def settings(self, args: argparse.Namespace, *, leave_out: Iterable[str] = ()) -> dict[str, Any]:
        """What the options say, for the population file.

        A file that is resumed may be older than an option: where the option has its default, it is left out.

        Args:
            args: what was parsed.
            leave_out: names that are no settings of the run.
        """
        found = {name: value for name, value in vars(args).items() if name not in set(leave_out)}
        if self._older is None:
            return found
        older, first = self._older, self._first_defaults
        return {name: value for name, value in found.items() if name in older or value != first[name]}
