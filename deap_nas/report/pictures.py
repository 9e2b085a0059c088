"""Pictures of individuals of a population file, beside it unless told otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deap_nas.errors import NASError
from deap_nas.evaluation import Status
from deap_nas.facts.summary import best_id, member
from deap_nas.files import beside
from deap_nas.report.draw import save_drawing
from deap_nas.store import HDF5Store
from deap_nas.template import Template, plan_network, template_from_dict

__all__ = ["draw_best", "draw_member", "template_of"]


def draw_member(store: HDF5Store, number: int, *, paths: Iterable[Path] | None = None) -> list[Path]:
    """Draw an individual, as :func:`draw_genotype` does; of a whole network, with the shapes that it had in the search.

    Args:
        store: the file.
        number: id of the individual.
        paths: of the pictures, each in the format of its suffix; by default FILE with -idN.png and -idN.svg.

    Returns:
        The pictures.

    Raises:
        StoreError: no evaluated individual has that id.
        MissingExtraError: matplotlib is not installed, or igraph for a whole network.
        ValueError: matplotlib has no format with that suffix.
        StorageError: a picture cannot be written; one that is there stays as it was.
    """
    fields = member(store, number)
    own = (beside(store.path, f"-id{number}{ending}") for ending in (".png", ".svg"))
    pictures = list(own if paths is None else paths)
    values = ", ".join(f"{value:.4f}" for value in fields["fitness"])
    fitness = f", fitness {values}" if fields["status"] == Status.OK.name else ""  # the others have none of their own
    genotype = store.space.decode(fields["genes"])
    title = f"individual {number}, {fields['status']}{fitness}"
    save_drawing(store.space, genotype, pictures, template=template_of(store, number, genotype), title=title)
    return pictures


def template_of(store: HDF5Store, number: int, genotype: Any) -> Template | None:
    """Template in which an individual was evaluated; None where the file's settings do not tell it.

    A stranger's file may say anything there: what cannot be read, or takes no such genotype, is as good as nothing.

    Args:
        store: the file.
        number: id of the individual.
        genotype: of the individual.
    """
    fitness = store.settings_of(number).get("fitness")
    fields = fitness.get("template") if isinstance(fitness, Mapping) else None
    if not isinstance(fields, dict) or not store.space.is_network:
        return None
    try:
        template = template_from_dict(fields)
        plan_network(store.space, genotype, template).cost  # noqa: B018 - whether it takes the genotype
    except (NASError, TypeError, ValueError):
        return None
    return template


def draw_best(store: HDF5Store) -> list[Path]:
    """Draw the fittest individual, as :func:`draw_member` does.

    Returns:
        The pictures, as PNG and SVG; none where no evaluation has succeeded.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    number = best_id(store)
    return [] if number is None else draw_member(store, number)
