"""Genotypes: plain data that a search space reads, and what a class of them must do.

:class:`Genotype` is a flat list of small integers that any DEAP operator can work on. Any other class will do whose
instances are equal when their content is, can be copied by ``deepcopy`` and pickled, are made from another one of
their class, ``cls(genotype)``, and give themselves without fitness by ``to_genotype()``.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterable
from typing import Any, Self, SupportsIndex, cast

from deap_nas.errors import GenotypeError

__all__ = ["Genotype", "content_of", "plain_genotype", "whole_numbers"]


class Genotype(list[int]):
    """Genes of one individual, in the gene order of its search space.

    A ``list``, so DEAP's list operators, ``HallOfFame``, ``deepcopy`` and pickle work on it as they are, and
    ``creator.create("Individual", Genotype, fitness=creator.FitnessMax)`` makes an individual of it.

    Args:
        genes: integers; NumPy integers become plain ones.

    Raises:
        GenotypeError: a gene is not an integer.
    """

    def __init__(self, genes: Iterable[SupportsIndex] = ()) -> None:
        """See the class."""
        if not isinstance(genes, Iterable):
            raise GenotypeError(f"a genotype is an iterable of integers, found {genes!r}")
        genes = list(genes)
        are_plain = set(map(type, genes)) <= {int}  # as those of a file or of another genotype, which may be many
        super().__init__(cast("list[int]", genes) if are_plain else map(_plain_integer, genes))

    def to_genotype(self) -> Genotype:
        """Give the genes as a plain genotype, without the fitness of an individual."""
        return Genotype(self)

    def to_json(self) -> str:
        """Give the genes as a JSON array."""
        return json.dumps(list(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a genotype that :meth:`to_json` wrote.

        Raises:
            GenotypeError: the text is not a JSON array of integers.
        """
        try:
            genes = json.loads(text)
        except json.JSONDecodeError as error:
            raise GenotypeError(f"expected a JSON array of integers, found {text[:40]!r}: {error}") from error
        if not isinstance(genes, list):
            raise GenotypeError(f"expected a JSON array of integers, found {text[:40]!r}")
        return cls(genes)


def plain_genotype(individual: Any) -> Any:
    """Give an individual's genotype without its fitness: one of a class that any process can unpickle.

    Args:
        individual: one whose class has a method ``to_genotype``, else an iterable of integers.

    Raises:
        GenotypeError: it is neither.
    """
    give = getattr(individual, "to_genotype", None)
    return Genotype(individual) if give is None else give()


def content_of(individual: Any) -> Any:
    """What of an individual is kept and compared: a tuple of its genes, or its plain genotype.

    Raises:
        GenotypeError: see :func:`plain_genotype`.
    """
    if isinstance(individual, Genotype):
        return tuple(individual)
    genotype = plain_genotype(individual)
    return tuple(genotype) if isinstance(genotype, Genotype) else genotype


def whole_numbers(row: Any) -> list[int]:
    """Give a genotype's row as integers, from which a seed can be derived: those of other numbers by their bits.

    Args:
        row: what ``encode`` of a search space gives.
    """
    integers: list[int] = (row if row.dtype.kind in "iub" else row.astype("<f8").view("<i8")).tolist()
    return integers


def _plain_integer(gene: SupportsIndex) -> int:
    try:
        return int(operator.index(gene))
    except TypeError:
        raise GenotypeError(f"a genotype is an iterable of integers, found a gene {gene!r}") from None
