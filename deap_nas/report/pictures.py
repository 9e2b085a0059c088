"""Pictures of individuals of a population file, beside it unless told otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deap_nas.evaluation import Status
from deap_nas.files import beside
from deap_nas.report.draw import save_drawing
from deap_nas.report.summary import best_id, member
from deap_nas.store import HDF5Store

__all__ = ["draw_best", "draw_member"]


def draw_member(store: HDF5Store, number: int, *, paths: Iterable[Path] | None = None) -> list[Path]:
    """Draw an individual.

    Args:
        store: the file.
        number: id of the individual.
        paths: of the pictures, each in the format of its suffix; by default FILE with -idN.png and -idN.svg.

    Returns:
        The pictures.

    Raises:
        StoreError: no evaluated individual has that id.
        MissingExtraError: matplotlib is not installed.
        ValueError: matplotlib has no format with that suffix.
        StorageError: a picture cannot be written; one that is there stays as it was.
    """
    fields = member(store, number)
    own = (beside(store.path, f"-id{number}{ending}") for ending in (".png", ".svg"))
    pictures = list(own if paths is None else paths)
    values = ", ".join(f"{value:.4f}" for value in fields["fitness"])
    fitness = f", fitness {values}" if fields["status"] == Status.OK.name else ""  # the others have none of their own
    genotype = store.space.decode(fields["genes"])
    save_drawing(store.space, genotype, pictures, title=f"individual {number}, {fields['status']}{fitness}")
    return pictures


def draw_best(store: HDF5Store) -> list[Path]:
    """Draw the fittest individual, as :func:`draw_member` does.

    Returns:
        The pictures, as PNG and SVG; none where no evaluation has succeeded.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    number = best_id(store)
    return [] if number is None else draw_member(store, number)
