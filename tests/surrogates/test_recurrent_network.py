import math

import torch

from deap_nas.surrogates.recurrent_network import RecurrentNetwork, train


def make_network(seed=0, n_tokens=5, features=6, hidden=9):
    generator = torch.Generator().manual_seed(seed)
    return RecurrentNetwork(n_tokens, features=features, hidden=hidden, generator=generator)


def test_its_scores_are_those_of_layers_applied_to_one_hot_tokens_one_by_one():
    network = make_network()
    tokens = torch.tensor([[0, 3, 3, 4], [2, 1, 0, 0]])
    state = None
    for place in range(4):
        one_hot = torch.nn.functional.one_hot(tokens[:, place : place + 1], 5).float()
        output, state = network.lstm(network.features(one_hot), state)
    expected = torch.sigmoid(network.score(output[:, 0]))[:, 0]
    assert torch.allclose(network(tokens), expected, atol=1e-6)


def test_linear_weights_fill_minus_one_to_one_and_those_of_the_lstm_a_range_by_its_units():
    network = make_network(n_tokens=50, features=80, hidden=64)
    for layer in (network.features, network.score):
        assert 0.9 < layer.weight.abs().max() <= 1
        assert abs(layer.weight.mean()) < 0.15
        assert not layer.bias.any()
    for parameter in network.lstm.parameters():
        assert 0.9 < parameter.abs().max() * math.sqrt(64) <= 1


def test_the_generator_alone_decides_the_weights():
    before = torch.get_rng_state()
    one, same, other = (torch.nn.utils.parameters_to_vector(make_network(seed).parameters()) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_each_epoch_shows_each_sequence_once_in_batches_of_one_length_and_nearly_one_size():
    shown = []

    class Noting(RecurrentNetwork):
        def forward(self, tokens):
            shown.append(tokens.tolist())
            return super().forward(tokens)

    network = Noting(30, features=3, hidden=3, generator=torch.Generator())
    long = torch.stack([torch.arange(25), torch.zeros(25, dtype=torch.int64)], dim=1)
    examples = [(torch.tensor([[1], [2], [3]]), torch.rand(3)), (long, torch.rand(25))]
    train(network, examples, epochs=2, batch_size=12, learning_rate=0.1, generator=torch.Generator())
    assert sorted(map(len, shown)) == [3, 3, 8, 8, 8, 8, 9, 9]
    n_batches = len(shown) // 2
    for epoch in (shown[:n_batches], shown[n_batches:]):
        assert all(len(set(map(len, batch))) == 1 for batch in epoch)
        expected = [[1], [2], [3], *long.tolist()]
        assert sorted(row for batch in epoch for row in batch) == sorted(expected)
    assert shown[:n_batches] != shown[n_batches:]


def test_the_first_step_is_one_of_adam_down_the_gradient_of_the_absolute_error():
    network, copy = make_network(), make_network()
    tokens, values = torch.tensor([[0, 1], [2, 3], [4, 4]]), torch.tensor([0.9, 0.1, 0.5])
    train(network, [(tokens, values)], epochs=1, batch_size=3, learning_rate=1e-3, generator=torch.Generator())
    (copy(tokens) - values).abs().mean().backward()
    for moved, parameter in zip(network.parameters(), copy.parameters(), strict=True):
        step = 1e-3 * parameter.grad / (parameter.grad.abs() + 1e-8)
        assert torch.allclose(moved, parameter - step, atol=1e-6)
