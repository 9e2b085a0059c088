"""Random graphs of whole networks and of cells of two inputs, for the property tests, and spaces that hold them.

Sizes are known as what the image's height and width have been divided by, since ceil(ceil(n / a) / b) is
ceil(n / (a * b)): where they are equal, so are sizes, for images of any size. Channels of the inputs are unknown; a
value has so many times theirs, and some more.
"""

from dataclasses import dataclass
from typing import NamedTuple

from hypothesis import strategies as st

from deap_nas.graph import (
    MERGES,
    RESIZE,
    Convolution,
    Graph,
    Node,
    Pooling,
    SeparableConvolution,
    pair,
)
from tests.networks import WIDENING
from tests.strategies import OPERATIONS


@dataclass(frozen=True)
class Graphs:
    """A space whose genotypes are graphs themselves."""

    def lower(self, genotype):
        return genotype


GRAPHS = Graphs()

odd = st.sampled_from((1, 3, 5, 7))
sizes = odd | st.tuples(odd, odd)
strides = st.sampled_from((1, 1, 2, 3)) | st.tuples(st.integers(1, 3), st.integers(1, 3))
channels = st.integers(1, 9)


def values_with(stride_strategy):
    """Operations as values."""
    return st.one_of(
        st.builds(Convolution, channels, sizes, stride_strategy),
        st.builds(SeparableConvolution, channels, sizes, stride_strategy),
        st.builds(Pooling, st.sampled_from(("max", "avg")), sizes, stride_strategy),
    )


operation_values = values_with(strides)


class Form(NamedTuple):
    """Shape of a value at all image sizes and for inputs of any channels."""

    times: int
    more: int
    rows: int
    columns: int


INPUT = Form(1, 0, 1, 1)


class Drawing:
    """A graph in the making."""

    def __init__(self, draw, n_inputs, *, odd_widths=False):
        self.draw = draw
        self.odd_widths = odd_widths
        self.n_inputs = n_inputs
        self.nodes = [Node("input")] * n_inputs
        self.forms = [INPUT] * n_inputs

    def add(self, operation, inputs, form, **fields):
        self.nodes.append(Node(operation, tuple(inputs), **fields))
        self.forms.append(form)
        return len(self.nodes) - 1

    def value(self):
        """Any value so far, late ones more often: so there are skip connections and dead ends, but chains too."""
        return self.draw(st.integers(0, len(self.nodes) - 1) | st.just(len(self.nodes) - 1))

    def operation(self, operation, source):
        """An operation on a value."""
        form, number = self.forms[source], len(self.nodes)
        if isinstance(operation, str):
            takes_width = operation in WIDENING or self.odd_widths
            width_of = self.draw(st.just(0) | st.integers(0, number - 1)) if takes_width else 0
            if operation in WIDENING:
                form = form._replace(times=self.forms[width_of].times, more=self.forms[width_of].more)
            return self.add(operation, (source,), form, width_of=width_of, path=(number,))
        if not isinstance(operation, Pooling):
            form = form._replace(times=0, more=operation.channels)
        rows, columns = pair(operation.stride)
        form = form._replace(rows=form.rows * rows, columns=form.columns * columns)
        return self.add(operation, (source,), form, path=(number,))

    def fitting(self, source, pattern, merge):
        """A value, resized if it does not fit beside another one in a merge; sometimes if it does."""
        found, wanted = self.forms[source], self.forms[pattern]
        fits = found == wanted if merge == "add" else found[2:] == wanted[2:]
        if fits and self.draw(st.integers(0, 7)):
            return source
        return self.add(RESIZE, (source, pattern), wanted)

    def merge(self, merge, sources):
        """A merge of values, all of them resized to the first one where they must be."""
        inputs = [sources[0], *[self.fitting(source, sources[0], merge) for source in sources[1:]]]
        form = self.forms[inputs[0]]
        if merge == "concat":
            forms = [self.forms[i] for i in inputs]
            form = form._replace(times=sum(f.times for f in forms), more=sum(f.more for f in forms))
        return self.add(merge, inputs, form)

    def node(self):
        """One more node, perhaps with what it needs before it."""
        kind = self.draw(st.sampled_from(("value", "value", "name", "add", "concat", RESIZE)))
        if kind == "value":
            return self.operation(self.draw(operation_values), self.value())
        if kind == "name":
            return self.operation(self.draw(st.sampled_from(OPERATIONS)), self.value())
        if kind == RESIZE:
            source, pattern = self.value(), self.value()
            return self.add(RESIZE, (source, pattern), self.forms[pattern])
        return self.merge(kind, [self.value() for _ in range(self.draw(st.integers(2, 3)))])

    def graph(self, output):
        return Graph(tuple(self.nodes), output, self.n_inputs)


@st.composite
def whole_graphs(draw, *, n_inputs=1, max_nodes=8, odd_widths=False):
    """Graphs of whole networks; their values fit together for images of any size.

    With ``odd_widths`` a width may be given to what makes no use of it, too.
    """
    drawing = Drawing(draw, n_inputs, odd_widths=odd_widths)
    for _ in range(draw(st.integers(0, max_nodes))):
        drawing.node()
    return drawing.graph(drawing.value())


@st.composite
def cells(draw, *, is_reduction, max_nodes=6):
    """Cells of two inputs that keep their size, or halve it."""
    drawing = Drawing(draw, 2)
    for _ in range(draw(st.integers(0, max_nodes))):
        drawing.node()
    output, wanted = drawing.value(), (2, 2) if is_reduction else (1, 1)
    if drawing.forms[output][2:] == wanted:
        return drawing.graph(output)
    pattern = draw(st.integers(0, 1))
    if is_reduction:
        halving = draw(values_with(st.just(2)))
        if drawing.forms[output][2:] == (1, 1):
            return drawing.graph(drawing.operation(halving, output))
        pattern = drawing.operation(halving, pattern)
    return drawing.graph(drawing.merge(draw(st.sampled_from(MERGES)), [pattern, output]))


#: A normal and a reduction cell.
cell_pairs = st.tuples(cells(is_reduction=False), cells(is_reduction=True))


@st.composite
def renumberings(draw, graph):
    """The same graph with its nodes in another order, and the inputs of additions too."""
    n_inputs, nodes = graph.n_inputs, graph.nodes
    order, waiting = list(range(n_inputs)), list(range(n_inputs, len(nodes)))
    while waiting:
        done = set(order)
        free = [i for i in waiting if done.issuperset((*nodes[i].inputs, nodes[i].width_of))]
        order.append(draw(st.sampled_from(free)))
        waiting.remove(order[-1])
    place = {old: new for new, old in enumerate(order)}
    moved = []
    for old in order:
        node = nodes[old]
        inputs = draw(st.permutations(node.inputs)) if node.operation == "add" else node.inputs
        moved.append(node._replace(inputs=tuple(place[i] for i in inputs), width_of=place[node.width_of]))
    return Graph(tuple(moved), place[graph.output], n_inputs)
