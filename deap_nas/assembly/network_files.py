"""A network as files that run without this package: a program of ``torch.export``, and ONNX.

Each file is read back and run against the network before it takes its place, so a file that is there is right.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from deap_nas.assembly.network import build_network
from deap_nas.assembly.weights import read_weights
from deap_nas.errors import ExportError
from deap_nas.extras import check_installed, require
from deap_nas.files import make_folder, naming, user_path
from deap_nas.search_space import SearchSpace
from deap_nas.template import Template

__all__ = ["ExportedFile", "export_network"]

#: Everything that an export may write; of large networks ONNX keeps the weights in a second file.
_NAMES = ("network.pt2", "network.onnx", "network.onnx.data")
#: Largest difference between the logits of the network and of its file, in rounding errors of the network itself.
_TOLERANCE = 10
#: Images in the batches that a file is checked with.
_CHECKED_BATCHES = (1, 3)


@dataclass(frozen=True)
class ExportedFile:
    """A file that has been checked."""

    path: Path
    #: Largest absolute difference between its logits and the network's.
    difference: float
    #: Largest absolute difference between the network's own logits in float32 and in float64: how far rounding alone
    #: leads away, which is much for a badly conditioned network.
    rounding: float


def export_network(
    space: SearchSpace,
    genes: Any,
    template: Template,
    *,
    weights: str | os.PathLike[str] | Mapping[str, torch.Tensor] | None,
    folder: str | os.PathLike[str],
    onnx: bool = True,
    seed: int = 0,
    classes: Sequence[str] | None = None,
) -> tuple[ExportedFile, ...]:
    """Write a network, in evaluation mode and for batches of any size, as files that need nothing of this package.

    ``network.pt2`` is for ``torch.export.load``, ``network.onnx`` for any runtime of ONNX; its input is called
    ``images``, its output ``logits``. Each is loaded again and compared with the network on random images.

    Args:
        space: the search space.
        genes: the genotype of one individual.
        template: the fixed part of the network; its ``image_size`` is that of the files.
        weights: the network's ``state_dict()``, or a safetensors file with it, labelled with the same space, genes and
            template; None for random weights, with batch normalisation fitted to random images.
        folder: where the files go; made if need be. Files of an earlier export are replaced.
        onnx: whether to write ONNX as well.
        seed: of the random weights and images.
        classes: names of the classes, in the order of the logits. The files carry them as a JSON list: the program as
            its extra file ``classes.json``, ONNX as the entry ``classes`` of its metadata.

    Raises:
        GenotypeError: the genes do not belong to the space.
        NotViableError: no path leads from an input to the output.
        ExportError: the weights belong to another network, or a file computes something else than the network.
        MissingExtraError: safetensors, onnx, onnxscript or onnxruntime is not installed.
        StorageError: a file cannot be written; those of an earlier export stay as they were.
        OSError: the weights cannot be read.
    """
    if onnx:
        for package in ("onnx", "onnxscript", "onnxruntime"):
            check_installed(package, extra="export")
    folder = user_path(folder)
    network = _network(space, genes, template, weights, seed)
    images = [_random_images(template, n_images, seed) for n_images in _CHECKED_BATCHES]
    make_folder(folder)
    with naming(folder), torch.no_grad(), TemporaryDirectory(dir=folder, prefix=".export-") as beside:
        reference = _Reference(network, images)
        program = torch.export.export(network, (images[-1],), dynamic_shapes=({0: Dim("batch")},))
        names = None if classes is None else json.dumps(list(classes))
        _save_program(program, Path(beside, "network.pt2"), names)
        files = [reference.check(Path(beside, "network.pt2"))]
        if onnx:
            _save_onnx(program, Path(beside, "network.onnx"), names)
            files.append(reference.check(Path(beside, "network.onnx")))
        _replace(Path(beside), folder)
    return tuple(replace(file, path=folder / file.path.name) for file in files)


def _network(
    space: SearchSpace,
    genes: Any,
    template: Template,
    weights: str | os.PathLike[str] | Mapping[str, torch.Tensor] | None,
    seed: int,
) -> nn.Module:
    """The network in evaluation mode, its weights laid out as files have them."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed seeds those of GPUs, too
        network = build_network(space, genes, template)
    if weights is None:
        _fit_normalisation(network, _random_images(template, 4, seed))
    elif isinstance(weights, Mapping):
        _fill(network, weights, "what was given")
    else:
        labels = {"space": space.to_dict(), "genes": space.encode(genes).tolist(), "template": template.to_dict()}
        _load(network, user_path(weights), labels)
    return network.eval().to(memory_format=torch.contiguous_format)


def _random_images(template: Template, n_images: int, seed: int) -> torch.Tensor:
    shape = (n_images, template.image_channels, template.image_size, template.image_size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def _fit_normalisation(network: nn.Module, images: torch.Tensor) -> None:
    """Give batch normalisation the statistics of some images: without, the logits hardly depend on the image."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # all of the batch's statistics, not a tenth
    network.train()(images)


def _load(network: nn.Module, path: Path, labels: dict[str, Any]) -> None:
    weights = read_weights(path)
    for name, expected in json.loads(json.dumps(labels)).items():
        if weights.labels[name] != expected:
            raise ExportError(
                f"{path} holds the weights of another network: its {name} is {weights.labels[name]}, not {expected}"
            )
    _fill(network, weights.tensors, path)


def _fill(network: nn.Module, tensors: Mapping[str, torch.Tensor], source: object) -> None:
    shapes, found_shapes = (
        {(name, *value.shape) for name, value in each.items()} for each in (network.state_dict(), tensors)
    )
    if shapes != found_shapes:
        name, *shape = min(shapes ^ found_shapes)
        raise ExportError(f"{source} does not fit the network: {name} of shape {shape} is missing, or too many")
    network.load_state_dict(dict(tensors))


def _save_program(program: ExportedProgram, path: Path, classes: str | None) -> None:
    data = BytesIO()  # of a file on a full disk torch would tell nothing, and might end the process
    torch.export.save(program, data, extra_files={"classes.json": classes} if classes else None)
    path.write_bytes(data.getbuffer())


def _save_onnx(program: ExportedProgram, path: Path, classes: str | None) -> None:
    exported = torch.onnx.export(
        program,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: Dim("batch")},),  # for the name alone: the program knows that it is dynamic
        dynamo=True,
        verbose=False,
    )
    if exported is None:
        raise ExportError("torch.onnx gave no program")  # it does so only where it is told to write a file
    if classes is not None:
        exported.model.metadata_props["classes"] = classes
    exported.save(path, external_data=False)  # but where a single file cannot hold the weights


class _Reference:
    """What the network gives for some images, and how far a file may be from that.

    A deep network blows the rounding errors of float32 up, some much more than others; float64 shows how much.
    """

    def __init__(self, network: nn.Module, images: Sequence[torch.Tensor]) -> None:
        self._images = images
        self._logits = torch.cat([network(batch) for batch in images])
        exact = deepcopy(network).double()
        rounding = self._logits - torch.cat([exact(batch.double()) for batch in images])
        least = torch.finfo(torch.float32).eps * self._logits.abs().max()
        self._rounding = float(rounding.abs().max())
        self._limit = _TOLERANCE * max(self._rounding, float(least))

    def check(self, path: Path) -> ExportedFile:
        """Run a file on the images.

        Raises:
            ExportError: it does not compute what the network does.
        """
        run = _run_onnx if path.suffix == ".onnx" else _run_program
        difference = float((torch.cat(run(path, self._images)) - self._logits).abs().max())
        if not difference <= self._limit:  # also when it is NaN
            raise ExportError(
                f"{path.name} was not written: its logits differ from the network's by {difference:.3g}, "
                f"more than {self._limit:.3g}"
            )
        return ExportedFile(path, difference, self._rounding)


def _run_program(path: Path, images: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    program = torch.export.load(path).module()
    return [program(batch) for batch in images]


def _run_onnx(path: Path, images: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    onnxruntime = require("onnxruntime", extra="export")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return [torch.from_numpy(session.run(["logits"], {"images": batch.numpy()})[0]) for batch in images]


def _replace(beside: Path, folder: Path) -> None:
    """Move the files into the folder; of an earlier export nothing stays."""
    for name in _NAMES:
        if Path(beside, name).exists():
            Path(beside, name).replace(folder / name)
        else:
            Path(folder, name).unlink(missing_ok=True)
