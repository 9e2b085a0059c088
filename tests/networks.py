"""An independent reading of genotypes, written from the paper, to compare the package with.

A network is read as the value at its output. Values are interned, so equal computations get equal numbers: pooling
the same value twice is one value, while each use of a convolution has weights of its own and is told apart by the
genes it came from. Concatenation and addition do not care about the order of what they join.
"""

from itertools import groupby, permutations, product

#: Operations whose output has C channels, or as many as a projection asks for.
WIDENING = {
    *("conv_1x1", "conv_3x3", "conv_5x5", "separable_conv_3x3", "separable_conv_5x5", "relu_conv_1x1"),
    *("stacked_separable_conv_3x3", "stacked_separable_conv_5x5", "stacked_separable_conv_7x7"),
    *("dilated_separable_conv_3x3", "dilated_separable_conv_5x5", "bottleneck_conv_3x3"),
    *("bottleneck_dilated_conv_3x3", "bottleneck_conv_1x3_3x1", "bottleneck_conv_1x7_7x1"),
}
#: Operations with weights.
WEIGHTED = WIDENING | {"depthwise_conv_3x3", "depthwise_conv_5x5"}
#: Those without, which take each channel for itself.
POOLS = {"max_pool_3x3", "max_pool_5x5", "max_pool_7x7", "avg_pool_3x3"}


class Values:
    """Interned values; 0 is the input. Channels count in units of C."""

    def __init__(self):
        self.keys = [("input", 1, None, ())]
        self.channels = [1]
        self._number_of = {self.keys[0]: 0}

    def _intern(self, key, channels):
        number = self._number_of.setdefault(key, len(self.keys))
        if number == len(self.keys):
            self.keys.append(key)
            self.channels.append(channels)
        return number

    def apply(self, operation, source, path, width=1):
        """Value of an operation on the edge at ``path``."""
        if operation == "identity":
            return source
        channels = width if operation in WIDENING else self.channels[source]
        return self._intern((operation, channels, path if operation in WEIGHTED else None, (source,)), channels)

    def merge(self, merge, sources):
        """Value of a merge; None of nothing."""
        if not sources:
            return None
        joined = []
        for source in sources:
            joined.extend(self.keys[source][3] if self.keys[source][0] == merge else (source,))
        if len(joined) == 1:
            return joined[0]
        channels = sum(self.channels[s] for s in joined) if merge == "concat" else self.channels[joined[0]]
        return self._intern((merge, channels, None, tuple(sorted(joined))), channels)


def gene_numbers(space):
    """Index of the gene of each (level, motif, successor, predecessor), in the order that DESIGN pins."""
    places = [
        (level, motif, i, j)
        for level, (n_motifs, n_nodes) in enumerate(zip(space.motifs, space.nodes, strict=True), start=2)
        for motif in range(1, n_motifs + 1)
        for i in range(2, n_nodes + 1)
        for j in range(1, i)
    ]
    return {place: index for index, place in enumerate(places)}


def read_genes(space, genes, values):
    """Value of the genotype's output, or None when it cannot be reached."""
    number = gene_numbers(space)

    def edge(level, gene, source, path):
        label = genes[gene]
        if label == 0 or source is None:
            return None
        if level == 2:
            return values.apply(space.operations[label - 1], source, (*path, gene))
        value = motif(level - 1, label, source, (*path, gene))
        if value is not None and level - 1 in space.projected_levels:
            return values.apply("conv_1x1", value, (*path, gene), values.channels[source])
        return value

    def motif(level, m, source, path):
        at = {1: source}
        for i in range(2, space.nodes[level - 2] + 1):
            incoming = (edge(level, number[level, m, i, j], at[j], path) for j in range(1, i))
            at[i] = values.merge(space.merge, [value for value in incoming if value is not None])
        return at[max(at)]

    return motif(space.n_levels, 1, 0, ())


def read_graph(graph, values):
    """Value of a graph's output, or None."""
    at = []
    for node in graph.nodes:
        if node.operation == "input":
            at.append(0)
        elif node.operation in ("concat", "add"):
            at.append(values.merge(node.operation, [at[i] for i in node.inputs]))
        else:
            at.append(values.apply(node.operation, at[node.inputs[0]], node.path, values.channels[at[node.width_of]]))
    return None if graph.output is None else at[graph.output]


def needed(values, output):
    """The value and all values it is computed from."""
    found, todo = set(), [output]
    while todo:
        number = todo.pop()
        if number not in found:
            found.add(number)
            todo.extend(values.keys[number][3])
    return found


def brute_force_form(space, genes):
    """Text that is the same for isomorphic networks and no others: the smallest over all namings of the weights."""
    values = Values()
    output = read_genes(space, genes, values)
    if output is None:
        return "not viable"
    weighted = sorted((values.keys[n][:2], n) for n in needed(values, output) if values.keys[n][2] is not None)
    groups = [[n for _, n in group] for _, group in groupby(weighted, key=lambda pair: pair[0])]
    namings = product(*(permutations(group) for group in groups))
    names = ({n: name for group in naming for name, n in enumerate(group)} for naming in namings)
    return min(_text(values, output, naming) for naming in names)


def _text(values, number, names):
    operation, channels, _, sources = values.keys[number]
    inner = ",".join(sorted(_text(values, source, names) for source in sources))
    return f"{operation}.{channels}.{names.get(number, '')}({inner})"


def reorder_nodes(space, genes, level, motif, rng):
    """The same genes after a random renumbering of a motif's inner nodes that keeps every edge pointing forward."""
    number, n_nodes = gene_numbers(space), space.nodes[level - 2]
    edges = {
        (j, i): genes[number[level, motif, i, j]]
        for i in range(2, n_nodes + 1)
        for j in range(1, i)
        if genes[number[level, motif, i, j]]
    }
    order, waiting = [1], list(range(2, n_nodes))
    while waiting:
        free = [node for node in waiting if not any((j, node) in edges for j in waiting)]
        order.append(rng.choice(free))
        waiting.remove(order[-1])
    position = {node: place for place, node in enumerate([*order, n_nodes], start=1)}
    changed = list(genes)
    for i in range(2, n_nodes + 1):
        for j in range(1, i):
            changed[number[level, motif, i, j]] = 0
    for (j, i), label in edges.items():
        changed[number[level, motif, position[i], position[j]]] = label
    return changed


def reorder_motifs(space, genes, level, order):
    """The same genes after a renumbering of a level's motifs: motif ``m`` becomes ``order[m - 1]``."""
    changed = list(genes)
    for (at, m, i, j), index in gene_numbers(space).items():
        if at == level:
            changed[gene_numbers(space)[at, order[m - 1], i, j]] = genes[index]
        elif at == level + 1 and genes[index]:
            changed[index] = order[genes[index] - 1]
    return changed


def used_motifs(space, genes):
    """(level, motif) of the motifs that the cell names, directly or through others."""
    number = gene_numbers(space)
    used, todo = set(), [(space.n_levels, 1)]
    while todo:
        level, m = todo.pop()
        used.add((level, m))
        labels = {genes[index] for place, index in number.items() if place[:2] == (level, m)} - {0}
        todo.extend((level - 1, label) for label in labels if level > 2)
    return used


def dead_edges(space, genes, level, motif):
    """Genes of a motif's edges that lie on no path from source to sink, whatever their label."""
    number, n_nodes = gene_numbers(space), space.nodes[level - 2]
    edges = [(j, i) for i in range(2, n_nodes + 1) for j in range(1, i) if genes[number[level, motif, i, j]]]
    from_source, to_sink = {1}, {n_nodes}
    for j, i in edges:  # by successor, so one pass is enough
        if j in from_source:
            from_source.add(i)
    for j, i in sorted(edges, reverse=True):  # by predecessor, backwards
        if i in to_sink:
            to_sink.add(j)
    return [
        number[level, motif, i, j]
        for i in range(2, n_nodes + 1)
        for j in range(1, i)
        if j not in from_source or i not in to_sink
    ]
