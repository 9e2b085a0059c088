"""``deap-nas table``: the individuals of a population file as a table for other programs."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from deap_nas.files import user_path
from deap_nas.store import HDF5Store, save_table, write_csv

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_table"]

_DESCRIPTION = """\
Write the evaluated individuals as a table, one row each: id, parent, status, fitness, scores, sizes, times, genes,
error. It works while the search runs. In Python, deap_nas.store.to_frame(FILE) gives the table as a pandas DataFrame.
"""


def add_table(commands: _SubParsersAction[argparse.ArgumentParser], file: argparse.ArgumentParser) -> None:
    """Add the subcommand; ``file`` is the parent parser with the population file."""
    parser = commands.add_parser(
        "table", parents=[file], help="write the individuals as CSV or Parquet", description=_DESCRIPTION
    )
    parser.add_argument(
        "--output",
        type=user_path,
        metavar="TABLE",
        help="where to: a name that ends with .csv or .parquet (default: CSV on standard output)",
    )
    parser.set_defaults(run=_table)


def _table(options: argparse.Namespace) -> None:
    with HDF5Store.read(options.file) as store:
        if options.output is None:
            write_csv(store, sys.stdout)
            return
        save_table(store, options.output)
        print(f"{options.output}: {store.n_evaluated:,} rows")
