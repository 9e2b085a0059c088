"""A random forest over the graphs of networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import SettingsError
from deap_nas.extras import check_installed
from deap_nas.search_space import SearchSpace
from deap_nas.surrogates.examples import NOT_FITTED, checked_values, in_order
from deap_nas.surrogates.feature_columns import FeatureColumns
from deap_nas.surrogates.graph_features import GraphFeatures
from deap_nas.surrogates.surrogate import Genotypes, Prediction

__all__ = ["ForestSurrogate"]


class ForestSurrogate:
    """A random forest, the deviation of whose trees says how sure it is (Hutter 2011, "SMAC").

    A :class:`~deap_nas.surrogates.Surrogate` of any space, on the features of
    :class:`~deap_nas.surrogates.GraphFeatures`; the forest is scikit-learn's. It does not care how values are spread,
    and its time grows little more than in proportion to their number, so it suits long searches.

    Args:
        space: of the genotypes.
        n_trees: trees of the forest, at least 2.
        seed: of the forest.

    Raises:
        SettingsError: ``n_trees`` is less than 2.
        MissingExtraError: scikit-learn is not installed.
    """

    def __init__(self, space: SearchSpace, *, n_trees: int = 100, seed: int = 0) -> None:
        """See the class."""
        if type(n_trees) is not int or n_trees < 2:
            raise SettingsError(f"n_trees must be an integer of at least 2, found {n_trees!r}")
        check_installed("sklearn", extra="surrogates")
        self._features = GraphFeatures(space)
        self._n_trees = n_trees
        self._seed = seed
        self._columns: FeatureColumns | None = None
        self._forest: Any = None

    def fit(self, genotypes: Genotypes, values: Sequence[float] | NDArray[Any]) -> None:
        """See :meth:`Surrogate.fit`; each is by itself."""
        from sklearn.ensemble import RandomForestRegressor

        scores = checked_values(values, len(genotypes))
        features = self._features.of(genotypes)
        columns = FeatureColumns(features)
        forest = RandomForestRegressor(self._n_trees, max_features=1 / 3, random_state=self._seed % 2**32)
        self._forest, self._columns = forest.fit(*in_order(columns.rows(features), scores)), columns

    def predict(self, genotypes: Genotypes) -> Prediction:
        """See :meth:`Surrogate.predict`; the deviation is that of the trees."""
        if self._columns is None:
            raise SettingsError(NOT_FITTED)
        if not len(genotypes):
            return Prediction(np.zeros(0), np.zeros(0))
        rows = self._columns.rows(self._features.of(genotypes)).astype(np.float32)
        each = np.array([tree.tree_.predict(rows)[:, 0] for tree in self._forest.estimators_])  # (trees, genotypes)
        return Prediction(each.mean(axis=0), each.std(axis=0))
