"""``deap-nas export``: a trained network as files that run without this package."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deap_nas.commands.options import (
    add_weights_dir,
    check_inherits,
    chosen_member,
    chosen_template,
    described_fitness,
    network_folder,
    network_options,
    searched_weights,
)
from deap_nas.errors import ExportError, SettingsError
from deap_nas.files import beside, user_path
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
        "(default: the first run that deap-nas retrain has left; else as with --searched)",
    )
    weights.add_argument(
        "--searched",
        action="store_true",
        help="export the network of the search, in its own template, with the weights that a search with inherited "
        "weights has left",
    )
    weights.add_argument(
        "--untrained", action="store_true", help="export random weights, for the images and the classes of the search"
    )
    parser.add_argument("--repeat", type=int, metavar="N", help="which training of the search (default: 0, the first)")
    add_weights_dir(parser)
    parser.add_argument(
        "--output",
        type=user_path,
        metavar="FOLDER",
        help="where to (default: beside the weights; untrained, FILE with -idN-TEMPLATE; of the search, FILE with "
        "-idN-searched)",
    )
    parser.add_argument("--no-onnx", action="store_true", help="write no ONNX")
    parser.set_defaults(run=_export)


@dataclass(frozen=True)
class _Choice:
    """What is exported, and where to."""

    template: Template
    folder: Path
    #: File of the weights; None for random ones.
    path: Path | None = None
    #: What is known of their training.
    training: Mapping[str, Any] = field(default_factory=dict)
    #: Those of the search; of a retraining they are read from the file.
    tensors: Mapping[str, Any] | None = None
    #: Description that names the classes.
    described: Mapping[str, Any] = field(default_factory=dict)


def _export(options: argparse.Namespace) -> None:
    from deap_nas.assembly import export_network

    with HDF5Store.read(options.file) as store:
        check_known(store.space, store.sessions)
        space, fields = store.space, chosen_member(store, options)
        genotype = space.decode(fields["genes"])
        choice = _choice(store, fields, genotype, options)
    folder = options.output or choice.folder
    if options.output is None and (choice.path is None or choice.tensors is not None):
        _check_genotype(folder, genotype)
    weights = choice.path if choice.tensors is None else choice.tensors
    classes = _classes(choice.described, choice.template)
    exported = export_network(
        space, genotype, choice.template, weights=weights, folder=folder, onnx=not options.no_onnx, classes=classes
    )
    source = {"file": str(options.file.resolve()), "id": fields["id"], "fitness": fields["fitness"]}
    source |= {"weights": None if choice.path is None else str(choice.path.resolve()), "training": choice.training}
    save_genotype(folder / "genotype.json", space, genotype, choice.template, source=source, classes=classes)
    print(folder / "genotype.json")
    for file in exported:
        print(f"{file.path}  largest difference {file.difference:.2g}{_of_rounding(file)}")


def _choice(store: HDF5Store, fields: Mapping[str, Any], genotype: Any, options: argparse.Namespace) -> _Choice:
    """Which weights are exported: those named, random ones, those of a retraining, or those of the search."""
    number = fields["id"]
    searched = described_fitness(store.settings_of(number))
    folder = network_folder(options, number, chosen_template(options, store.space))
    left = searched_weights(store, number, options.weights_dir)
    is_own_template = (options.template, options.channels, options.cells) == (None, None, None)
    has_choice = options.weights is not None or options.untrained or options.searched
    weights = options.weights if has_choice else _first_run(folder)
    is_searched = options.searched
    if weights is None and not has_choice:
        is_searched = is_own_template and searched.get("inherits_weights") is True and left.exists()
        if not is_searched:
            raise ExportError(
                f"{folder} holds no trained network: run deap-nas retrain first, name weights with --weights, or "
                f"export those of the search with --searched or random ones with --untrained"
            )
    if is_searched:
        if not is_own_template:
            raise SettingsError("--searched takes the search's own template: leave out --template, --channels, --cells")
        return _of_search(store, fields, genotype, left, options)
    if options.repeat is not None:
        raise SettingsError("--repeat is for the weights of the search: give --searched as well, or leave it out")
    if weights is None:
        template: Template = chosen_template(options, store.space)
        images = _described_images(searched)
        return _Choice(template.for_images(**images) if images else template, folder, described=searched)
    template, training = _labels(weights, options, store.space)
    return _Choice(template, weights.parent, weights, training, described=training)


def _of_search(
    store: HDF5Store, fields: Mapping[str, Any], genotype: Any, path: Path, options: argparse.Namespace
) -> _Choice:
    """The network of the search, with the weights that it has left.

    Raises:
        SettingsError: the search has left no weights.
        ExportError: they are not there, or are not those of the individual.
    """
    from deap_nas.training import searched_network

    number = fields["id"]
    described = described_fitness(store.settings_of(number))
    check_inherits(described, options.file)
    repeat = options.repeat or 0
    found = searched_network(described, genotype, path, repeat=repeat, seed=store.seed_of(number))
    training = {name: value for name, value in described.items() if name not in ("space", "template")}
    training |= {"repeat": repeat, "scores": fields["scores"], "normalisation": found.normalisation}
    return _Choice(
        template_from_dict(described["template"]),
        beside(options.file, f"-id{number}-searched"),
        path,
        training,
        tensors=found.network.state_dict(),
        described=described,
    )


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


def _first_run(folder: Path) -> Path | None:
    """Weights of the first run of a retraining; None where there is none."""
    runs = [path for path in folder.glob("run*.safetensors") if path.stem[3:].isdigit()]
    return min(runs, key=lambda path: int(path.stem[3:])) if runs else None


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
