"""Genotypes as sequences of tokens, which recurrent networks read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import GenotypeError, SettingsError
from deap_nas.search_space import SearchSpace
from deap_nas.surrogates.surrogate import Genotypes

__all__ = ["Tokens"]


class Tokens:
    """The tokens of a space of integer genes: each gene plus the offset of its place.

    Args:
        space: with ``token_offsets`` and ``n_tokens``, see :class:`~deap_nas.search_space.SearchSpace`.

    Attributes:
        n_tokens: how many different ones there are, counted from 0.

    Raises:
        SettingsError: genotypes of the space are no lists of integers.
    """

    def __init__(self, space: SearchSpace) -> None:
        """See the class."""
        if not space.has_integer_genes:
            raise SettingsError(
                f"genotypes of {type(space).__name__} are no lists of integers, which a sequence of tokens is made of: "
                "choose a surrogate that reads their graphs"
            )
        self.n_tokens = space.n_tokens
        self._offsets = np.asarray(space.token_offsets, dtype=np.int64)

    def by_length(self, genotypes: Genotypes) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
        """Sort genotypes by their numbers of genes, the shortest first.

        Yields:
            Of each length the places of its genotypes in ``genotypes``, (n,), and their tokens, (n, length), in the
            smallest type of unsigned integers that holds them.

        Raises:
            GenotypeError: one has a gene without a token, none, or more genes than the longest of the space.
        """
        for places, rows in _rows_by_length(genotypes):
            yield places, self._tokens(places, rows)

    def _tokens(self, places: NDArray[np.intp], rows: NDArray[Any]) -> NDArray[Any]:
        if not 1 <= rows.shape[1] <= len(self._offsets):
            raise GenotypeError(
                f"a genotype has from 1 to {len(self._offsets)} genes, genotype {places[0]} has {rows.shape[1]}"
            )
        if rows.dtype.kind not in "iu":
            raise GenotypeError(f"genes must be integers, found some of type {rows.dtype}")
        offsets = self._offsets[: rows.shape[1]]
        for extremes in (rows.argmin(axis=0), rows.argmax(axis=0)):
            for gene, row in enumerate(extremes):
                token = int(rows[row, gene]) + int(offsets[gene])
                if not 0 <= token < self.n_tokens:
                    raise GenotypeError(
                        f"gene {gene} of genotype {places[row]} is {rows[row, gene]}, which is token {token} of "
                        f"0..{self.n_tokens - 1}: is the genotype of another space?"
                    )
        # wraps around in between, and ends in the range that was checked
        tokens: NDArray[Any] = np.add(rows, offsets, dtype=np.min_scalar_type(self.n_tokens - 1), casting="unsafe")
        return tokens


def _rows_by_length(genotypes: Genotypes) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
    if isinstance(genotypes, np.ndarray):
        if genotypes.ndim != 2:
            raise GenotypeError(f"an array of genotypes has a row for each, found the shape {genotypes.shape}")
        if len(genotypes):
            yield np.arange(len(genotypes)), genotypes
        return
    places: dict[int, list[int]] = {}
    for place, genotype in enumerate(genotypes):
        places.setdefault(len(genotype), []).append(place)
    for _, found in sorted(places.items()):
        yield np.array(found), np.array([genotypes[place] for place in found])
