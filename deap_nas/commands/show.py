"""``deap-nas report``: one run or several as a page to keep."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from deap_nas.files import beside, user_path
from deap_nas.page import write_page

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_report"]

_DESCRIPTION = """\
Make a page that shows what a run found and how: the best network, fitness over time, the population and the line of the
best, operations and changes, workers, failures, and each individual with its drawing. Several files are shown side by
side. The page is one file that opens in any browser, without a network, such as from a mail. It works while the search
runs; deap-nas serve shows the same, live.
"""


def add_report(commands: _SubParsersAction[argparse.ArgumentParser], modules: argparse.ArgumentParser) -> None:
    """Add the subcommand; ``modules`` is the parent parser with ``--import``."""
    parser = commands.add_parser(
        "report", parents=[modules], help="make a page that shows one run or several", description=_DESCRIPTION
    )
    parser.add_argument("files", type=user_path, nargs="+", metavar="FILE", help="population file")
    parser.add_argument(
        "--output", type=user_path, metavar="PAGE", help="where to, ends with .html (default: first FILE with .html)"
    )
    parser.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> None:
    output = options.output or beside(options.files[0], ".html")
    write_page(options.files, output)
    print(output)
