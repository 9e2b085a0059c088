"""The ``deap-nas`` command: look into population files, and take networks out of them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import suppress

import deap_nas
from deap_nas.commands import (
    add_check,
    add_export,
    add_id,
    add_lineage,
    add_merge,
    add_replay,
    add_report,
    add_retrain,
    add_serve,
    add_table,
    add_test,
    add_watch,
    chosen_member,
    import_modules,
)
from deap_nas.errors import NASError, SettingsError, UnknownNameError
from deap_nas.files import user_path
from deap_nas.output import guarded_output
from deap_nas.report import draw_member, in_words, summarise
from deap_nas.search_space.origins import explain
from deap_nas.store import HDF5Store

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line; by default the process's own.

    Returns:
        The exit status: 0, 1 after an error that one line on standard error tells, or 130 after Ctrl-C.

    Raises:
        SystemExit: the arguments are wrong, help was asked for, or who reads the output has gone.
    """
    try:
        with guarded_output():
            options = _parser().parse_args(arguments)
            import_modules(options.modules)
            _run(options)
    except (NASError, OSError) as error:
        with suppress(OSError):
            print(f"deap-nas: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("deap-nas: stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deap-nas", description="Look into the population file of a search, and take networks out of it."
    )
    parser.add_argument("--version", action="version", version=f"deap-nas {deap_nas.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    modules = argparse.ArgumentParser(add_help=False)
    modules.add_argument(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="import a module first, one that registers operations or search spaces of your own: by its name, or by "
        "the path of its .py file",
    )
    file = argparse.ArgumentParser(add_help=False, parents=[modules])
    file.add_argument("file", type=user_path, metavar="FILE", help="population file")
    info = commands.add_parser("info", parents=[file], help="say what a file holds; works while the search runs")
    info.add_argument("--json", action="store_true", help="print everything as JSON")
    info.set_defaults(run=_info)
    draw = commands.add_parser("draw", parents=[file], help="draw the motifs or the network of an individual")
    add_id(draw)
    draw.add_argument(
        "--output",
        type=user_path,
        metavar="PICTURE",
        help="where to, in the format its ending says (default: FILE with -idN.png and -idN.svg)",
    )
    draw.set_defaults(run=_draw)
    add_lineage(commands, file)
    add_watch(commands, file)
    add_check(commands, file)
    add_merge(commands, modules)
    add_report(commands, modules)
    add_serve(commands, modules)
    add_table(commands, file)
    add_replay(commands, file)
    add_retrain(commands, file)
    add_test(commands, file)
    add_export(commands, file)
    return parser


def _run(options: argparse.Namespace) -> None:
    """Run the subcommand; of a name that is not registered, say where the population file has it from."""
    try:
        options.run(options)
    except UnknownNameError as error:
        for path in [options.file] if "file" in options else options.files:
            with suppress(NASError), HDF5Store.read(path) as store:
                explain(error, store.sessions)
                break
        raise


def _info(options: argparse.Namespace) -> None:
    with HDF5Store.read(options.file) as store:
        summary = summarise(store)
        if options.json:
            print(json.dumps(summary, indent=2))
            return
        print(in_words(summary))


def _draw(options: argparse.Namespace) -> None:
    with HDF5Store.read(options.file) as store:
        fields = chosen_member(store, options)
        try:
            paths = draw_member(store, fields["id"], paths=options.output and [options.output])
        except ValueError as error:  # matplotlib's, which lists the formats it knows
            raise SettingsError(f"no picture drawn: {error}") from error
    print("\n".join(map(str, paths)))


if __name__ == "__main__":
    sys.exit(main())
