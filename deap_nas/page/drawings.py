"""Drawings of a page: that of the best as a picture, all others as motifs that the page's scripts draw."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

from deap_nas.errors import MissingExtraError, NASError
from deap_nas.extras import require
from deap_nas.facts.account import printable
from deap_nas.facts.summary import member
from deap_nas.report.draw import draw_genotype
from deap_nas.report.panel import short_label
from deap_nas.report.pictures import template_of
from deap_nas.report.styles import parts_of, styles_of
from deap_nas.search_space import Motif
from deap_nas.store import HDF5Store

__all__ = ["DrawingTable", "drawing_of"]


class DrawingTable:
    """Motifs that many genotypes share, each once, for the page's scripts.

    Attributes:
        motifs: each as its name, whether it is used, the names of its nodes, and four numbers for each edge:
            predecessor and successor from 0, its label's number, and whether the network uses it.
        labels: each as its name, what a drawing writes, and its colour; ``""`` for ink.
    """

    def __init__(self) -> None:
        """Make an empty one."""
        self.motifs: list[Any] = []
        self.labels: list[list[str]] = []
        self._number_of_motif: dict[Motif, int] = {}
        self._number_of_label: dict[str, int] = {}

    def add(self, motifs: Sequence[Motif]) -> list[int]:
        """Add a genotype; gives the numbers of its motifs."""
        return [self._motif(motif) for motif in motifs]

    def _motif(self, motif: Motif) -> int:
        number = self._number_of_motif.get(motif)
        if number is None:
            number = self._number_of_motif[motif] = len(self.motifs)
            names = motif.node_names or tuple(map(str, range(1, motif.n_nodes + 1)))
            edges = [
                part
                for edge in motif.edges
                if edge.label != "none"
                for part in (edge.predecessor - 1, edge.successor - 1, self._label(edge.label), int(edge.used))
            ]
            self.motifs.append([motif.name, int(motif.used), list(names), edges])
        return number

    def _label(self, label: str) -> int:
        number = self._number_of_label.get(label)
        if number is None:
            number = self._number_of_label[label] = len(self.labels)
            kind = parts_of(label)[0]
            colour = "" if label.startswith("motif ") else styles_of([kind])[kind].colour
            self.labels.append([printable(label), printable(short_label(label)), colour])
        return number


def drawing_of(store: HDF5Store, number: int) -> str | None:
    """Draw an individual as SVG, as :func:`~deap_nas.report.draw_member` does; None where that cannot be done.

    Args:
        store: the file.
        number: id of the individual.

    Raises:
        MissingExtraError: matplotlib is not installed, or igraph for a whole network.
    """
    try:
        genotype = store.space.decode(member(store, number)["genes"])
        figure = draw_genotype(store.space, genotype, template=template_of(store, number, genotype))
    except MissingExtraError:
        raise
    except (NASError, ValueError, TypeError):
        return None
    buffer = io.StringIO()
    with require("matplotlib", extra="page").rc_context({"svg.hashsalt": f"deap_nas{number}", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return re.sub(r"^.*?(?=<svg)", "", buffer.getvalue(), count=1, flags=re.DOTALL)
