"""The search space of a population file, as far as it can be made where its class or an operation is not registered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from deap_nas.errors import SettingsError, UnknownNameError
from deap_nas.graph import Graph
from deap_nas.search_space import Motif, SearchSpace, space_from_dict
from deap_nas.search_space.origins import explain

__all__ = ["UnreadSpace", "check_known", "check_registered", "readable_space"]


class UnreadSpace(SearchSpace):
    """A search space whose class is not registered: it knows what the file says of it, and what its genes mean not.

    Args:
        fields: of the file.
        n_genes: columns of genes in the file; None where rows differ in length.
        dtype: of the genes in the file.
        reason: what whoever asks for more is told.
    """

    def __init__(
        self, fields: dict[str, Any], n_genes: int | None, dtype: np.dtype[Any], reason: UnknownNameError
    ) -> None:
        """See the class."""
        self._fields = fields
        self._reason = reason
        self._dtype = str(dtype)
        self.n_genes = n_genes

    @property
    def row_dtype(self) -> str:
        """Of the file."""
        return self._dtype

    def decode(self, row: Any) -> tuple[Any, ...]:
        """Give a row as it is."""
        return tuple(getattr(row, "tolist", lambda: row)())

    def validate(self, genes: Sequence[int]) -> NoReturn:
        """See the class."""
        raise self._reason

    def lower(self, genes: Sequence[int]) -> Graph:
        """See the class."""
        raise self._reason

    def motifs_of(self, genes: Sequence[int]) -> tuple[Motif, ...]:
        """See the class."""
        raise self._reason

    def to_dict(self) -> dict[str, Any]:
        """What the file says of the space."""
        return self._fields


def readable_space(fields: dict[str, Any], n_genes: int | None, dtype: np.dtype[Any]) -> SearchSpace:
    """Make the search space of a file to read it: operations, or the space itself, need not be registered.

    Raises:
        SettingsError: a field is out of its range; other exceptions of its class, where the fields are damaged.
    """
    if not isinstance(fields.get("kind"), str):
        raise SettingsError(f"its kind must be a text, found {fields.get('kind')!r}")
    try:
        return space_from_dict(fields, unknown_operations=True)
    except UnknownNameError as error:
        if error.what not in ("search space", "operation"):
            raise
        return UnreadSpace(fields, n_genes, dtype, error)


def check_known(space: SearchSpace, sessions: Sequence[Any]) -> None:
    """Check that the class and the operations of a file's space are registered, as networks need them.

    Args:
        space: of the file.
        sessions: of the file, which may tell where the names came from.

    Raises:
        UnknownNameError: one is not.
    """
    try:
        space_from_dict(space.to_dict())
    except UnknownNameError as error:
        raise explain(error, sessions) from None


def check_registered(space: SearchSpace) -> None:
    """Check, before a file is made, that it can be read again.

    Raises:
        SettingsError: the class of the space is not registered, or another space is read back.
    """
    fields = json.loads(json.dumps(space.to_dict()))
    try:
        found: Any = json.loads(json.dumps(space_from_dict(fields).to_dict()))
    except UnknownNameError as error:
        if error.what != "search space":
            raise
        found = None
    if found != fields:
        name = type(space).__name__
        raise SettingsError(
            f"a population file of {name} could not be read again: register the class by "
            f"@register_space({fields.get('kind')!r}), the 'kind' of its to_dict, and let its from_dict make the space "
            f"that to_dict described; deap_nas.testing.SpaceContract tests that"
        )
