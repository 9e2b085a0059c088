"""Random spaces of two cells and genotypes of them, and what the papers' networks of them cost, for the tests."""

from hypothesis import strategies as st

from deap_nas import CellSpace
from deap_nas.graph import AMOEBANET_OPERATIONS, DARTS_OPERATIONS, NASNET_OPERATIONS
from tests.strategies import genes_of

NASNET = CellSpace()
AMOEBANET = CellSpace(operations=AMOEBANET_OPERATIONS)
DARTS = CellSpace(blocks=4, operations=DARTS_OPERATIONS, output="all", distinct_inputs=True)


@st.composite
def cell_spaces(draw, *, max_blocks=5):
    """Cell spaces of each kind of output."""
    blocks = draw(st.integers(1, max_blocks))
    numbers = st.sets(st.integers(0, blocks + 1), min_size=1).map(sorted)
    return CellSpace(
        blocks=blocks,
        operations=draw(st.sampled_from((NASNET_OPERATIONS, AMOEBANET_OPERATIONS, DARTS_OPERATIONS, ("identity",)))),
        output=draw(st.sampled_from(("unused", "all")) | st.tuples(numbers, numbers)),
        distinct_inputs=draw(st.booleans()),
    )


@st.composite
def spaces_and_cells(draw, *, max_blocks=5):
    """A cell space and a genotype of it."""
    space = draw(cell_spaces(max_blocks=max_blocks))
    return space, draw(genes_of(space))


def n_parameters_of(name, channels):
    """Parameters of an operation that keeps its channels, as the papers and their programs have it."""
    kind, _, window = name.rpartition("_")
    k, c = int(window[0]), channels
    separable = c * k * k + c * c + 2 * c
    if name == "relu_conv_1x1":
        return c * c + 2 * c
    if kind == "stacked_separable_conv":
        return 2 * separable
    if kind == "dilated_separable_conv":
        return separable
    if kind.startswith("bottleneck"):
        n = max(1, 3 * c // 8) if name == "bottleneck_conv_1x3_3x1" else max(1, c // 4)
        length = {"bottleneck_conv_1x3_3x1": 3, "bottleneck_conv_1x7_7x1": 7}.get(name)
        within = 2 * (length * n * n + 2 * n) if length else 9 * n * n + 2 * n
        return 2 * c * n + 2 * n + 2 * c + within
    raise ValueError(name)


def n_parameters_by_hand(cells, outputs, *, channels, n_normal, n_classes=10):
    """Parameters of a stack with two reductions, all of whose cells and blocks are read, but for the auxiliary head.

    Args:
        cells: for the normal and the reduction cell, blocks of two pairs of an input and an operation.
        outputs: for both, the values that are concatenated.
        channels: of the first cells.
        n_normal: cells in a stage.
        n_classes: of the images, which have three channels.
    """
    total, before, last = 27 * 3 * channels + 2 * 3 * channels, 3 * channels, 3 * channels
    for number, is_reduction in enumerate(([False] * n_normal + [True]) * 3):
        if number == 3 * n_normal + 2:
            break
        blocks, output = cells[is_reduction], outputs[is_reduction]
        channels *= 1 + is_reduction
        reduced = channels * channels + 2 * channels  # an identity with a stride
        read = {source for block in blocks for source, _ in block} | set(output)
        total += (0 in read) * (before * channels + 2 * channels) + (1 in read) * (last * channels + 2 * channels)
        for source, name in (operand for block in blocks for operand in block):
            if name == "identity":
                total += reduced * (is_reduction and source < 2)
            elif not name.startswith(("max", "avg")):
                total += n_parameters_of(name, channels)
        total += reduced * sum(source < 2 for source in output) * is_reduction
        before, last = last, len(output) * channels
    return total + last * n_classes + n_classes
