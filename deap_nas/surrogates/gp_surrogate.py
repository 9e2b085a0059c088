"""A Gaussian process over the graphs of networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import SettingsError
from deap_nas.evaluation import derive_seed
from deap_nas.extras import check_installed
from deap_nas.search_space import SearchSpace
from deap_nas.surrogates.examples import NOT_FITTED, checked_values, in_order
from deap_nas.surrogates.feature_columns import FeatureColumns
from deap_nas.surrogates.graph_features import GraphFeatures
from deap_nas.surrogates.one_thread import one_thread
from deap_nas.surrogates.surrogate import Genotypes, Prediction

__all__ = ["GPSurrogate"]

#: Length scales, where the root of the mean squared distance is one, and variances of the noise, where that of the
#: values is one, of which the likeliest are taken.
_LENGTHS = (0.3, 0.45, 0.63, 0.9, 1.3)
_NOISES = (1e-3, 1e-2, 5e-2, 0.2)


class GPSurrogate:
    """A Gaussian process whose kernel falls with the distance of two networks' features (Ru 2021, Kandasamy 2018).

    A :class:`~deap_nas.surrogates.Surrogate` of any space. The kernel is Matern's, with nu = 5/2, of the features of
    :class:`~deap_nas.surrogates.GraphFeatures`; its length, and then the noise, are those of highest marginal
    likelihood out of a few. The process is scikit-learn's. The deviation is that of the mean, without the noise of an
    evaluation.

    Values are taken as they are, but for mean and scale. A process expects them to spread evenly: of accuracies, most
    of which crowd near the best, give ranks (:class:`deap_nas.Preselect` does).

    Args:
        space: of the genotypes.
        n_most: most genotypes it learns from, as the time of a fit grows with their third power: of more, the best
            half as many and others drawn by lot.
        seed: of that lot.

    Raises:
        SettingsError: ``n_most`` is less than 2.
        MissingExtraError: scikit-learn is not installed.
    """

    def __init__(self, space: SearchSpace, *, n_most: int = 500, seed: int = 0) -> None:
        """See the class."""
        if type(n_most) is not int or n_most < 2:
            raise SettingsError(f"n_most must be an integer of at least 2, found {n_most!r}")
        check_installed("sklearn", extra="surrogates")
        self._features = GraphFeatures(space)
        self._n_most = n_most
        self._seed = seed
        self._columns: FeatureColumns | None = None
        self._process: Any = None

    def fit(self, genotypes: Genotypes, values: Sequence[float] | NDArray[Any]) -> None:
        """See :meth:`Surrogate.fit`; each is by itself."""
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import Matern, WhiteKernel

        scores = checked_values(values, len(genotypes))
        features = self._features.of(genotypes)
        columns = FeatureColumns(features)
        rows, scores = in_order(columns.rows(features), scores)
        kept = self._kept(len(scores))
        with one_thread():
            length, noise = _likeliest(rows[kept], scores[kept])
            kernel = Matern(length, nu=2.5) + WhiteKernel(noise)
            process = GaussianProcessRegressor(kernel, normalize_y=True, optimizer=None, copy_X_train=False)
            self._process, self._columns = process.fit(rows[kept], scores[kept]), columns

    def _kept(self, n_scores: int) -> NDArray[np.intp]:
        """Places, among scores from the lowest to the highest, of those it learns from."""
        if n_scores <= self._n_most:
            return np.arange(n_scores)
        n_best = self._n_most // 2
        rng = np.random.default_rng(derive_seed(self._seed, n_scores))
        others = rng.choice(n_scores - n_best, self._n_most - n_best, replace=False)
        return np.concatenate([np.sort(others), np.arange(n_scores - n_best, n_scores)])

    def predict(self, genotypes: Genotypes) -> Prediction:
        """See :meth:`Surrogate.predict`."""
        if self._columns is None:
            raise SettingsError(NOT_FITTED)
        if not len(genotypes):
            return Prediction(np.zeros(0), np.zeros(0))
        rows = self._columns.rows(self._features.of(genotypes))
        with one_thread():
            mean, deviation = self._process.predict(rows, return_std=True)
        scale = self._process._y_train_std
        noise = self._process.kernel_.k2.noise_level * scale**2
        return Prediction(mean, np.sqrt(np.maximum(deviation**2 - noise, 1e-12 * scale**2)))


def _likeliest(rows: NDArray[np.float64], scores: NDArray[np.float64]) -> tuple[float, float]:
    """Length scale and noise of the highest likelihood: that of the lengths, then that of the noises."""
    from scipy.spatial.distance import pdist

    distances = pdist(rows)  # measured once for all lengths
    values = (scores - scores.mean()) / (scores.std() or 1.0)
    length = max(_LENGTHS, key=lambda length: _log_likelihood(distances, values, length, _NOISES[1]))
    return length, max(_NOISES, key=lambda noise: _log_likelihood(distances, values, length, noise))


def _log_likelihood(distances: NDArray[np.float64], values: NDArray[np.float64], length: float, noise: float) -> float:
    """Marginal likelihood of values, up to a constant (Rasmussen 2006, equation 2.30)."""
    from scipy.linalg import cho_solve, cholesky
    from scipy.spatial.distance import squareform

    far = np.sqrt(5) / length * distances
    covariance = squareform((1 + far + far**2 / 3) * np.exp(-far))
    covariance[np.diag_indices_from(covariance)] = 1 + noise
    factor = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    weights = cho_solve((factor, True), values, check_finite=False)
    return float(-0.5 * values @ weights - np.log(np.diag(factor)).sum())
