"""The recurrent network of Perez-Rua 2018, which reads a sequence of tokens and gives a score, and its training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

__all__ = ["RecurrentNetwork", "train"]


class RecurrentNetwork(nn.Module):
    """One-hot tokens, a linear layer, an LSTM, and a linear layer with a sigmoid on its last hidden state.

    The weights of the linear layers are drawn from [-1, 1] (section 5), their biases are 0 at first; the rest is drawn
    as PyTorch does, from the square root of 1 / ``hidden`` in either direction.

    Args:
        n_tokens: different tokens.
        features: of a token.
        hidden: units of the LSTM.
        generator: that weights are drawn from.
    """

    def __init__(self, n_tokens: int, *, features: int, hidden: int, generator: torch.Generator) -> None:
        """See the class."""
        super().__init__()
        with torch.device("meta"):  # without weights: their own would come from torch's global generator
            self.features = nn.Linear(n_tokens, features, dtype=torch.float32)
            self.lstm = nn.LSTM(features, hidden, batch_first=True, dtype=torch.float32)
            self.score = nn.Linear(hidden, 1, dtype=torch.float32)
        self.to_empty(device="cpu")
        bound = math.sqrt(1 / hidden)
        for parameter in self.lstm.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)
        for layer in (self.features, self.score):
            nn.init.uniform_(layer.weight, -1, 1, generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Give the scores in [0, 1], (n,), of sequences of integers, (n, length)."""
        # the product with a one-hot vector is a row of the weights
        features = nn.functional.embedding(tokens, self.features.weight.T) + self.features.bias
        states, _ = self.lstm(features)  # (n, length, hidden)
        scores: Tensor = self.score(states[:, -1])
        return scores.sigmoid().squeeze(1)


def train(
    network: RecurrentNetwork,
    examples: Sequence[tuple[Tensor, Tensor]],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    generator: torch.Generator,
) -> None:
    """Train a network by Adam on the absolute error of its scores, in place.

    Args:
        network: to be trained.
        examples: for each length the sequences, (n, length), and the scores that they should have, (n,).
        epochs: how often each sequence is shown.
        batch_size: most sequences in a step, all of one length.
        learning_rate: of Adam.
        generator: that the order of sequences and of batches is drawn from.
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate)
    for _ in range(epochs):
        for tokens, values in _batches(examples, batch_size, generator):
            loss = nn.functional.l1_loss(network(tokens), values)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()


def _batches(
    examples: Sequence[tuple[Tensor, Tensor]], batch_size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Each example once: batches of one length, nearly equal in size, in any order."""
    batches: list[tuple[Tensor, Tensor]] = []
    for tokens, values in examples:
        shuffled = torch.randperm(len(values), generator=generator)
        parts = shuffled.tensor_split(-(-len(values) // batch_size))
        batches.extend((tokens[part], values[part]) for part in parts)
    for number in torch.randperm(len(batches), generator=generator):
        yield batches[number]
