"""What turned one genotype into another, in words; for those who read a lineage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

__all__ = ["ANOTHER_GENOTYPE", "changed_genes", "changed_layers", "first_of"]

#: What is said where nothing more is known.
ANOTHER_GENOTYPE = "another genotype"
#: Changes that are told one by one; a lineage is read line by line.
_MOST_TOLD = 4


def first_of(changes: Sequence[str]) -> list[str]:
    """The first few of many changes, and how many others there are."""
    n_others = len(changes) - _MOST_TOLD
    if n_others < 2:  # its own line is as short as one that counts it
        return list(changes)
    return [*changes[:_MOST_TOLD], f"and {n_others} others"]


def changed_genes(parent: Sequence[int], child: Sequence[int]) -> list[str]:
    """Tell genes that differ by their index, such as ``"gene 3: 2 -> 0"``."""
    if len(parent) != len(child):
        return [ANOTHER_GENOTYPE]
    pairs = enumerate(zip(parent, child, strict=True))
    return first_of([f"gene {index}: {before} -> {after}" for index, (before, after) in pairs if before != after])


def changed_layers(parent: Sequence[str], child: Sequence[str]) -> list[str]:
    """Tell which layers of a sequence were inserted, removed and altered.

    Args:
        parent: label of each layer.
        child: likewise. Layers are counted from 1 as they stand in the child, those removed as in the parent.
    """
    return first_of(list(_changed_layers(parent, child)))


def _changed_layers(parent: Sequence[str], child: Sequence[str]) -> Iterator[str]:
    matcher = SequenceMatcher(None, parent, child, autojunk=False)
    for what, start, stop, new_start, new_stop in matcher.get_opcodes():
        if what == "equal":
            continue
        n_altered = min(stop - start, new_stop - new_start)
        for offset in range(n_altered):
            place = new_start + offset
            yield f"layer {place + 1}: {child[place]}, was {parent[start + offset]}"
        for place in range(start + n_altered, stop):
            yield f"layer {place + 1} removed: {parent[place]}"
        for place in range(new_start + n_altered, new_stop):
            yield f"layer {place + 1} inserted: {child[place]}"
