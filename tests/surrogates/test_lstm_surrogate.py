"""What LSTMSurrogate is besides a surrogate: tests/test_testing_surrogates.py tests that it is one."""

import pickle
import random
import sys
from functools import partial

import numpy as np
import pytest
import torch

from deap_nas import ChainSpace, DNASpace, FlatSpace, MacroSpace, MicroSpace
from deap_nas.errors import GenotypeError, MissingExtraError, SettingsError
from deap_nas.surrogates import LSTMSurrogate, kendall_tau
from tests.surrogates.growing import TwoBlocks

SPACE = FlatSpace(nodes=5)
GROWING = TwoBlocks()
make_small = partial(LSTMSurrogate, SPACE, hidden=8, features=5, epochs=3)


def samples(space, n_genotypes, seed=0):
    rng = random.Random(seed)
    return [space.sample(rng=rng) for _ in range(n_genotypes)]


def merits(genotypes):
    """What each gene is worth, on average: a simple target in [0.4, 0.9]."""
    worth = [0.4, 0.9, 0.5, 0.8, 0.7, 0.6, 0.45]
    return np.array([np.mean([worth[gene] for gene in genes]) for genes in genotypes])


def means(surrogate, genotypes):
    return surrogate.predict(genotypes).mean


@pytest.mark.parametrize("space", [SPACE, ChainSpace(max_layers=4, channels=tuple(range(1, 8)))], ids=["flat", "chain"])
def test_it_ranks_networks_that_it_has_not_seen(space):
    genotypes = samples(space, 400)
    surrogate = LSTMSurrogate(space)
    surrogate.fit(genotypes[:300], merits(genotypes[:300]))
    predicted = means(surrogate, genotypes[300:])
    assert kendall_tau(predicted, merits(genotypes[300:])) > 0.5
    assert np.abs(predicted - merits(genotypes[300:])).mean() < 0.05


def test_it_ranks_better_after_more_fits():
    genotypes, unseen = samples(SPACE, 60), samples(SPACE, 100, seed=1)
    surrogate = LSTMSurrogate(SPACE)
    taus = []
    for _ in range(3):
        surrogate.fit(genotypes, merits(genotypes))
        taus.append(kendall_tau(means(surrogate, genotypes), merits(genotypes)))
    assert taus == sorted(taus)
    assert taus[-1] > 0.8
    assert kendall_tau(means(surrogate, unseen), merits(unseen)) > 0.3


@pytest.mark.parametrize(("warm_start", "alike"), [(True, False), (False, True)])
def test_a_fit_goes_on_from_the_last_one_unless_it_starts_anew(warm_start, alike):
    genotypes = samples(SPACE, 12)
    once, twice = make_small(warm_start=warm_start), make_small(warm_start=warm_start)
    twice.fit(genotypes[:5], [0.9] * 5)
    for surrogate in (once, twice):
        surrogate.fit(genotypes, merits(genotypes))
    assert (means(once, genotypes) == means(twice, genotypes)).all() == alike


def test_short_fits_one_after_the_other_learn_what_one_of_them_does_not():
    genotypes = samples(SPACE, 12)
    surrogate = make_small(epochs=1, learning_rate=0.01)
    errors = []
    for _ in range(60):
        surrogate.fit(genotypes, [0.97] * 12)
        errors.append(np.abs(means(surrogate, genotypes) - 0.97).mean())
    assert errors[0] > 0.1
    assert errors[-1] < 0.05


def test_a_fit_that_goes_on_shows_genotypes_in_another_order():
    genotypes = samples(SPACE, 40)
    one, other = make_small(epochs=1), make_small(epochs=1)
    for surrogate in (one, other):
        surrogate.fit(genotypes, merits(genotypes))
    other._n_fits = 0
    for surrogate in (one, other):
        surrogate.fit(genotypes, merits(genotypes))
    assert (means(one, genotypes) != means(other, genotypes)).any()


def test_the_seed_decides():
    genotypes = samples(SPACE, 12)

    def fitted(seed):
        surrogate = make_small(seed=seed)
        surrogate.fit(genotypes, merits(genotypes))
        return means(surrogate, genotypes)

    assert (fitted(1) == fitted(1)).all()
    assert (fitted(1) != fitted(2)).any()


def test_the_order_of_genotypes_changes_no_digit():
    genotypes = [GROWING.sample(rng=random.Random(n), n_genes=n % 2 * 4 + 4) for n in range(30)]
    values = [random.Random(repr(genes)).random() for genes in genotypes]
    order = random.Random(5).sample(range(30), 30)
    one, other = (LSTMSurrogate(GROWING, hidden=8, features=5, epochs=3) for _ in range(2))
    one.fit(genotypes, values)
    other.fit([genotypes[place] for place in order], [values[place] for place in order])
    assert (means(one, genotypes) == means(other, genotypes)).all()


def test_of_a_network_seen_several_times_the_best_value_counts():
    genotypes = samples(SPACE, 8)
    once, often = make_small(), make_small()
    once.fit(genotypes, merits(genotypes))
    worse = merits(genotypes) - 0.3
    often.fit([*genotypes, *genotypes, genotypes[2]], [*worse, *merits(genotypes), 0.0])
    assert (means(once, genotypes) == means(often, genotypes)).all()


def test_genotypes_of_several_lengths_have_their_scores_in_one_call():
    rng = random.Random(1)
    genotypes = [GROWING.sample(rng=rng, n_genes=4 + 4 * (number % 3 == 0)) for number in range(20)]
    surrogate = LSTMSurrogate(GROWING, hidden=8, features=5, epochs=3)
    surrogate.fit(genotypes, [0.5 + 0.1 * (len(genes) == 4) for genes in genotypes])
    together = means(surrogate, genotypes)
    assert len(set(together)) > 10
    for genes, score in zip(genotypes, together, strict=True):
        assert means(surrogate, [genes]) == pytest.approx([score], abs=1e-6)


def test_scores_lie_in_0_to_1_and_have_no_deviation():
    genotypes = samples(SPACE, 50)
    surrogate = make_small(epochs=40, learning_rate=0.1)
    surrogate.fit(genotypes, [index % 2 for index in range(50)])
    mean, deviation = surrogate.predict(samples(SPACE, 500, seed=1))
    assert (mean.min(), mean.max()) == (pytest.approx(0, abs=0.2), pytest.approx(1, abs=0.2))
    assert ((mean >= 0) & (mean <= 1)).all()
    assert mean.dtype == deviation.dtype == np.float64
    assert not deviation.any()


def test_torchs_generator_is_left_alone_and_decides_nothing():
    before = torch.get_rng_state()
    surrogate = make_small()
    surrogate.fit(samples(SPACE, 10), [0.5] * 10)
    surrogate.predict(samples(SPACE, 10))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(int(torch.randint(2**31, ())))
    again = make_small()
    again.fit(samples(SPACE, 10), [0.5] * 10)
    assert (means(again, samples(SPACE, 10)) == means(surrogate, samples(SPACE, 10))).all()


@pytest.mark.parametrize(
    ("bad", "message"),
    [(bad, r"values must lie in \[0, 1\].* value 1 is .*: divide per cents by 100") for bad in (1.5, -0.1, 56)]
    + [(bad, "values must be finite, value 1 is .*: leave out") for bad in (float("nan"), float("inf"))],
)
def test_values_that_are_no_scores_are_refused_and_change_nothing(bad, message):
    genotypes = samples(SPACE, 3)
    surrogate = make_small()
    surrogate.fit(genotypes, [0.5] * 3)
    before = pickle.dumps(surrogate)
    with pytest.raises(SettingsError, match=message):
        surrogate.fit(genotypes, [0.5, bad, 0.5])
    with pytest.raises(GenotypeError, match="gene 0 of genotype 1 is 7"):
        surrogate.fit([genotypes[0], [7] * 10], [0.5, 0.5])
    assert pickle.dumps(surrogate) == before


def test_values_in_tuples_are_refused():
    with pytest.raises(SettingsError, match=r"of the shape \(3, 1\); of individuals these are \[individual.fitness"):
        make_small().fit(samples(SPACE, 3), [(0.5,), (0.6,), (0.7,)])


def test_a_prediction_before_a_fit_and_a_fit_of_nothing_are_refused():
    with pytest.raises(SettingsError, match="call fit first"):
        make_small().predict(samples(SPACE, 3))
    with pytest.raises(SettingsError, match="give at least one genotype"):
        make_small().fit([], [])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": 0}, "hidden must be an integer of at least 1, found 0"),
        ({"features": 1.5}, "features must be an integer"),
        ({"epochs": True}, "epochs must be an integer"),
        ({"batch_size": -1}, "batch_size must be an integer"),
        ({"learning_rate": 0}, "learning_rate must be above 0, found 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        LSTMSurrogate(SPACE, **settings)


def test_without_torch_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"torch is not installed; install it with: pip install"):
        LSTMSurrogate(SPACE)


def test_a_space_without_integer_genes_is_refused():
    with pytest.raises(SettingsError, match="genotypes of DNASpace are no lists of integers"):
        LSTMSurrogate(DNASpace())


def test_it_is_of_the_size_that_the_paper_says():
    surrogate = LSTMSurrogate(SPACE, epochs=1)
    surrogate.fit(samples(SPACE, 3), [0.5] * 3)
    shapes = {name: tuple(parameter.shape) for name, parameter in surrogate._network.named_parameters()}
    assert shapes["features.weight"] == (100, SPACE.n_tokens)
    assert shapes["lstm.weight_hh_l0"] == (400, 100)
    assert shapes["score.weight"] == (1, 100)


@pytest.mark.parametrize("space", [MacroSpace(layers=4), MicroSpace(blocks=3)], ids=["macro", "micro"])
def test_extensions_of_a_network_that_grows_are_scored_all_at_once(space):
    rng = random.Random(2)
    known = [space.sample_level(level, rng=rng) for level in (1, 2) for _ in range(6)]
    surrogate = LSTMSurrogate(space, hidden=8, features=5, epochs=3)
    surrogate.fit(known, [rng.random() for _ in known])
    options = space.options(3)
    rows = np.hstack([np.tile(known[-1], (len(options), 1)), options])
    scores = means(surrogate, rows)
    assert len(set(scores)) == len(options)
    assert means(surrogate, rows[::-1].tolist()) == pytest.approx(scores[::-1], abs=1e-6)
