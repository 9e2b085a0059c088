"""``deap-nas check``: whether a population file holds what its format promises."""

from __future__ import annotations

import argparse
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from deap_nas.errors import GenotypeError, MissingExtraError, StoreError, UnknownNameError
from deap_nas.graph import JOINS, OperationValue, graphs_of, label_of
from deap_nas.search_space.origins import explain
from deap_nas.store import HDF5Store, find_problems
from deap_nas.store.hdf5.lock import WriterLock
from deap_nas.store.recorded_spaces import check_known
from deap_nas.template import template_from_dict

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_check"]

#: Channels (of the input, of the cell) and pixels a side, on which operations are compared with their modules.
_CHANNELS = ((16, 16), (48, 16), (32, 32))
_SIZE = 16
_DESCRIPTION = """\
Check that a population file holds what its format promises: ids, genes, parents, fitness, times, the sizes of networks,
reused fitness, the state of the random generator; with --all also what the operations say of their parameters, their
output's shape and their FLOPs, by their modules. Each kind of problem is one line, with the ids of the individuals.
The exit status is 1 if there is any. Rows that a kill has left half done are no problem: they do not count. Of a search
that runs, what it may change in the meantime is not checked: who is alive, and the state of the random generator.
"""


def add_check(commands: _SubParsersAction[argparse.ArgumentParser], file: argparse.ArgumentParser) -> None:
    """Add the subcommand; ``file`` is the parent parser with the population file."""
    parser = commands.add_parser(
        "check", parents=[file], help="say whether a file holds what it should", description=_DESCRIPTION
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="look at every network, about a millisecond each (default: at 500 of each kind, drawn at random), and "
        "compare the layers of the operations with their modules, for which torch is needed",
    )
    parser.set_defaults(run=_check)


def _unknown_name(store: HDF5Store) -> str:
    """What keeps the networks of a file from being looked at; empty if nothing does."""
    try:
        check_known(store.space, store.sessions)
        with suppress(KeyError, TypeError, ValueError):  # of a fitness without one
            template_from_dict(store.settings["fitness"]["template"])
    except UnknownNameError as error:
        return str(explain(error, store.sessions))
    return ""


def _operation_problems(store: HDF5Store) -> list[str]:
    """Print what operations of the file say of themselves that their modules do not, and give it."""
    try:
        from deap_nas.assembly.claims import judge_operation
    except MissingExtraError as error:
        print(f"the operations were not compared with their modules: {error}")
        return []
    problems = []
    for name in _operations(store):
        verdicts = [judge_operation(name, *channels, size=_SIZE) for channels in _CHANNELS]
        false_claims = [claim for verdict in verdicts for claim in verdict.false_claims]
        unchecked = [verdict.unchecked for verdict in verdicts if verdict.unchecked]
        problems += [f"operation {name!r} {claim}" for claim in false_claims[:1]]
        if unchecked:
            print(f"operation {name!r} was not compared with its module: {unchecked[0]}")
    print(*problems, sep="\n", end="\n" if problems else "")
    return problems


def _operations(store: HDF5Store) -> list[str | OperationValue]:
    """The operations in the graphs of all individuals."""
    found: set[str | OperationValue] = set()
    for genes in set(map(tuple, store.column("genes").tolist())):
        with suppress(GenotypeError):  # told already
            graphs = graphs_of(store.space.lower(store.space.decode(genes)))
            found.update(node.operation for graph in graphs for node in graph.nodes[graph.n_inputs :])
    return sorted(found - set(JOINS), key=label_of)


def _check(options: argparse.Namespace) -> None:
    is_running = WriterLock.is_held(options.file)
    with HDF5Store.read(options.file) as store:
        problems: list[Any] = [*find_problems(store, everything=options.all)]
        for problem in problems:
            print(problem)
        unknown = _unknown_name(store)
        if unknown:
            print(f"the networks were not looked at: {unknown}")
        elif options.all:
            problems += _operation_problems(store)
        for table in ("individuals", "submissions", "errors"):
            if store.n_torn(table) and not is_running:
                print(f"{store.n_torn(table)} torn rows at the end of {table} do not count: a kill has left them")
        n_evaluated, n_pending = store.n_evaluated, store.n_submitted - store.n_evaluated
    if problems:
        kinds = "one kind" if len(problems) == 1 else f"{len(problems)} kinds"
        raise StoreError(f"{options.file} has {kinds} of problems")
    extent = ", as far as it was looked at" if unknown else ""
    print(f"{options.file} is sound{extent}: {n_evaluated:,} evaluated, {n_pending:,} pending")
