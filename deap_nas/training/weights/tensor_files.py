"""Tensors in files without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from deap_nas.assembly.weights import read_tensors
from deap_nas.errors import StoreError
from deap_nas.files import replacing

__all__ = ["load_tensors", "save_tensors", "write_tensors"]


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], **metadata: Any) -> None:
    """Write tensors as safetensors in the place of the file that is there, with each ``metadata`` as JSON text.

    Raises:
        StorageError: it cannot be written.
    """
    with replacing(path) as partial:
        write_tensors(partial, tensors, **metadata)


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], **metadata: Any) -> None:
    """Write tensors as safetensors, with each ``metadata`` as JSON text, into a new file."""
    texts = {name: json.dumps(value) for name, value in metadata.items()}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, texts)


def load_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read what :func:`save_tensors` wrote: the tensors, on the CPU, and the metadata.

    Raises:
        StoreError: it is no such file.
    """
    try:
        return read_tensors(path)
    except ValueError as error:
        raise StoreError(f"{path} cannot be read: {error}; remove it to begin its run anew") from error
