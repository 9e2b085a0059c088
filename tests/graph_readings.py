"""Independent readings of graphs of whole networks, from the definitions, to compare passes and keys with."""

from collections import Counter
from itertools import groupby, permutations, product

from deap_nas.graph import JOINS, MERGES, RESIZE, Pooling, simplify
from tests.networks import POOLS, WIDENING


def reading(graph, n_channels=64):
    """What a graph computes, as text, read from the definitions: an independent meaning of each node.

    A weight is told apart by its node's path. Concatenations are lists of parts, and so are pools of them; an addition
    minds no order.
    """
    texts, widths = [], []
    for number, node in enumerate(graph.nodes):
        inputs, operation = [texts[i] for i in node.inputs], node.operation
        width = widths[node.inputs[0]] if node.inputs else n_channels
        if operation == "input":
            text = (f"input{number}",)
        elif operation == "concat":
            text, width = sum(inputs, ()), sum(widths[i] for i in node.inputs)
        elif operation == "add":
            text = _added(inputs)
        elif operation == RESIZE:
            text, width = (inputs[0] if inputs[0] == inputs[1] else (f"resize({inputs})",)), widths[node.inputs[1]]
        elif operation == "identity":
            text = inputs[0]
        elif is_pool(operation):
            text = tuple(f"{operation}({part})" for part in inputs[0])
        else:
            width = _width(node, width, widths)
            text = (f"{operation}{node.path}.{width}({inputs[0]})",)
        texts.append(text)
        widths.append(width)
    return None if graph.output is None else texts[graph.output]


def _added(inputs):
    """Text of a sum: of what its summands are sums of."""
    counts = Counter()
    for text in inputs:
        counts.update(text[0].terms if isinstance(text[0], Sum) and len(text) == 1 else {text: 1})
    if sum(counts.values()) == 1:
        return inputs[0]
    return (Sum(counts),)


class Sum(str):
    """Text of a sum that knows its terms."""

    __slots__ = ("terms",)

    def __new__(cls, terms):
        text = super().__new__(cls, f"sum({sorted((repr(term), count) for term, count in terms.items())})")
        text.terms = terms
        return text


def _width(node, width, widths):
    """Channels of what has weights."""
    if isinstance(node.operation, str):
        return widths[node.width_of] if node.operation in WIDENING else width
    return node.operation.channels


def is_pool(operation):
    return isinstance(operation, Pooling) or operation in POOLS


def has_weights(node):
    return node.operation not in ("input", "identity", *JOINS) and not is_pool(node.operation)


def brute_force_form(graph):
    """Text that is the same for isomorphic graphs and no others: the smallest over all namings of the weights.

    Values are interned, as tests.networks does it. Where concatenations and what tells channels apart are both there,
    the order of concatenated values counts.
    """
    graph = simplify(graph)
    operations = {node.operation for node in graph.nodes}
    is_free = "concat" not in operations or operations.isdisjoint(("add", RESIZE))
    free = {"add", "concat"} if is_free else {"add"}
    values, givers = _interned(graph, free)
    keys, output = list(values), givers.pop()
    weighted = sorted((repr(keys[n][:3]), n) for n in _needed(keys, [output, *givers]) if keys[n][3] is not None)
    groups = [[n for _, n in group] for _, group in groupby(weighted, key=lambda pair: pair[0])]
    namings = product(*(permutations(group) for group in groups))
    names = ({n: name for group in naming for name, n in enumerate(group)} for naming in namings)
    texts = ([_text(keys, n, each, free) for n in (output, *givers)] for each in names)
    return min(repr((text, sorted(set(others)))) for text, *others in texts)


def _interned(graph, free):
    """Number of each value by (operation, channels, width, path, sources); those that give widths, then the output."""
    values, at, givers = {}, [], []
    for number, node in enumerate(graph.nodes):
        sources = [at[i] for i in node.inputs]
        keys = list(values)
        if node.operation == RESIZE and sources[0] == sources[1]:
            at.append(sources[0])
            continue
        width, path = 64, None
        if node.operation in MERGES:
            sources = [s for i in sources for s in (keys[i][4] if keys[i][0] == node.operation else (i,))]
            sources = sorted(sources) if node.operation in free else sources
            channels = sum(keys[s][1] for s in sources) if node.operation == "concat" else keys[sources[0]][1]
        elif node.operation == RESIZE:
            channels = keys[sources[1]][1]
        elif node.operation == "input":
            channels, width = 64, number
        else:
            width, path = keys[at[node.width_of]][1], node.path if has_weights(node) else None
            channels = _width(node, keys[sources[0]][1], [keys[i][1] for i in at]) if path else keys[sources[0]][1]
        key = (node.operation, channels, width, path, tuple(sources))
        if key not in values and node.width_of:
            givers.append(at[node.width_of])
        at.append(values.setdefault(key, len(values)))
    return values, [*givers, at[graph.output]]


def _needed(keys, todo):
    found = set()
    while todo:
        number = todo.pop()
        if number not in found:
            found.add(number)
            todo.extend(keys[number][4])
    return found


def _text(keys, number, names, free):
    operation, _, width, _, sources = keys[number]
    texts = [_text(keys, source, names, free) for source in sources]
    inner = ",".join(sorted(texts) if operation in free else texts)
    return f"{operation}.{width}.{names.get(number, '')}({inner})"
