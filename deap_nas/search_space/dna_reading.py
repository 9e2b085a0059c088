"""DNA for people: its backbone in words, and what tells a child from its parent."""

from __future__ import annotations

from collections.abc import Iterator

from deap_nas.dna import DNA, Edge, Filters, Vertex

__all__ = ["changes_in_words", "dna_in_words"]

#: What each number of filters is called, and how it is read.
_NAMES = {
    "channels": "channels",
    "half_height": "window height",
    "half_width": "window width",
    "scale": "stride",
}


def dna_in_words(dna: DNA) -> str:
    """Say vertex by vertex what a DNA is; 0 is the image."""
    number = {vertex.id: place for place, vertex in enumerate(dna.vertices)}
    incoming: dict[int, list[tuple[int, str]]] = {}
    for skip in dna.skips:
        incoming.setdefault(skip.target, []).append((number[skip.source], "gated " if skip.has_gate else ""))
    lines = [f"learning rate {dna.learning_rate:.4g}"]
    for place, (edge, vertex) in enumerate(zip(dna.edges, dna.vertices[1:], strict=True), start=1):
        added = "".join(f" + {gated}{source}" for source, gated in sorted(incoming.get(vertex.id, ())))
        ending = ", BN + ReLU" if vertex.has_relu else ""
        lines.append(f"  {place:>3}  {_edge_in_words(edge)} of {place - 1}{added}{ending}")
    if not dna.edges:
        lines.append("    linear: no convolution")
    return "\n".join(lines)


def _edge_in_words(edge: Edge) -> str:
    return "identity" if edge.filters is None else _filters_in_words(edge.filters)


def _filters_in_words(filters: Filters) -> str:
    """Such as ``conv 3x3, 1.5 times the channels, /2``."""
    height, width = filters.kernel_size
    times = "" if filters.channels == 1 else f", {filters.channels:.3g} times the channels"
    by = "" if filters.stride == 1 else f", /{filters.stride}"
    return f"conv {height}x{width}{times}{by}"


def changes_in_words(parent: DNA, child: DNA) -> list[str]:
    """Say what turned one DNA into another, in the words of the mutations; nothing where they are equal."""
    if parent == child:
        return []
    before, after = _architecture(parent), _architecture(child)
    if parent.head != child.head:
        same = "" if before == after else ", and another architecture"
        return [f"reset weights{same}", *_rate_in_words(parent, child)]
    return [*_rate_in_words(parent, child), *_steps_in_words(parent, child), *_skips_in_words(parent, child)]


def _architecture(dna: DNA) -> tuple[object, ...]:
    """A DNA without its ids and its learning rate."""
    number = {vertex.id: place for place, vertex in enumerate(dna.vertices)}
    skips = sorted((number.get(skip.source, -1), number.get(skip.target, -1), skip.has_gate) for skip in dna.skips)
    return [edge.filters for edge in dna.edges], [vertex.has_relu for vertex in dna.vertices], skips


def _rate_in_words(parent: DNA, child: DNA) -> Iterator[str]:
    if parent.learning_rate != child.learning_rate:
        yield f"learning rate {parent.learning_rate:.3g} -> {child.learning_rate:.3g}"


def _steps_in_words(parent: DNA, child: DNA) -> Iterator[str]:
    """What was inserted into the backbone, removed from it, and altered."""
    before = {edge.id: (edge, vertex) for edge, vertex in zip(parent.edges, parent.vertices[1:], strict=True)}
    after = {edge.id: (edge, vertex) for edge, vertex in zip(child.edges, child.vertices[1:], strict=True)}
    for place, edge in enumerate(child.edges, start=1):
        if edge.id not in before:
            yield f"insert {_step_in_words(*after[edge.id])} at {place}"
    for place, edge in enumerate(parent.edges, start=1):
        if edge.id not in after:
            yield f"remove {_step_in_words(*before[edge.id])} at {place}"
        elif (filters := after[edge.id][0].filters) != edge.filters and filters and edge.filters:
            yield f"{_alteration_in_words(edge.filters, filters)} at {place}"


def _step_in_words(edge: Edge, vertex: Vertex) -> str:
    return f"{_edge_in_words(edge)}{', BN + ReLU' if vertex.has_relu else ''}"


def _alteration_in_words(before: Filters, after: Filters) -> str:
    words = []
    for (name, old), new in zip(before._asdict().items(), after, strict=True):
        if old != new:
            words.append(f"{_NAMES[name]} {_number_in_words(name, old, new)}")
    return ", ".join(words)


def _number_in_words(name: str, old: float, new: float) -> str:
    """Such as ``3 -> 5``, or ``3, from 2.8 to 3.1`` where rounding leaves it as it is."""
    if name == "channels":
        return f"x{old:.3g} -> x{new:.3g}"
    exact = [2**value if name == "scale" else 2 * value + 1 for value in (old, new)]
    before, after = (1 << round(value) if name == "scale" else 2 * round(value) + 1 for value in (old, new))
    return f"{before} -> {after}" if before != after else f"{after}, from {exact[0]:.3g} to {exact[1]:.3g}"


def _skips_in_words(parent: DNA, child: DNA) -> Iterator[str]:
    for verb, one, other in (("add", child, parent), ("remove", parent, child)):
        known = {skip.id for skip in other.skips}
        number = {vertex.id: place for place, vertex in enumerate(one.vertices)}
        for skip in one.skips:
            if skip.id not in known:
                yield f"{verb} {'gated ' if skip.has_gate else ''}skip {number[skip.source]} -> {number[skip.target]}"
