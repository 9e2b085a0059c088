"""The contract of surrogates: on those of the package, and on what breaks it."""

import random

import numpy as np
import pytest

from deap_nas import DNASpace, Genotype, MicroSpace
from deap_nas.errors import SettingsError
from deap_nas.surrogates import ForestSurrogate, GPSurrogate, LSTMSurrogate, Prediction
from deap_nas.testing import SurrogateContract
from tests.surrogates.growing import TwoBlocks

GENOTYPES = [TwoBlocks().sample(rng=random.Random(number), n_genes=8 - number % 3) for number in range(16)]


CELLS = MicroSpace(blocks=2)


def cells():
    """Of two blocks, and of one."""
    samples = [CELLS.sample(rng=random.Random(number)) for number in range(16)]
    return [Genotype(genes[: 4 if number % 4 == 3 else 8]) for number, genes in enumerate(samples)]


class TestLSTMSurrogate(SurrogateContract):
    def make_surrogate(self):
        return LSTMSurrogate(TwoBlocks(), hidden=8, features=5, epochs=10, learning_rate=0.01)

    def genotypes(self):
        return GENOTYPES


class TestGPSurrogate(SurrogateContract):
    def make_surrogate(self):
        return GPSurrogate(CELLS, n_most=10)

    def genotypes(self):
        return cells()


class TestGPSurrogateOfDNA(SurrogateContract):
    def make_surrogate(self):
        return GPSurrogate(DNASpace())

    def genotypes(self):
        return [DNASpace().sample(rng=random.Random(number)) for number in range(12)]


class TestForestSurrogate(SurrogateContract):
    def make_surrogate(self):
        return ForestSurrogate(CELLS, n_trees=5)

    def genotypes(self):
        return cells()


class MeanSurrogate:
    """Expects the mean of all values, more or less, of every genotype."""

    def __init__(self):
        self.values = None

    def fit(self, genotypes, values):
        if not len(genotypes) or np.shape(values) != (len(genotypes),) or np.isnan(values).any():
            raise SettingsError("one value of each, please")
        self.values = np.sort(values)

    def predict(self, genotypes):
        if self.values is None:
            raise SettingsError("fit first")
        return Prediction(*(np.full(len(genotypes), number) for number in (self.values.mean(), self.values.std())))


class TestMeanSurrogate(SurrogateContract):
    def make_surrogate(self):
        return MeanSurrogate()

    def genotypes(self):
        return GENOTYPES


class Short(MeanSurrogate):
    """Says one thing of all genotypes together."""

    def predict(self, genotypes):
        mean, deviation = super().predict(genotypes)
        return Prediction(mean[:1], deviation[:1])


class Sure(MeanSurrogate):
    """Has deviations below 0."""

    def predict(self, genotypes):
        mean, deviation = super().predict(genotypes)
        return Prediction(mean, -deviation - 1)


class Stubborn(MeanSurrogate):
    """Learns nothing."""

    def predict(self, genotypes):
        mean, deviation = super().predict(genotypes)
        return Prediction(np.full_like(mean, 0.45), deviation)


class Drawing(MeanSurrogate):
    """Draws from a global generator."""

    def predict(self, genotypes):
        mean, deviation = super().predict(genotypes)
        return Prediction(mean + np.random.random(), deviation)


class Ordered(MeanSurrogate):
    """Believes the last value the most."""

    def fit(self, genotypes, values):
        super().fit(genotypes, values)
        self.values = np.append(self.values, values[-1])


class Wasteful(MeanSurrogate):
    """Changes genotypes."""

    def fit(self, genotypes, values):
        super().fit(genotypes, values)
        genotypes[0][0] += 1
        genotypes[0][0] %= 3


class Lax(MeanSurrogate):
    """Takes what it cannot learn from."""

    def fit(self, genotypes, values):
        super().fit(genotypes[: len(values)] or GENOTYPES, values if len(values) else [0.5] * len(GENOTYPES))


class Forgetful(MeanSurrogate):
    """Loses what it has learned on the way to another process."""

    def __getstate__(self):
        return {"values": None if self.values is None else np.zeros(1)}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Short, "test_it_predicts_a_mean_and_a_deviation_of_each"),
        (Sure, "test_it_predicts_a_mean_and_a_deviation_of_each"),
        (Stubborn, "test_it_learns"),
        (Drawing, "test_the_seed_and_what_it_was_given_decide"),
        (Drawing, "test_it_leaves_global_generators_and_genotypes_alone"),
        (Wasteful, "test_it_leaves_global_generators_and_genotypes_alone"),
        (Ordered, "test_the_order_in_which_genotypes_are_listed_does_not_matter"),
        (Forgetful, "test_it_pickles"),
        (Lax, "test_it_refuses_what_it_cannot_do"),
    ],
)
def test_a_surrogate_that_breaks_the_contract_is_found_out(kind, name):
    class Contract(SurrogateContract):
        def make_surrogate(self):
            return kind()

        def genotypes(self):
            return [list(genotype) for genotype in GENOTYPES]

    with pytest.raises(AssertionError):
        getattr(Contract(), name)()
