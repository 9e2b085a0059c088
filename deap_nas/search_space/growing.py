"""Genotypes that grow level by level, as a progressive search lets them (Perez-Rua 2018, section 3).

The paper is at <https://arxiv.org/abs/1808.00391>. A level is a layer of a network, or a block of a cell. Its genes
follow those of the levels before it and do not depend on them, so what a level may add can be listed.
"""

from __future__ import annotations

import math
import random
from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from deap_nas.errors import GenotypeError, SettingsError
from deap_nas.genotype import Genotype
from deap_nas.graph.operations import check_operation
from deap_nas.search_space.changes import first_of
from deap_nas.search_space.space import SearchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EPNAS_OPERATIONS", "GrowingSpace", "LevelGene", "settled_operations", "sum_in_words"]

#: The six operations of Perez-Rua 2018, section 3, in the order of their gene values from 0.
EPNAS_OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "conv_3x3",
    "conv_5x5",
    "depthwise_conv_3x3",
    "depthwise_conv_5x5",
)
#: A file that asks for more is refused before they are laid out.
_MOST_LEVELS = 256
#: A row of 16-bit numbers holds their gene values.
_MOST_OPERATIONS = 2**16
#: Of a level, in one array.
_MOST_OPTIONS = 2**24


class LevelGene(NamedTuple):
    """One gene of a level."""

    #: What it says, such as ``"operation"``.
    meaning: str
    #: Values that it may have, counted from 0.
    n_values: int
    #: What is added to its value to make it a token: 0 for operations; see :attr:`GrowingSpace.token_offsets`.
    offset: int = 0


class GrowingSpace(SearchSpace):
    """Lists of integers of growing length: the genes of one level after those of another, of one level or of more.

    All genotypes of up to :attr:`n_levels` levels belong to the space. Each gene lies between 0 and its entry in
    :attr:`up`, whatever the others are and however many follow: so :func:`~deap_nas.initUniform` makes a genotype of
    all levels, and :func:`~deap_nas.mutGene` and DEAP's crossovers keep the number of levels of each individual.
    A subclass is a frozen dataclass with a field ``operations``.
    """

    #: Rows differ in length.
    n_genes = None
    evaluation_recipe = "epnas"
    #: Names of registered operations, in the order of their gene values from 0.
    operations: tuple[str, ...]
    #: What a level is called.
    level_name: ClassVar[str]

    def __post_init__(self) -> None:
        """Check the arguments.

        Raises:
            SettingsError: the number of levels is out of its range, or operations are not different names.
            UnknownNameError: an operation is not registered.
        """
        if type(self.n_levels) is not int or not 1 <= self.n_levels <= _MOST_LEVELS:
            raise SettingsError(f"{self.level_name}s must be an integer in 1..{_MOST_LEVELS}, found {self.n_levels!r}")
        object.__setattr__(self, "operations", settled_operations(self.operations))

    @property
    @abstractmethod
    def n_levels(self) -> int:
        """Levels of the longest genotypes."""

    @abstractmethod
    def level_genes(self, level: int) -> tuple[LevelGene, ...]:
        """Give the genes of a level, which counts from 1, in order."""

    @abstractmethod
    def words_of(self, genotype: Sequence[int]) -> list[str]:
        """Say in words what each level is; genes that differ give words that differ.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """

    def _genes(self) -> Iterator[LevelGene]:
        """Those of the longest genotypes."""
        for level in range(1, self.n_levels + 1):
            yield from self.level_genes(level)

    @cached_property
    def _lengths(self) -> list[int]:
        """Genes of a genotype of 0, 1, ... levels."""
        return list(accumulate((len(self.level_genes(level)) for level in range(1, self.n_levels + 1)), initial=0))

    @cached_property
    def low(self) -> list[int]:  # type: ignore[override]
        """Smallest value of each gene of the longest genotypes, which is 0."""
        return [0] * self._lengths[-1]

    @cached_property
    def up(self) -> list[int]:  # type: ignore[override]
        """Largest value of each gene of the longest genotypes; shorter ones have the first of them."""
        return [gene.n_values - 1 for gene in self._genes()]

    @cached_property
    def row_dtype(self) -> str:
        """See :attr:`SearchSpace.row_dtype`."""
        return "uint8" if max(self.up) < 2**8 else "uint16"

    @property
    def n_tokens(self) -> int:
        """Number of tokens, which count from 0; see :attr:`token_offsets`."""
        return max(gene.offset + gene.n_values for gene in self._genes())

    @property
    def token_offsets(self) -> NDArray[Any]:
        """What makes tokens of genes, one number for each gene of the longest genotypes, (n,).

        A gene's value plus the number at its place is its token: so an operation is another token than an input, and
        the same wherever it stands. A one-hot code of tokens is what a surrogate reads (Perez-Rua 2018, section 4).
        """
        import numpy as np

        return np.array([gene.offset for gene in self._genes()])

    def genes_of(self, level: int) -> slice:
        """Where the genes of a level stand.

        Args:
            level: from 1 to ``n_levels``.

        Raises:
            SettingsError: there is no such level.
        """
        self._check_level(level)
        return slice(self._lengths[level - 1], self._lengths[level])

    def level_of(self, genotype: Sequence[int]) -> int:
        """Number of levels of a genotype, by its length alone.

        Raises:
            GenotypeError: no genotype of the space has that length.
        """
        lengths, n_genes = self._lengths, len(genotype)
        level = bisect_left(lengths, n_genes, 1)
        if level < len(lengths) and lengths[level] == n_genes:
            return level
        near = range(max(1, level - 1), min(level, self.n_levels) + 1)
        known = " or ".join(f"{lengths[number]} for {number}" for number in near)
        raise GenotypeError(
            f"expected the genes of 1 to {self.n_levels} {self.level_name}s, such as {known}, found {n_genes} genes"
        )

    def options(self, level: int) -> NDArray[Any]:
        """Every way to say what a level adds: its genes, one way a row, in the order of counting.

        Args:
            level: from 1 to ``n_levels``.

        Returns:
            An array (n options, n genes of the level) of the type ``row_dtype``.

        Raises:
            SettingsError: there is no such level, or there are more than 2**24 options.
        """
        import numpy as np

        self._check_level(level)
        counts = [gene.n_values for gene in self.level_genes(level)]
        if (n_options := math.prod(counts)) > _MOST_OPTIONS:
            raise SettingsError(
                f"{self.level_name} {level} has {n_options:.2g} options, and up to {_MOST_OPTIONS} can be listed: "
                f"choose fewer {self.level_name}s or operations"
            )
        return np.indices(counts, dtype=self.row_dtype).reshape(len(counts), -1).T

    def n_genotypes(self, level: int | None = None) -> int:
        """Count the genotypes of so many levels, by default of all; several of them may be one network.

        Raises:
            SettingsError: there is no such level.
        """
        level = self.n_levels if level is None else level
        return math.prod(up + 1 for up in self.up[: self.genes_of(level).stop])

    def sample(self, *, rng: random.Random | ModuleType = random) -> Genotype:
        """Draw a genotype of all levels, each equally often."""
        return self.sample_level(self.n_levels, rng=rng)

    def sample_level(self, level: int, *, rng: random.Random | ModuleType = random) -> Genotype:
        """Draw a genotype of so many levels, each equally often.

        Raises:
            SettingsError: there is no such level.
        """
        return Genotype([rng.randint(0, up) for up in self.up[: self.genes_of(level).stop]])

    def validate(self, genotype: Sequence[int]) -> None:
        """See :meth:`SearchSpace.validate`."""
        self.level_of(genotype)
        for place, (gene, up) in enumerate(zip(genotype, self.up, strict=False)):
            if type(gene) is not int or not 0 <= gene <= up:
                level = bisect_left(self._lengths, place + 1)
                meaning = self.level_genes(level)[place - self._lengths[level - 1]].meaning
                raise GenotypeError(
                    f"gene {place} ({self.level_name} {level}, {meaning}) must be an integer in 0..{up}, found {gene!r}"
                )

    def changes(self, parent: Sequence[int], child: Sequence[int]) -> list[str]:
        """See :meth:`SearchSpace.changes`: levels that are others, that were added, or removed."""
        before, after, name = self.words_of(parent), self.words_of(child), self.level_name
        pairs = enumerate(zip(before, after, strict=False), start=1)
        told = [f"{name} {level}: {new}, was {old}" for level, (old, new) in pairs if old != new]
        for words, what in ((after, "added"), (before, "removed")):
            first = min(len(before), len(after)) + 1
            told += [f"{name} {level} {what}: {words[level - 1]}" for level in range(first, len(words) + 1)]
        return first_of(told)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Make the space that ``to_dict`` described; what is missing takes its default.

        Raises:
            TypeError: a field is unknown.
            SettingsError: a field is out of its range.
            UnknownNameError: an operation is not registered.
        """
        return cls(**{name: value for name, value in fields.items() if name != "kind"})

    def _check_level(self, level: int) -> None:
        if type(level) is not int or not 1 <= level <= self.n_levels:
            raise SettingsError(f"there are {self.level_name}s 1 to {self.n_levels}, found {level!r}")


def sum_in_words(name: str, numbers: Sequence[int]) -> str:
    """What is added, in words: ``"layers 1 + 2 + 5"``, or ``"layer 3"``."""
    return f"{name}{'s' * (len(numbers) > 1)} {' + '.join(map(str, numbers))}"


def settled_operations(operations: Any) -> tuple[str, ...]:
    """Check the operations of a space, and make a tuple of them.

    Raises:
        SettingsError: they are not different names, at least one.
        UnknownNameError: one is not registered.
    """
    is_sequence = isinstance(operations, Sequence) and not isinstance(operations, str)
    if not is_sequence or not operations or any(not isinstance(name, str) for name in operations):
        raise SettingsError(f"operations must be a sequence of names, at least one, found {operations!r:.200}")
    for name in operations:
        check_operation(name)
    if len(set(operations)) < len(operations) or len(operations) > _MOST_OPERATIONS:
        raise SettingsError(f"operations must be up to {_MOST_OPERATIONS} different names, found {operations!r:.200}")
    return tuple(operations)
