"""The surrogate of Perez-Rua 2018 <https://arxiv.org/abs/1808.00391>, section 4: an LSTM that reads genotypes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import SettingsError
from deap_nas.evaluation import derive_seed
from deap_nas.extras import check_installed
from deap_nas.search_space import SearchSpace
from deap_nas.surrogates.examples import NOT_FITTED, checked_values
from deap_nas.surrogates.surrogate import Genotypes, Prediction
from deap_nas.surrogates.tokens import Tokens

if TYPE_CHECKING:
    from deap_nas.surrogates.recurrent_network import RecurrentNetwork

__all__ = ["LSTMSurrogate"]


class LSTMSurrogate:
    """An LSTM that reads a genotype gene by gene and gives a score in [0, 1], such as the accuracy of its network.

    A :class:`~deap_nas.surrogates.Surrogate` of any space whose genotypes are lists of integers, of one length or of
    several. Genes are tokens as ``token_offsets`` of the space says. It is trained by Adam on the absolute error; of a
    genotype that has been seen several times the best value counts. Deviations are 0: it cannot tell them.

    Each fit goes on with the weights of the one before, which is the paper's update, and with a new Adam. What it
    learns follows from the seed and from what all fits were given, in any order within a call. On another number of
    threads, or another machine, scores may differ in their last digits.

    The paper leaves the size of batches and the biases open. Batches are of one length and small: with one batch for
    each length 50 epochs are too few steps to rank as well. Linear layers begin with biases of 0.

    Args:
        space: of the genotypes.
        hidden: units of the LSTM.
        features: of a token, which a linear layer makes of it.
        epochs: of each fit.
        learning_rate: of Adam, above 0.
        batch_size: most genotypes in a step of the training.
        warm_start: whether a fit goes on with the weights of the last one; if not, each begins with the same weights,
            so that it follows from the seed and from what it is given itself.
        seed: of the weights and of the order in which genotypes are shown.

    Raises:
        SettingsError: genotypes of the space are no lists of integers, or an argument is out of its range.
        MissingExtraError: torch is not installed.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        hidden: int = 100,
        features: int = 100,
        epochs: int = 50,
        learning_rate: float = 1e-3,
        batch_size: int = 16,
        warm_start: bool = True,
        seed: int = 0,
    ) -> None:
        """See the class."""
        numbers = {"hidden": hidden, "features": features, "epochs": epochs, "batch_size": batch_size}
        for name, number in numbers.items():
            if type(number) is not int or number < 1:
                raise SettingsError(f"{name} must be an integer of at least 1, found {number!r}")
        if not 0 < learning_rate < float("inf"):
            raise SettingsError(f"learning_rate must be above 0, found {learning_rate!r}")
        check_installed("torch", extra="torch")
        self._tokens = Tokens(space)
        self._size = {"features": features, "hidden": hidden}
        self._training: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
        self._warm_start = warm_start
        self._seed = seed
        #: Fits so far, of which the next one goes on with the weights.
        self._n_fits = 0
        self._network: RecurrentNetwork | None = None

    def fit(self, genotypes: Genotypes, values: Sequence[float] | NDArray[Any]) -> None:
        """See :meth:`Surrogate.fit`; a fit that raises has changed nothing.

        Args:
            genotypes: that have been evaluated.
            values: one of each in [0, 1], such as its accuracy.

        Raises:
            GenotypeError: one is no genotype of the space.
            SettingsError: there are none, not as many values, or a value outside [0, 1].
        """
        import torch

        from deap_nas.surrogates.recurrent_network import RecurrentNetwork, train

        scores = _checked(values, len(genotypes))
        examples = [
            (torch.from_numpy(tokens.astype(np.int64)), torch.from_numpy(best.astype(np.float32)))
            for tokens, best in _best_of_each(self._tokens.by_length(genotypes), scores)
        ]
        generator = torch.Generator().manual_seed(derive_seed(self._seed, self._n_fits))
        if self._warm_start and self._network is not None:
            network = deepcopy(self._network)
        else:
            network = RecurrentNetwork(self._tokens.n_tokens, **self._size, generator=generator)
        train(network, examples, **self._training, generator=generator)
        self._network = network
        self._n_fits = self._n_fits + 1 if self._warm_start else 0

    def predict(self, genotypes: Genotypes) -> Prediction:
        """See :meth:`Surrogate.predict`; the mean is the score, in [0, 1].

        What genotypes begin with alike is read once, so that all extensions of a few of them take little time.
        """
        if self._network is None:
            raise SettingsError(NOT_FITTED)
        from deap_nas.surrogates.prefix_scoring import PrefixScoring

        scoring = PrefixScoring(self._network)
        mean = np.zeros(len(genotypes))
        for places, tokens in self._tokens.by_length(genotypes):
            mean[places] = scoring.scores(tokens)
        return Prediction(mean, np.zeros_like(mean))


def _checked(values: Sequence[float] | NDArray[Any], n_genotypes: int) -> NDArray[np.float64]:
    scores = checked_values(values, n_genotypes)
    outside = np.flatnonzero((scores < 0) | (scores > 1))
    if len(outside):
        raise SettingsError(
            f"values must lie in [0, 1], as accuracies do, and the larger the better; value {outside[0]} is "
            f"{scores[outside[0]]}: divide per cents by 100, give 1 - error in place of an error, scale what is "
            "neither, and leave out or give 0 to evaluations that failed"
        )
    return scores


def _best_of_each(
    groups: Iterable[tuple[NDArray[np.intp], NDArray[Any]]], scores: NDArray[np.float64]
) -> list[tuple[NDArray[Any], NDArray[np.float64]]]:
    """The different sequences of each length, sorted, and the best score of each: the paper's hash table."""
    table = []
    for places, tokens in groups:
        different, which = np.unique(tokens, axis=0, return_inverse=True)
        best = np.zeros(len(different))
        np.maximum.at(best, which.ravel(), scores[places])
        table.append((different, best))
    return table
