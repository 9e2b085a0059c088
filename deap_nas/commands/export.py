"""``deap-nas export``: a trained network as files that run without this package."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deap_nas.commands.options import chosen_member, chosen_template, network_folder, network_options
from deap_nas.errors import ExportError, SettingsError
from deap_nas.files import user_path
from deap_nas.genotype_file import load_genotype, save_genotype
from deap_nas.search_space import SearchSpace
from deap_nas.store import HDF5Store
from deap_nas.store.recorded_spaces import check_known
from deap_nas.template import Template, template_from_dict

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from deap_nas.assembly import ExportedFile

__all__ = ["add_export"]

#: Fields of a template that its images decide.
_OF_IMAGES = ("n_classes", "image_channels", "image_size")
#: Difference between logits that is told with its cause.
_ALARMING = 1e-4


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
        type=user_path,
        metavar="WEIGHTS",
        help="safetensors file of a trained network, which also says the template "
        "(default: the first run that deap-nas retrain has left)",
    )
    weights.add_argument(
        "--untrained", action="store_true", help="export random weights, for the images and the classes of the search"
    )
    parser.add_argument(
        "--output",
        type=user_path,
        metavar="FOLDER",
        help="where to (default: beside the weights; untrained, FILE with -idN-TEMPLATE)",
    )
    parser.add_argument("--no-onnx", action="store_true", help="write no ONNX")
    parser.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> None:
    from deap_nas.assembly import export_network

    with HDF5Store.read(options.file) as store:
        check_known(store.space, store.sessions)
        space, fields, searched = store.space, chosen_member(store, options), _searched(store.settings)
    genotype = space.decode(fields["genes"])
    folder = network_folder(options, fields["id"])
    weights = None if options.untrained else options.weights or _first_run(folder)
    template: Template = chosen_template(options, space)
    training: dict[str, Any] = {}
    if weights is not None:
        template, training = _labels(weights, options, space)
    elif images := _described_images(searched):
        template = template.for_images(**images)
    if options.output is None and weights is None:
        _check_genotype(folder, genotype)
    folder = options.output or (folder if weights is None else weights.parent)
    classes = _classes(searched if weights is None else training, template)
    exported = export_network(
        space, genotype, template, weights=weights, folder=folder, onnx=not options.no_onnx, classes=classes
    )
    source = {"file": str(options.file.resolve()), "id": fields["id"], "fitness": fields["fitness"]}
    source |= {"weights": None if weights is None else str(weights.resolve()), "training": training}
    save_genotype(folder / "genotype.json", space, genotype, template, source=source, classes=classes)
    print(folder / "genotype.json")
    for file in exported:
        print(f"{file.path}  largest difference {file.difference:.2g}{_of_rounding(file)}")


def _of_rounding(file: ExportedFile) -> str:
    """What makes a difference that may alarm."""
    if max(file.difference, file.rounding) < _ALARMING:
        return ""
    return f": the network is badly conditioned, float32 itself differs from float64 by {file.rounding:.2g}"


def _check_genotype(folder: Path, genotype: Any) -> None:
    """Check that a folder holds no export of another genotype, as of a run that was there before under the same name.

    Raises:
        ExportError: it does.
    """
    path = folder / "genotype.json"
    if path.exists() and load_genotype(path)[1] != genotype:
        raise ExportError(f"{folder} holds the network of another run: remove it, or choose another with --output")


def _searched(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of the fitness of its search; from a stranger it may be anything."""
    fitness = settings.get("fitness")
    return fitness if isinstance(fitness, dict) else {}


def _described_images(fitness: Mapping[str, Any]) -> dict[str, int]:
    """The images and the classes for which a search made its networks; nothing where the file does not say it."""
    try:
        template = template_from_dict(fitness["template"])
    except (LookupError, TypeError, ValueError):
        return {}
    return {name: getattr(template, name) for name in _OF_IMAGES}


def _classes(described: Mapping[str, Any], template: Template) -> list[str] | None:
    """Names of the classes, where the weights, or else the search, are described with one for each logit."""
    images = described.get("images")
    names = images.get("classes") if isinstance(images, dict) else None
    if not isinstance(names, list) or len(names) != template.n_classes:
        return None
    return names if all(isinstance(name, str) for name in names) else None


def _first_run(folder: Path) -> Path:
    """Weights of the first run of a retraining."""
    runs = [path for path in folder.glob("run*.safetensors") if path.stem[3:].isdigit()]
    if not runs:
        raise ExportError(
            f"{folder} holds no trained network: run deap-nas retrain first, name weights with --weights, or export "
            f"random ones with --untrained"
        )
    return min(runs, key=lambda path: int(path.stem[3:]))


def _labels(weights: Path, options: argparse.Namespace, space: SearchSpace) -> tuple[Template, dict[str, Any]]:
    """Template of the weights, and what else they are labelled with.

    Raises:
        SettingsError: the options describe another template.
    """
    from deap_nas.assembly import read_weights

    labels, template, _ = read_weights(weights)
    if (options.template, options.channels, options.cells) != (None, None, None):
        wanted = chosen_template(options, space).for_images(**{name: getattr(template, name) for name in _OF_IMAGES})
        if wanted != template:
            raise SettingsError(
                f"{weights} has the template {template}, and not {wanted}; "
                f"leave out --template, --channels and --cells to take its own"
            )
    others = {name: value for name, value in labels.items() if name not in ("space", "genes", "template")}
    return template, others
