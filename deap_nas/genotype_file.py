"""Genotypes as JSON files, for people and for other programs. Reading one runs none of its content."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deap_nas.errors import ExportError, UnknownNameError
from deap_nas.genotype import Genotype
from deap_nas.graph import canonical_key
from deap_nas.search_space import SearchSpace, space_from_dict
from deap_nas.search_space.origins import explain, origins
from deap_nas.template import NetworkTemplate, cost

__all__ = ["load_genotype", "save_genotype"]

_FORMAT = "deap_nas genotype"
_FORMAT_VERSION = 1


def save_genotype(
    path: str | os.PathLike[str],
    space: SearchSpace,
    genes: Sequence[int],
    template: NetworkTemplate,
    *,
    source: Mapping[str, Any] | None = None,
) -> None:
    """Write a genotype with its search space, its template, its cost and its canonical key.

    Args:
        path: of the file, whose folder is there; a file that is there is replaced.
        space: the search space.
        genes: the genes of one individual.
        template: the network around the cell.
        source: where the genotype came from, as JSON can hold it.

    Raises:
        GenotypeError: the genes do not belong to the space.
        NotViableError: no path leads from the cell's input to its output.
    """
    fields = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "genes": list(Genotype(genes)),
        "space": space.to_dict(),
        "template": template.to_dict(),
        "cost": asdict(cost(space, genes, template)),
        "canonical_key": canonical_key(space, genes),
        "source": dict(source or {}),
        "origins": origins(among={space.to_dict()["kind"], *(node.operation for node in space.lower(genes).nodes)}),
    }
    path = Path(path)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    beside.replace(path)


def load_genotype(path: str | os.PathLike[str]) -> tuple[SearchSpace, Genotype, NetworkTemplate]:
    """Read what :func:`save_genotype` wrote; its cost, its key and its source are not read.

    Args:
        path: of the file.

    Returns:
        The search space, the genes and the template.

    Raises:
        ExportError: it is no such file, or of another version.
        UnknownNameError: an operation, or the kind of the search space, is not registered; the message says where it
            came from, as far as the file does.
        GenotypeError: the genes do not belong to the space.
        OSError: it cannot be opened.
    """
    try:
        fields = json.loads(Path(path).read_text(encoding="utf-8"))
        found = (fields["format"], fields["format_version"])
        if found != (_FORMAT, _FORMAT_VERSION):
            raise ExportError(f"{path} is a {found[0]!r} of version {found[1]}, expected {_FORMAT!r} of version 1")
        space = space_from_dict(fields["space"])
        genes = Genotype(fields["genes"])
        template = NetworkTemplate.from_dict(fields["template"])
    except UnknownNameError as error:
        raise explain(error, [fields]) from None
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        raise ExportError(f"{path} is no genotype file: {error!r}") from error
    space.validate(genes)
    return space, genes, template
