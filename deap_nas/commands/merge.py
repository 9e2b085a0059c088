"""``deap-nas merge``: one run or several in one compressed population file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from deap_nas.files import user_path
from deap_nas.store import HDF5Store, merge_runs

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_merge"]

_DESCRIPTION = """\
Write several runs of the same search space and fitness into one file, for all that reads files. The ids of each run
follow those of the run before it. The merged file says which runs it is made of; it cannot be resumed. Its tables are
compressed, so that one FILE alone gives a compressed copy of a finished run.
"""


def add_merge(commands: _SubParsersAction[argparse.ArgumentParser], modules: argparse.ArgumentParser) -> None:
    """Add the subcommand; ``modules`` is the parent parser with ``--import``."""
    parser = commands.add_parser(
        "merge", parents=[modules], help="write several runs into one file", description=_DESCRIPTION
    )
    parser.add_argument("output", type=user_path, metavar="OUTPUT", help="file to be made")
    parser.add_argument("files", type=user_path, nargs="+", metavar="FILE", help="population files")
    parser.add_argument(
        "--free",
        action="append",
        default=[],
        metavar="NAME",
        help="a setting of the fitness that may differ, such as fitness.n_images; fitness.seed always may",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it is there")
    parser.set_defaults(run=_merge)


def _merge(options: argparse.Namespace) -> None:
    merge_runs(options.output, options.files, free=options.free, overwrite=options.overwrite)
    with HDF5Store.read(options.output) as store:
        n_runs = len(store.sources)
        print(f"{options.output}: {store.n_evaluated:,} evaluated individuals of {n_runs} run{'s' * (n_runs > 1)}")
