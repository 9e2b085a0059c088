import random

import pytest

from deap_nas import ChainSpace, Genotype, canonical_key, initChain
from deap_nas.errors import GenotypeError
from deap_nas.search_space import space_from_dict


@pytest.mark.parametrize(
    ("operations", "up"),
    [
        (("conv", "max_pool"), (1, 2, 2, 1)),
        (("conv", "conv_3x3"), (1, 2, 2, 1)),
        (("max_pool", "avg_pool", "identity"), (2, 0, 2, 1)),
        (("conv_1x1", "conv_3x3", "max_pool_3x3"), (2, 0, 0, 0)),
    ],
)
def test_a_gene_that_no_operation_takes_has_one_value(operations, up):
    space = ChainSpace(operations=operations)
    assert space.layer_up == up
    assert space_from_dict(space.to_dict()) == space
    for gene in range(4):
        genotype = Genotype([0, 0, 0, 0])
        genotype[gene] = up[gene]
        space.validate(genotype)
        genotype[gene] += 1
        with pytest.raises(GenotypeError, match=f"gene {gene} "):
            space.validate(genotype)


def test_chains_of_one_length_and_of_operations_by_name_are_as_many_as_their_choices():
    space = ChainSpace(min_layers=3, max_layers=3, operations=("conv_1x1", "conv_3x3", "max_pool_3x3"))
    rng = random.Random(1)
    drawn = {tuple(initChain(Genotype, space, rng=rng)) for _ in range(400)}
    assert drawn | {tuple(space.sample(rng=rng)) for _ in range(400)} == drawn
    assert len({tuple(space.layers_of(Genotype(genes))) for genes in drawn}) == len(drawn) == 3**3
    assert len({canonical_key(space, Genotype(genes)) for genes in drawn}) <= 3**3
    with pytest.raises(GenotypeError, match="four genes for each of 3 to 3 layers, found 8 genes"):
        space.validate([0] * 8)
