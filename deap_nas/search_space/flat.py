"""Flat genotypes (Liu 2018, section 2.1): one graph of operations, without motifs in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deap_nas.errors import SettingsError
from deap_nas.graph import PAPER_OPERATIONS
from deap_nas.search_space.hierarchical import HierarchicalSpace

__all__ = ["FlatSpace"]


class FlatSpace(HierarchicalSpace):
    """Flat genotypes: one motif of operations, the cell itself (Liu 2018, section 2.1).

    Args:
        nodes: nodes of the cell.
        operations: names of registered operations, in the order of their gene values from 1.
        merge: how a node joins its incoming values, ``"concat"`` or ``"add"``.

    Raises:
        SettingsError: an argument is out of its range.
        UnknownNameError: an operation is not registered.
    """

    def __init__(self, *, nodes: int = 11, operations: Sequence[str] = PAPER_OPERATIONS, merge: str = "concat") -> None:
        """See the class."""
        super().__init__(motifs=(1,), nodes=(nodes,), operations=operations, merge=merge)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        """Show the arguments that make the space."""
        return f"FlatSpace(nodes={self.nodes[0]}, operations={self.operations}, merge={self.merge!r})"

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> FlatSpace:
        """Make the space that ``to_dict`` described; what is missing takes its default.

        ``projected_levels`` is read and dropped: a flat cell has no motifs to project.

        Raises:
            SettingsError: a field is unknown or out of its range, or there is more than one level.
            UnknownNameError: an operation is not registered.
        """
        space = HierarchicalSpace.from_dict({"motifs": (1,), "nodes": (11,)} | fields)
        if space.n_levels != 2:
            raise SettingsError(f"a flat space has one level of motifs, found motifs={space.motifs}")
        return FlatSpace(nodes=space.nodes[0], operations=space.operations, merge=space.merge)
