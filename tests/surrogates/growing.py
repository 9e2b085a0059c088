"""A space of growing length, as far as a surrogate asks it anything."""

import numpy as np

#: Choices of each gene of a cell of two blocks: two operands, each an operation and an input.
BLOCKS = (3, 2, 3, 2, 3, 3, 3, 3)


class TwoBlocks:
    """Genotypes of up to two blocks, whose operations and inputs are different tokens."""

    has_integer_genes = True
    token_offsets = np.array([0, 3, 0, 3] * 2)
    n_tokens = 6

    def sample(self, *, rng, n_genes=8):
        return [rng.randrange(n_choices) for n_choices in BLOCKS[:n_genes]]
