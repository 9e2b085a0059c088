"""What turned one genotype into another, in words."""

import random
from itertools import chain

import pytest
from hypothesis import given

from deap_nas import ChainSpace, FlatSpace, Genotype, HierarchicalSpace, mutChain, mutEdge
from deap_nas.errors import GenotypeError
from deap_nas.search_space import SearchSpace
from tests import toys
from tests.strategies import spaces

CONV, POOL = [0, 0, 1, 0], [1, 0, 1, 1]
CHAINS = ChainSpace(operations=("conv", "max_pool"))


class Plain(SearchSpace):
    """Lists of three integers, with nothing of its own."""

    n_genes, low, up = 3, [0] * 9, [5] * 9

    def validate(self, genotype):
        if any(gene > 5 for gene in genotype):
            raise GenotypeError("too large")

    def lower(self, genotype):
        raise NotImplementedError

    def to_dict(self):
        return {}


def test_genes_are_told_by_number_by_default():
    assert Plain().changes([1, 2, 3], [1, 2, 3]) == []
    assert Plain().changes([1, 2, 3], (1, 0, 3)) == ["gene 1: 2 -> 0"]
    assert Plain().changes([1, 2, 3], [1, 2]) == ["another genotype"]


@pytest.mark.parametrize(("n_genes", "last"), [(4, "gene 3: 0 -> 1"), (5, "gene 4: 0 -> 1"), (6, "and 2 others")])
def test_many_changes_are_told_by_the_first_few(n_genes, last):
    changes = Plain().changes([0] * n_genes, [1] * n_genes)
    assert changes[:4] == [f"gene {gene}: 0 -> 1" for gene in range(4)]
    assert (len(changes), changes[-1]) == (min(n_genes, 5), last)


def test_genotypes_that_are_no_lists_are_another_one():
    one, other = (toys.SPACE.sample(rng=random.Random(seed)) for seed in (1, 2))
    assert toys.SPACE.changes(one, other) == ["another genotype"]
    assert toys.SPACE.changes(one, toys.Wiring(one)) == []


def test_edges_of_motifs_are_told_as_they_are_drawn():
    space = HierarchicalSpace(motifs=(2, 1), nodes=(3, 3), operations=("conv_1x1", "identity"))
    parent = [2, 0, 1, 0, 1, 0, 1, 2, 0]
    child = [2, 0, 1, 0, 2, 0, 1, 0, 1]
    assert space.changes(parent, child) == [
        "level 2, motif 2: 1 -> 3 identity, was conv_1x1",
        "level 3, cell: 1 -> 3 none, was motif 2",
        "level 3, cell: 2 -> 3 motif 1, was none",
    ]
    assert FlatSpace(nodes=3).changes([0, 0, 1], [0, 6, 1]) == ["level 2, cell: 1 -> 3 identity, was none"]


@pytest.mark.parametrize(
    ("parent", "child", "changes"),
    [
        ([CONV, POOL], [CONV, POOL], []),
        ([CONV], [CONV, POOL], ["layer 2 inserted: max_pool_3x3_by2"]),
        ([CONV, POOL], [POOL], ["layer 1 removed: conv_3x3_16"]),
        ([CONV, POOL, CONV], [CONV, [0, 2, 2, 0], CONV], ["layer 2: conv_5x5_64, was max_pool_3x3_by2"]),
        ([CONV, POOL], [CONV, [1, 2, 1, 1]], ["layer 2: a gene that max_pool_3x3_by2 does not use"]),
        (
            [CONV, CONV],
            [POOL],
            ["layer 1: max_pool_3x3_by2, was conv_3x3_16", "layer 2 removed: conv_3x3_16"],
        ),
    ],
)
def test_layers_of_a_chain_are_inserted_removed_or_altered(parent, child, changes):
    assert CHAINS.changes(*(Genotype(chain(*layers)) for layers in (parent, child))) == changes


@pytest.mark.parametrize("seed", range(20))
def test_one_mutation_is_one_change(seed):
    rng = random.Random(seed)
    parent = CHAINS.sample(rng=rng)
    (child,) = mutChain(Genotype(parent), CHAINS, rng=rng)
    assert len(CHAINS.changes(parent, child)) == (parent != child)
    space = HierarchicalSpace()
    parent = space.sample(rng=rng)
    (child,) = mutEdge(Genotype(parent), space, rng=rng)
    assert len(space.changes(parent, child)) == (parent != child)


@given(spaces())
def test_of_all_edges_that_differ_none_is_forgotten(space):
    low, up = Genotype(space.low), Genotype(space.up)
    changes = space.changes(low, up)
    n_others = int(changes[-1].split()[1]) if changes[-1].startswith("and ") else 0
    assert len(changes) - bool(n_others) + n_others == space.n_genes


@pytest.mark.parametrize("space", [CHAINS, HierarchicalSpace(), Plain()], ids=lambda space: type(space).__name__)
def test_what_does_not_belong_to_the_space_is_refused(space):
    legal = space.sample(rng=random.Random(1))
    wrong = [*legal[:-1], 99]
    for pair in ((legal, wrong), (wrong, legal)):
        with pytest.raises(GenotypeError):
            space.changes(*pair)
