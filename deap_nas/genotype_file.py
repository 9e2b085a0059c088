"""Genotypes as JSON files, for people and for other programs. Reading one runs none of its content."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from deap_nas.errors import ExportError, UnknownNameError
from deap_nas.files import save_json, user_path
from deap_nas.graph import canonical_key, graphs_of, label_of
from deap_nas.search_space import SearchSpace, space_from_dict
from deap_nas.search_space.origins import explain, origins
from deap_nas.template import Template, cost, template_from_dict

__all__ = ["load_genotype", "save_genotype"]

_FORMAT = "deap_nas genotype"
_FORMAT_VERSION = 1


def save_genotype(
    path: str | os.PathLike[str],
    space: SearchSpace,
    genes: Any,
    template: Template,
    *,
    source: Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
) -> None:
    """Write a genotype with its search space, its template, its cost and its canonical key.

    Args:
        path: of the file, whose folder is there; a file that is there is replaced.
        space: the search space.
        genes: the genotype of one individual; the file has its row.
        template: the fixed part of the network.
        source: where the genotype came from, as JSON can hold it.
        classes: names of the classes that its network tells apart, in the order of the logits, where known.

    Raises:
        GenotypeError: the genes do not belong to the space.
        NotViableError: no path leads from an input to the output.
        StorageError: the file cannot be written.
    """
    fields = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "genes": space.encode(genes).tolist(),
        "space": space.to_dict(),
        "template": template.to_dict(),
        "cost": asdict(cost(space, genes, template)),
        "canonical_key": canonical_key(space, genes),
        "source": dict(source or {}),
        "origins": origins(among=_names(space, genes, template)),
    }
    if classes is not None:
        fields["classes"] = list(classes)
    save_json(user_path(path), fields)


def _names(space: SearchSpace, genotype: Any, template: Template) -> set[str]:
    """Names that somebody else's module may have registered."""
    nodes = (node for graph in graphs_of(space.lower(genotype)) for node in graph.nodes)
    kinds = (each.to_dict().get("kind", "") for each in (space, template))
    return {*kinds, *(label_of(node.operation) for node in nodes)}


def load_genotype(path: str | os.PathLike[str]) -> tuple[SearchSpace, Any, Template]:
    """Read what :func:`save_genotype` wrote; its cost, key, source and classes are not read.

    Args:
        path: of the file.

    Returns:
        The search space, the genotype and the template.

    Raises:
        ExportError: it is no such file, or of another version.
        UnknownNameError: an operation, or the kind of the search space or of the template, is not registered; the
            message says where it came from, as far as the file does.
        GenotypeError: the genes do not belong to the space.
        OSError: it cannot be opened.
    """
    try:
        fields = json.loads(user_path(path).read_text(encoding="utf-8"))
        found = (fields["format"], fields["format_version"])
        if found != (_FORMAT, _FORMAT_VERSION):
            raise ExportError(f"{path} is a {found[0]!r} of version {found[1]}, expected {_FORMAT!r} of version 1")
        space = space_from_dict(fields["space"])
        genes = space.decode(fields["genes"])
        template = template_from_dict(fields["template"])
    except UnknownNameError as error:
        raise explain(error, [fields]) from None
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        raise ExportError(f"{path} is no genotype file: {error!r}") from error
    space.validate(genes)
    return space, genes, template
