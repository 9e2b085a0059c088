"""Weights of trained networks, as safetensors files: tensors by name and strings, no code."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

import torch

from deap_nas.errors import ExportError
from deap_nas.extras import require
from deap_nas.files import user_path
from deap_nas.template import Template, template_from_dict

__all__ = ["Weights", "read_tensors", "read_weights"]


#: What a file of weights must say.
_LABELS = ("space", "genes", "template")


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a safetensors file whose metadata hold JSON: its tensors, on the CPU, and its metadata.

    Raises:
        ValueError: it is no such file.
        MissingExtraError: safetensors is not installed.
        OSError: it cannot be opened.
    """
    safetensors = require("safetensors", extra="torch")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            return tensors, {name: json.loads(text) for name, text in (file.metadata() or {}).items()}
    except (RecursionError, safetensors.SafetensorError) as error:
        raise ValueError(str(error)) from error


class Weights(NamedTuple):
    """What a file of weights holds."""

    #: ``to_dict()`` of the search space, ``genes``, ``to_dict()`` of the template, and whatever else is known.
    labels: dict[str, Any]
    template: Template
    #: The network's ``state_dict()``.
    tensors: dict[str, torch.Tensor]


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """Read the weights of a trained network, with what they are labelled with. Runs none of the file's content.

    Args:
        path: of a safetensors file, whose metadata hold JSON: ``space``, ``genes``, ``template`` and more, such as the
            ``normalisation`` of the images.

    Raises:
        ExportError: it is no such file.
        UnknownNameError: the kind of its template is not registered.
        MissingExtraError: safetensors is not installed.
        OSError: it cannot be opened.
    """
    path = user_path(path)
    try:
        tensors, labels = read_tensors(path)
        missing = [name for name in _LABELS if name not in labels]
        if missing:
            raise ExportError(f"{path} does not say which network it belongs to: it has no {', '.join(missing)}")
        return Weights(labels, template_from_dict(labels["template"]), tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(f"{path} cannot be read as weights: {error!r}") from error
