import random

import numpy as np
import pytest
import torch

from deap_nas.surrogates import prefix_scoring
from deap_nas.surrogates.prefix_scoring import PrefixScoring
from deap_nas.surrogates.recurrent_network import RecurrentNetwork


@pytest.fixture
def network():
    return RecurrentNetwork(8, features=100, hidden=100, generator=torch.Generator().manual_seed(1))


def extensions(length=40, n_last=6, n_parents=5):
    """All binary extensions of a few sequences of up to eight tokens, in any order, some of them twice."""
    rng = random.Random(2)
    parents = [[rng.randrange(8) for _ in range(length - n_last)] for _ in range(n_parents)]
    tails = [[number >> place & 1 for place in range(n_last)] for number in range(2**n_last)]
    rows = [[*parent, *tail] for parent in parents for tail in tails]
    return np.array(rng.sample(rows, len(rows)) + rows[:7], dtype=np.uint8)


def plain_scores(network, rows):
    with torch.no_grad():
        return network(torch.from_numpy(rows.astype(np.int64))).numpy()


@pytest.mark.parametrize("most_rows", [2**13, 50, 1])
def test_scores_are_those_of_a_plain_lstm(network, monkeypatch, most_rows):
    monkeypatch.setattr(prefix_scoring, "_MOST_ROWS", most_rows)
    rows = extensions()
    found = PrefixScoring(network).scores(rows)
    assert found.std() > 0.01
    assert found == pytest.approx(plain_scores(network, rows), abs=1e-5)


@pytest.mark.parametrize(
    "rows", [[[3]], [[3, 3, 3, 3]] * 3, [[0, 1, 2], [7, 6, 5]]], ids=["one token", "equal", "apart"]
)
def test_scores_of_few_rows_are_those_of_a_plain_lstm(network, rows):
    rows = np.array(rows, dtype=np.uint8)
    assert PrefixScoring(network).scores(rows) == pytest.approx(plain_scores(network, rows), abs=1e-5)


def test_what_rows_begin_with_is_read_once(network, monkeypatch):
    n_read = []
    state = PrefixScoring._state

    def counting(self, gates, cell):
        n_read.append(len(gates))
        return state(self, gates, cell)

    monkeypatch.setattr(PrefixScoring, "_state", counting)
    PrefixScoring(network).scores(extensions())
    assert n_read == [5] * 34 + [10, 20, 40, 80, 160, 320]


def test_scores_are_rounded_to_single_precision_wherever_torch_starts(network):
    """Another default type of PyTorch's changes nothing."""
    rows = extensions()
    expected = PrefixScoring(network).scores(rows)
    torch.set_default_dtype(torch.float64)
    try:
        assert (PrefixScoring(network).scores(rows) == expected).all()
    finally:
        torch.set_default_dtype(torch.float32)
