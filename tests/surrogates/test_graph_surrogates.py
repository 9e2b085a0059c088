"""What GPSurrogate and ForestSurrogate are besides surrogates: tests/test_testing_surrogates.py tests that they are."""

import random
import sys

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel
from threadpoolctl import threadpool_info, threadpool_limits

from deap_nas import ChainSpace, DNASpace, FlatSpace, HierarchicalSpace, canonical_key, cost
from deap_nas.errors import GenotypeError, MissingExtraError, NotViableError, SettingsError
from deap_nas.surrogates import ForestSurrogate, GPSurrogate, kendall_tau
from deap_nas.surrogates.gp_surrogate import _LENGTHS, _NOISES, _log_likelihood

CELLS = FlatSpace(nodes=4, operations=("identity", "conv_1x1", "conv_3x3", "avg_pool_3x3"), merge="add")
BOTH = pytest.mark.parametrize("kind", [GPSurrogate, ForestSurrogate])


def samples(space, n_genotypes, seed=0):
    """Different networks."""
    rng, found = random.Random(seed), {}
    while len(found) < n_genotypes:
        genotype = space.sample(rng=rng)
        found[canonical_key(space, genotype)] = genotype
    return list(found.values())


def merits(space, genotypes):
    """A fitness between 0 and 1 that follows from the network: of its size and its operations."""

    def merit(genotype):
        try:
            size = cost(space, genotype, space.default_template())
        except NotViableError:
            return 0.0
        text = space.describe(genotype)
        return 1 / (1 + np.exp(8 - np.log10(size.n_parameters + size.flops) - text.count("conv_3x3") / 4))

    return np.array([merit(genotype) for genotype in genotypes])


@BOTH
@pytest.mark.parametrize(
    "space", [CELLS, HierarchicalSpace(), ChainSpace(), DNASpace()], ids=lambda s: type(s).__name__
)
def test_it_ranks_networks_that_it_has_not_seen(kind, space):
    genotypes = samples(space, 160)
    values = merits(space, genotypes)
    surrogate = kind(space)
    surrogate.fit(genotypes[:100], values[:100])
    assert kendall_tau(surrogate.predict(genotypes[100:]).mean, values[100:]) > 0.4


@BOTH
def test_it_is_surer_of_what_it_has_seen(kind):
    genotypes = samples(CELLS, 80)
    values = merits(CELLS, genotypes)
    surrogate = kind(CELLS)
    surrogate.fit(genotypes[:40], values[:40])
    deviation = surrogate.predict(genotypes).deviation
    assert deviation[:40].mean() < deviation[40:].mean() / 1.2


@BOTH
def test_one_network_is_one_point_however_it_is_written(kind):
    genotypes = samples(CELLS, 30)
    surrogate = kind(CELLS)
    surrogate.fit(genotypes, merits(CELLS, genotypes))
    mean, deviation = surrogate.predict([[0, 0, 0, 3, 0, 0], [2, 3, 1, 3, 0, 0]])
    assert mean[0] == mean[1]
    assert deviation[0] == deviation[1]


def test_the_noise_of_evaluations_is_no_doubt_about_the_mean():
    genotypes = samples(CELLS, 20)
    rng = np.random.default_rng(0)
    surrogate = GPSurrogate(CELLS)
    surrogate.fit(genotypes * 25, np.tile(merits(CELLS, genotypes), 25) + rng.normal(0, 0.05, 500))
    mean, deviation = surrogate.predict(genotypes)
    assert np.abs(mean - merits(CELLS, genotypes)).mean() < 0.02
    assert deviation.mean() < 0.02


def test_of_too_many_the_best_half_is_learnt_from_and_others_by_lot():
    genotypes = samples(CELLS, 60)
    values = np.linspace(0, 1, 60)
    some = GPSurrogate(CELLS, n_most=20)
    some.fit(genotypes, values)
    deviation = some.predict(genotypes).deviation
    learnt = deviation < np.sort(deviation)[20]
    assert learnt[50:].sum() >= 8  # those of the best ten, but for such as others resemble
    assert 5 <= learnt[:50].sum() <= 12


@BOTH
def test_what_it_cannot_learn_is_refused(kind):
    with pytest.raises(SettingsError, match="worst of the others"):
        kind(CELLS).fit(samples(CELLS, 2), [0.1, float("-inf")])
    with pytest.raises(GenotypeError):
        kind(CELLS).fit([[9] * 6], [0.1])
    with pytest.raises(SettingsError, match="at least 2"):
        kind(CELLS, **{"n_most" if kind is GPSurrogate else "n_trees": 1})


@BOTH
def test_without_scikit_learn_it_says_what_to_install(kind, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match=r"deap-nas\[surrogates\]"):
        kind(CELLS)


def test_likelihoods_differ_as_those_of_scikit_learn_do():
    rng = np.random.default_rng(0)
    rows, values = rng.standard_normal((30, 4)), rng.standard_normal(30)
    process = GaussianProcessRegressor(Matern(nu=2.5) + WhiteKernel(), optimizer=None).fit(rows, values)
    pairs = [(length, noise) for length in _LENGTHS for noise in _NOISES]
    own = [_log_likelihood(pdist(rows), values, *pair) for pair in pairs]
    theirs = [process.log_marginal_likelihood(np.log(pair)) for pair in pairs]
    np.testing.assert_allclose(np.subtract(own, own[0]), np.subtract(theirs, theirs[0]), rtol=1e-6, atol=1e-6)


def test_a_process_has_the_likeliest_length_and_then_the_likeliest_noise():
    genotypes = samples(CELLS, 60)
    surrogate = GPSurrogate(CELLS)
    for noise in (0.0, 0.5):
        values = merits(CELLS, genotypes) + noise * np.random.default_rng(0).standard_normal(60)
        surrogate.fit(genotypes, values)
        process = surrogate._process
        chosen = process.kernel_.theta
        likelihood = process.log_marginal_likelihood  # scikit-learn's own
        lengths = {length: likelihood(np.log([length, _NOISES[1]])) for length in _LENGTHS}
        assert chosen[0] == pytest.approx(np.log(max(lengths, key=lengths.get)))
        noises = {each: likelihood([chosen[0], np.log(each)]) for each in _NOISES}
        assert chosen[1] == pytest.approx(np.log(max(noises, key=noises.get)))
    assert np.exp(chosen[1]) == max(_NOISES)


def test_its_linear_algebra_takes_one_thread_and_gives_the_others_back(monkeypatch):
    def threads():
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    seen = []
    fit = GaussianProcessRegressor.fit
    monkeypatch.setattr(GaussianProcessRegressor, "fit", lambda *args: (seen.append(threads()), fit(*args))[1])
    genotypes = samples(CELLS, 10)
    with threadpool_limits(2, "blas"):
        GPSurrogate(CELLS).fit(genotypes, merits(CELLS, genotypes))
        assert threads() == {2}
    assert seen == [{1}]
