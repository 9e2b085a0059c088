"""Drawings of genotypes: motif by motif, as in the appendix of Liu 2018 <https://arxiv.org/abs/1711.00436>, or whole.

Lengths are typographic points, 1/72 inch, from the figure's size down to its lines: a drawing prints well unscaled.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from deap_nas.errors import NotViableError, UnknownNameError
from deap_nas.extras import require
from deap_nas.files import replacing, user_path
from deap_nas.report.motif_page import MotifPicture, draw_motifs
from deap_nas.report.network_drawing import NetworkPicture, draw_network
from deap_nas.search_space import SearchSpace
from deap_nas.template import Template, plan_network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_genotype", "picture_of", "save_drawing", "save_figure"]

#: Metadata that would make two equal pictures differ, by suffix of the file.
_UNDATED = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def draw_genotype(
    space: SearchSpace, genes: Sequence[int] | Any, *, template: Template | None = None, title: str = ""
) -> Figure:
    """Draw a genotype: every motif, the cell first, or where ``space.is_network`` the network layer by layer.

    Of a motif an edge has its operation's colour and dashes, the same ones in every picture; one that the network does
    not use is grey and dashed, and a motif that it does not use is grey as a whole. Channels and strides that
    operations have of their own are told on the edges only: ``3x3, 32, /2`` is a 3x3 convolution to 32 channels with a
    stride of 2. A motif with more than 15 edges of which more than 8 pass a node carries no names of operations, only
    their colours, and of the motifs on its edges only the numbers.

    Whole networks are drawn as :func:`draw_network` says; one whose output cannot be reached, or with an operation that
    is not registered, whose layers nobody knows, is drawn as a motif.

    Args:
        space: the search space of the genes.
        genes: the genotype.
        template: of a whole network, see :func:`draw_network`; motifs have none.
        title: text above the drawing.

    Returns:
        A figure as large as its content needs, with one axes a motif.

    Raises:
        GenotypeError: the genes do not belong to the space.
        SettingsError: a whole network is too large to be drawn, see :func:`draw_network`, or does not fit into the
            template.
        MissingExtraError: matplotlib, or igraph for a whole network, is not installed.
    """
    require("matplotlib", extra="report")
    if space.is_network:
        with suppress(NotViableError, UnknownNameError):
            return draw_network(space, genes, template, title=title)
    return draw_motifs(space.motifs_of(genes), title=title)


def picture_of(space: SearchSpace, genes: Any, *, template: Template | None = None) -> NetworkPicture | MotifPicture:
    """Make a picture of a genotype that can stand beside others, drawn as :func:`draw_genotype` does.

    Raises:
        GenotypeError: the genes do not belong to the space.
        SettingsError: see :func:`draw_genotype`.
        MissingExtraError: likewise.
    """
    if space.is_network:
        with suppress(NotViableError, UnknownNameError):
            return NetworkPicture(plan_network(space, genes, template or space.default_template()).steps, note=False)
    return MotifPicture(space.motifs_of(genes))


def save_drawing(
    space: SearchSpace,
    genes: Sequence[int] | Any,
    paths: Iterable[str | os.PathLike[str]],
    *,
    template: Template | None = None,
    title: str = "",
) -> None:
    """Draw a genotype, as :func:`draw_genotype` does, into one file or several.

    The same genes give the same bytes, SVG and PDF included. Text in an SVG file stays text.

    Args:
        space: the search space of the genes.
        genes: the genotype.
        paths: files to write, each in the format of its suffix, such as ``.png``, ``.svg`` or ``.pdf``;
            PNG without one.
        template: of a whole network, see :func:`draw_network`.
        title: text above the drawing.

    Raises:
        GenotypeError: the genes do not belong to the space.
        SettingsError: a whole network is too large to be drawn, see :func:`draw_network`, or does not fit into the
            template.
        MissingExtraError: matplotlib, or igraph for a whole network, is not installed.
        StorageError: a file cannot be written; one that is there stays as it was.
        ValueError: matplotlib has no format with that suffix.
    """
    save_figure(draw_genotype(space, genes, template=template, title=title), paths)


def save_figure(figure: Figure, paths: Iterable[str | os.PathLike[str]], *, dpi: float = 200) -> None:
    """Write a figure of matplotlib into one file or several, each whole or not at all.

    The same figure gives the same bytes, SVG and PDF included. Text in an SVG file stays text.

    Args:
        figure: a figure, such as one of your own.
        paths: files to write, each in the format of its suffix, such as ``.png``, ``.svg`` or ``.pdf``;
            PNG without one. ``~`` is the home folder.
        dpi: pixels an inch, where the format has pixels.

    Raises:
        MissingExtraError: matplotlib is not installed.
        StorageError: a file cannot be written; one that is there stays as it was.
        ValueError: matplotlib has no format with that suffix.
    """
    settings = {"svg.hashsalt": "deap_nas", "svg.fonttype": "none"}
    with require("matplotlib", extra="report").rc_context(settings):
        for path in map(user_path, paths):
            kind = path.suffix.lower()
            with replacing(path) as partial:
                figure.savefig(partial, format=kind[1:] or "png", dpi=dpi, metadata=_UNDATED.get(kind))
