"""Random spaces and genotypes for the property tests."""

from hypothesis import strategies as st

from deap_nas.graph import MERGES
from deap_nas.search_space import FlatSpace, HierarchicalSpace

OPERATIONS = (
    "conv_1x1",
    "depthwise_conv_3x3",
    "separable_conv_3x3",
    "max_pool_3x3",
    "avg_pool_3x3",
    "identity",
    "conv_3x3",
    "conv_5x5",
    "depthwise_conv_5x5",
    "separable_conv_5x5",
    "relu_conv_1x1",
    "stacked_separable_conv_3x3",
    "stacked_separable_conv_5x5",
    "stacked_separable_conv_7x7",
    "dilated_separable_conv_3x3",
    "dilated_separable_conv_5x5",
    "bottleneck_conv_3x3",
    "bottleneck_dilated_conv_3x3",
    "bottleneck_conv_1x3_3x1",
    "bottleneck_conv_1x7_7x1",
    "max_pool_5x5",
    "max_pool_7x7",
)

#: Seeds of the generators that tests hand to operators.
seeds = st.integers(0, 2**32 - 1)


@st.composite
def operations(draw, *, with_identity=False):
    """Some operations, in any order."""
    chosen = draw(st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=len(OPERATIONS), unique=True))
    return (*chosen, "identity") if with_identity and "identity" not in chosen else tuple(chosen)


@st.composite
def hierarchical_spaces(draw, *, with_identity=False, max_levels=4):
    """Spaces of two levels (flat) to ``max_levels``."""
    n_motif_levels = draw(st.integers(1, max_levels - 1))
    below = draw(st.lists(st.integers(1, 3), min_size=n_motif_levels - 1, max_size=n_motif_levels - 1))
    levels = range(2, n_motif_levels + 2)
    return HierarchicalSpace(
        motifs=(*below, 1),
        nodes=tuple(draw(st.lists(st.integers(2, 5), min_size=n_motif_levels, max_size=n_motif_levels))),
        operations=draw(operations(with_identity=with_identity)),
        merge=draw(st.sampled_from(MERGES)),
        projected_levels=tuple(sorted(draw(st.sets(st.sampled_from(levels))))),
    )


@st.composite
def flat_spaces(draw, *, with_identity=False, max_nodes=11):
    """Flat spaces."""
    return FlatSpace(
        nodes=draw(st.integers(2, max_nodes)),
        operations=draw(operations(with_identity=with_identity)),
        merge=draw(st.sampled_from(MERGES)),
    )


def spaces(*, with_identity=False):
    """Spaces of either kind."""
    return hierarchical_spaces(with_identity=with_identity) | flat_spaces(with_identity=with_identity)


def genes_of(space):
    """Any legal genes of a space."""
    return st.tuples(*(st.integers(0, up) for up in space.up)).map(list)


@st.composite
def spaces_and_genes(draw, space_strategy=None):
    """A space and legal genes of it."""
    space = draw(spaces() if space_strategy is None else space_strategy)
    return space, draw(genes_of(space))
