"""The scores of very many sequences, among which many begin alike, such as all extensions of a few networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deap_nas.surrogates.prefixes import PrefixTree, prefix_order
from deap_nas.surrogates.recurrent_network import RecurrentNetwork

__all__ = ["PrefixScoring"]

#: Sequences that are read at once: with 100 hidden units the states and gates of as many take about 50 MB.
_MOST_ROWS = 2**13


class PrefixScoring:
    """Reads sequences as a network does, but what several of them begin with once.

    What a token contributes to the gates of the LSTM is looked up, and what a state contributes is computed once for
    all tokens that follow it.

    Args:
        network: whose scores are given, as it is now.
    """

    def __init__(self, network: RecurrentNetwork) -> None:
        """See the class."""
        of_features, of_states, *biases = network.lstm.parameters()
        with torch.inference_mode():
            #: What each token adds to the gates, (n_tokens, 4 hidden): input, forget, cell and output gate.
            self._of_tokens = (network.features.weight.T + network.features.bias) @ of_features.T + sum(biases)
        self._of_states = of_states.T
        self._hidden = network.lstm.hidden_size
        self._score = network.score

    def scores(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Give the scores in [0, 1], (n,), of sequences of tokens, (n, length)."""
        order = prefix_order(rows)
        scores = np.empty(len(rows))
        with torch.inference_mode():
            for start in range(0, len(rows), _MOST_ROWS):
                part = order[start : start + _MOST_ROWS]
                tree = PrefixTree(rows[part])
                scores[part] = self._leaf_scores(tree)[tree.leaves]
        return scores

    def _leaf_scores(self, tree: PrefixTree) -> NDArray[np.float32]:
        """Of each prefix of full length."""
        hidden = cell = self._of_tokens.new_zeros(1, self._hidden)
        for parents, tokens in tree.levels():
            places = torch.from_numpy(parents)
            gates = (hidden @ self._of_states)[places]  # (prefixes, 4 hidden)
            gates += self._of_tokens[torch.from_numpy(tokens.astype(np.int64))]
            hidden, cell = self._state(gates, cell[places])
        scores: NDArray[np.float32] = self._score(hidden).sigmoid().squeeze(1).numpy()
        return scores

    def _state(self, gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden and cell state after a token, (n, hidden) each; both arguments are overwritten."""
        n = self._hidden
        gates[:, : 2 * n].sigmoid_()
        gates[:, 2 * n : 3 * n].tanh_()
        gates[:, 3 * n :].sigmoid_()
        admit, keep, new, show = gates.view(-1, 4, n).unbind(1)
        cell.mul_(keep).addcmul_(admit, new)
        return cell.tanh().mul_(show), cell
