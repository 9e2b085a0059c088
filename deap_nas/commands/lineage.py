"""``deap-nas lineage``: the ancestors of an individual, and what each has from its parent and has not."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from deap_nas.commands.options import add_id, chosen_member
from deap_nas.errors import SettingsError
from deap_nas.files import beside, user_path
from deap_nas.report import draw_lineage, lineage, lineage_in_words, save_figure
from deap_nas.store import HDF5Store

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_lineage"]

_DESCRIPTION = """\
Follow the parents of an individual back to the first population: print a table of its ancestors and of what has
changed from each to the next, and draw them among all individuals. It works while the search runs.
"""


def add_lineage(commands: _SubParsersAction[argparse.ArgumentParser], file: argparse.ArgumentParser) -> None:
    """Add the subcommand; ``file`` is the parent parser with the population file."""
    parser = commands.add_parser(
        "lineage", parents=[file], help="tell the ancestors of an individual, and draw them", description=_DESCRIPTION
    )
    add_id(parser)
    parser.add_argument(
        "--output",
        type=user_path,
        metavar="PICTURE",
        help="where to draw to, in the format its ending says (default: FILE with -idN-lineage.png and .svg)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the ancestors as JSON, and draw only where --output says where to"
    )
    parser.set_defaults(run=_lineage)


def _lineage(options: argparse.Namespace) -> None:
    with HDF5Store.read(options.file) as store:
        number = chosen_member(store, options)["id"]
        ancestors = lineage(store, number)
        print(json.dumps(list(map(asdict, ancestors)), indent=2) if options.json else lineage_in_words(ancestors))
        own = [beside(options.file, f"-id{number}-lineage{ending}") for ending in (".png", ".svg")]
        pictures = [options.output] if options.output else [] if options.json else own
        if pictures:
            try:
                save_figure(draw_lineage(store, number), pictures)
            except ValueError as error:  # matplotlib's, which lists the formats it knows
                raise SettingsError(f"no picture drawn: {error}") from error
    if not options.json:
        print("\n".join(map(str, pictures)))
