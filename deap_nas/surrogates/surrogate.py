"""What a surrogate is: it learns the values of some genotypes, and predicts those of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Genotypes", "Prediction", "Surrogate"]

#: Genotypes of any lengths; or, for very many of one length, an array of integers of the shape (genotypes, genes).
Genotypes: TypeAlias = Sequence[Any] | NDArray[Any]


class Prediction(NamedTuple):
    """What a surrogate says of some genotypes, in their order."""

    #: The value that is expected of each, (genotypes,).
    mean: NDArray[np.float64]
    #: How far off that may be, as a standard deviation of at least 0, (genotypes,). All 0 from a surrogate that cannot
    #: tell, such as an LSTM: whoever weighs the two then goes by the mean.
    deviation: NDArray[np.float64]


class Surrogate(Protocol):
    """Learns from evaluated genotypes what to expect of others; the larger a value, the better.

    It is made from a search space, pickles, and draws from no global generator. What it predicts follows from its seed
    and from what its fits were given, one after the other; not from the order in which one call lists its genotypes.
    """

    def fit(self, genotypes: Genotypes, values: Sequence[float] | NDArray[Any]) -> None:
        """Learn from all that is known; in a search it is called again with more after each step.

        Args:
            genotypes: that have been evaluated, the same one several times if need be.
            values: one of each, (genotypes,).

        Raises:
            GenotypeError: one is no genotype of the space.
            SettingsError: there are none, not as many values, or values that it cannot learn.
        """

    def predict(self, genotypes: Genotypes) -> Prediction:
        """Say what to expect of genotypes, evaluated or not.

        Raises:
            GenotypeError: one is no genotype of the space.
            SettingsError: there was no fit.
        """
