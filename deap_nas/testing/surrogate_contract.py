"""What a surrogate must do."""

from __future__ import annotations

import pickle
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import SettingsError
from deap_nas.surrogates import Genotypes, Surrogate

__all__ = ["SurrogateContract"]


class SurrogateContract(ABC):
    """What a search needs of a surrogate; predictions are compared to six digits."""

    @abstractmethod
    def make_surrogate(self) -> Surrogate:
        """Make the surrogate, which has learned nothing; small and quick, as it is fitted some thirty times."""

    @abstractmethod
    def genotypes(self) -> Sequence[Any]:
        """Give at least ten different genotypes of its space, of different lengths where it has such."""

    def test_it_predicts_a_mean_and_a_deviation_of_each(self) -> None:
        """Of genotypes that it has learned from and of others, and nothing of none."""
        surrogate, genotypes = self.make_surrogate(), self.genotypes()
        surrogate.fit(genotypes[::2], _values(genotypes[::2]))
        for asked in (genotypes, genotypes[:1], []):
            mean, deviation = surrogate.predict(asked)
            assert mean.shape == deviation.shape == (len(asked),)
            assert np.isfinite(mean).all()
            assert np.isfinite(deviation).all()
            assert (deviation >= 0).all()

    def test_it_learns(self) -> None:
        """Of values that lie apart it knows afterwards whether they are low or high."""
        surrogate, genotypes = self.make_surrogate(), self.genotypes()
        for value in (0.9, 0.1):
            for _ in range(4):
                surrogate.fit(genotypes, [value] * len(genotypes))
            assert (abs(surrogate.predict(genotypes).mean - value) < 0.4).all()

    def test_the_seed_and_what_it_was_given_decide(self) -> None:
        """One fit after the other, whatever was predicted in between, and drawn elsewhere."""
        genotypes = self.genotypes()
        one, other = self.make_surrogate(), self.make_surrogate()
        for end in (len(genotypes) // 2, len(genotypes)):
            one.fit(genotypes[:end], _values(genotypes[:end]))
            random.random()
            np.random.random()
            other.fit(genotypes[:end], _values(genotypes[:end]))
            other.predict(genotypes)
        _check_alike(one, other, genotypes)

    def test_the_order_in_which_genotypes_are_listed_does_not_matter(self) -> None:
        """In a fit; and a prediction keeps that in which it was asked."""
        genotypes = self.genotypes()
        one, other = self.make_surrogate(), self.make_surrogate()
        one.fit(genotypes, _values(genotypes))
        order = random.Random(3).sample(range(len(genotypes)), len(genotypes))
        shuffled = [genotypes[place] for place in order]
        other.fit(shuffled, _values(genotypes)[order])
        _check_alike(one, other, genotypes)
        _check_close(one.predict(shuffled).mean, one.predict(genotypes).mean[order])

    def test_rows_of_an_array_are_genotypes(self) -> None:
        """If genotypes are lists of integers."""
        if not isinstance(self.genotypes()[0], list):
            return
        genotypes = [genotype for genotype in self.genotypes() if len(genotype) == len(self.genotypes()[0])]
        one, other = self.make_surrogate(), self.make_surrogate()
        one.fit(genotypes, _values(genotypes))
        other.fit(np.array(genotypes), _values(genotypes))
        _check_alike(one, other, genotypes)
        _check_close(one.predict(np.array(genotypes, dtype=np.uint8)).mean, one.predict(genotypes).mean)

    def test_it_leaves_global_generators_and_genotypes_alone(self) -> None:
        """As others use them."""
        genotypes = self.genotypes()
        before = pickle.dumps(genotypes)
        states = pickle.dumps((random.getstate(), np.random.get_state()))
        surrogate = self.make_surrogate()
        surrogate.fit(genotypes, _values(genotypes))
        surrogate.predict(genotypes)
        assert pickle.dumps((random.getstate(), np.random.get_state())) == states
        assert pickle.dumps(genotypes) == before

    def test_it_pickles(self) -> None:
        """Before its first fit and after; the copy predicts the same, and learns the same from then on."""
        genotypes = self.genotypes()
        surrogate = pickle.loads(pickle.dumps(self.make_surrogate()))
        surrogate.fit(genotypes[::2], _values(genotypes[::2]))
        there = pickle.loads(pickle.dumps(surrogate))
        _check_alike(surrogate, there, genotypes)
        for each in (surrogate, there):
            each.fit(genotypes, _values(genotypes))
        _check_alike(surrogate, there, genotypes)

    def test_it_refuses_what_it_cannot_do(self) -> None:
        """To predict before a fit, and to learn from nothing, or from other than one value of each."""
        surrogate, genotypes = self.make_surrogate(), self.genotypes()
        _check_refused(lambda: surrogate.predict(genotypes))
        _check_refused(lambda: surrogate.fit([], []))
        _check_refused(lambda: surrogate.fit(genotypes, [0.5] * (len(genotypes) - 1)))
        _check_refused(lambda: surrogate.fit(genotypes, [float("nan")] * len(genotypes)))
        _check_refused(lambda: surrogate.predict(genotypes))


def _values(genotypes: Sequence[Any]) -> NDArray[np.float64]:
    """Values between 0 and 1 that do not depend on the other genotypes."""
    return np.array([random.Random(repr(genotype)).random() for genotype in genotypes])


def _check_alike(one: Surrogate, other: Surrogate, genotypes: Genotypes) -> None:
    for found, expected in zip(one.predict(genotypes), other.predict(genotypes), strict=True):
        _check_close(found, expected)


def _check_close(found: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-6)


def _check_refused(call: Any) -> None:
    try:
        call()
    except SettingsError:
        return
    raise AssertionError("it was not refused with a SettingsError")
