"""Random spaces of genotypes that grow, and genotypes of them of any number of levels, for the property tests."""

from hypothesis import strategies as st

from deap_nas import Genotype, MacroSpace, MicroSpace
from tests.strategies import OPERATIONS

SPACES = (MacroSpace(), MicroSpace())

_names = st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=8, unique=True).map(tuple)


def growing_spaces(kind=None, *, max_levels=8):
    """Macro and micro spaces; ``kind`` draws which of them, by their ``"kind"``."""
    levels = st.integers(1, max_levels)
    made = {
        "macro": st.builds(MacroSpace, layers=levels, operations=_names),
        "micro": st.builds(MicroSpace, blocks=levels, operations=_names),
    }
    return (st.sampled_from(("macro", "micro")) if kind is None else kind).flatmap(made.__getitem__)


@st.composite
def genotypes(draw, space, level=None):
    """Genotypes of so many levels, by default of any number."""
    level = draw(st.integers(1, space.n_levels)) if level is None else level
    up = space.up[: space.genes_of(level).stop]
    return Genotype(draw(st.tuples(*(st.integers(0, largest) for largest in up))))


@st.composite
def spaces_and_genotypes(draw, kind=None, *, max_levels=6):
    """A space and a genotype of it."""
    space = draw(growing_spaces(kind, max_levels=max_levels))
    return space, draw(genotypes(space))
