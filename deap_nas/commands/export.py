"""``deap-nas export``: a trained network as files that run without this package."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deap_nas.commands.options import chosen_member, chosen_template, network_folder, network_options
from deap_nas.errors import ExportError, SettingsError
from deap_nas.genotype_file import save_genotype
from deap_nas.store import HDF5Store
from deap_nas.store.spaces import check_known
from deap_nas.template import NetworkTemplate

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_export"]


def add_export(commands: _SubParsersAction[argparse.ArgumentParser], file: argparse.ArgumentParser) -> None:
    """Add the subcommand; ``file`` is the parent parser with the population file."""
    parser = commands.add_parser(
        "export",
        parents=[file, network_options()],
        help="write a trained network as files that run without this package",
        description="Write the genotype of an individual as JSON, and its trained network as a program of torch.export "
        "and as ONNX. Both are read back and compared with the network before they take their place.",
    )
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument(
        "--weights",
        type=Path,
        metavar="WEIGHTS",
        help="safetensors file of a trained network, which also says the template "
        "(default: the first run that deap-nas retrain has left)",
    )
    weights.add_argument("--untrained", action="store_true", help="export random weights")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where to (default: beside the weights; untrained, FILE with -idN-TEMPLATE)",
    )
    parser.add_argument("--no-onnx", action="store_true", help="write no ONNX")
    parser.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> None:
    from deap_nas.assembly import export_network

    with HDF5Store.read(options.file) as store:
        check_known(store.space, store.sessions)
        space, fields = store.space, chosen_member(store, options)
    folder = network_folder(options, fields["id"])
    weights = None if options.untrained else options.weights or _first_run(folder)
    template, training = (chosen_template(options), {}) if weights is None else _labels(weights, options)
    folder = options.output or (folder if weights is None else weights.parent)
    exported = export_network(
        space, fields["genes"], template, weights=weights, folder=folder, onnx=not options.no_onnx
    )
    source = {"file": str(options.file), "id": fields["id"], "fitness": fields["fitness"]}
    source |= {"weights": None if weights is None else str(weights), "training": training}
    save_genotype(folder / "genotype.json", space, fields["genes"], template, source=source)
    print(folder / "genotype.json")
    for file in exported:
        print(f"{file.path}  largest difference {file.difference:.2g}")


def _first_run(folder: Path) -> Path:
    """Weights of the first run of a retraining."""
    runs = [path for path in folder.glob("run*.safetensors") if path.stem[3:].isdigit()]
    if not runs:
        raise ExportError(
            f"{folder} holds no trained network: run deap-nas retrain first, name weights with --weights, or export "
            f"random ones with --untrained"
        )
    return min(runs, key=lambda path: int(path.stem[3:]))


def _labels(weights: Path, options: argparse.Namespace) -> tuple[NetworkTemplate, dict[str, Any]]:
    """Template of the weights, and what else they are labelled with.

    Raises:
        SettingsError: the options describe another template.
    """
    from deap_nas.assembly import read_weights

    labels, template, _ = read_weights(weights)
    if (options.template, options.channels, options.cells) != (None, None, None):
        wanted = chosen_template(options)
        if (wanted.stem, wanted.groups) != (template.stem, template.groups):
            raise SettingsError(
                f"{weights} has the stem {template.stem} and the groups {template.groups}, and not {wanted.stem} and "
                f"{wanted.groups}; leave out --template, --channels and --cells to take its own"
            )
    others = {name: value for name, value in labels.items() if name not in ("space", "genes", "template")}
    return template, others
