"""What produced a population file: versions, machine, command."""

from __future__ import annotations

import os
import platform
import sys
import time
from typing import Any

from deap_nas.search_space.origins import origins

__all__ = ["provenance"]

_PACKAGES = (
    "deap-nas",
    "deap",
    "numpy",
    "torch",
    "torchvision",
    "scikit-learn",
    "safetensors",
    "mpi4py",
    "h5py",
    "pebble",
)


def provenance() -> dict[str, Any]:
    """Describe this process, as JSON can hold it."""
    return {
        "started": time.time(),
        "command": sys.argv,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "host": platform.node(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "clock": "monotonic",
        "origins": origins(),
    }


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # slow to import, and few need it

    try:
        return version(package)
    except PackageNotFoundError:
        return None
