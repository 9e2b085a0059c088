"""The contract of a search space, and the registry that reads one back from a file."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from types import FunctionType, ModuleType, NoneType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from deap_nas.errors import SettingsError, UnknownNameError
from deap_nas.genotype import Genotype, content_of
from deap_nas.graph import Lowered, graphs_of
from deap_nas.graph.operations import IMPORT_FIRST, taking_unknown_operations
from deap_nas.search_space.changes import ANOTHER_GENOTYPE, changed_genes
from deap_nas.search_space.reading import Motif, in_words, motif_of_graph
from deap_nas.template import NetworkTemplate, Template

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SearchSpace", "outside_spaces", "register_space", "space_from_dict"]

_Recipe = TypeVar("_Recipe")


class SearchSpace(ABC):
    """What is legal: a genotype in, a graph out. Immutable, comparable and picklable.

    By default genotypes are lists of integers, one gene each between ``low`` and ``up``. A space of other genotypes
    has none of these, ``n_genes`` and ``row_dtype`` of its own, and its own :meth:`encode`, :meth:`decode` and
    :meth:`sample`. What a class of genotypes must do is said in ``deap_nas/genotype.py``.
    """

    #: Numbers in the row of each genotype; None where rows differ in length.
    n_genes: int | None
    #: Smallest and largest value of each gene, as DEAP's operators want them.
    low: list[int]
    up: list[int]
    #: Whether a genotype is a whole network, which is drawn as such, layer by layer; others are drawn motif by motif.
    is_network: ClassVar[bool] = False

    @abstractmethod
    def validate(self, genotype: Any) -> None:
        """Check that a genotype belongs to the space.

        Raises:
            GenotypeError: it does not; the message names the place, what is allowed there and what was found.
        """

    @abstractmethod
    def lower(self, genotype: Any) -> Lowered:
        """Give the graph that the genotype describes, dead parts included; or one for each kind of cell.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Everything that defines the space, as JSON can hold it; ``"kind"`` names its family."""

    @property
    def has_integer_genes(self) -> bool:
        """Whether genotypes are lists of integers between ``low`` and ``up``."""
        return type(self).decode is SearchSpace.decode

    @property
    def row_dtype(self) -> str:
        """NumPy's name of the type of a row's numbers."""
        import numpy as np

        return str(np.result_type(*map(np.min_scalar_type, (min(self.low, default=0), max(self.up, default=0)))))

    @property
    def token_offsets(self) -> NDArray[Any]:
        """What is added to each gene to make it a token, for models that read a genotype as a sequence.

        One integer for each gene of the longest genotype. Genes that mean the same share their tokens, which are
        0 to ``n_tokens`` - 1. By default the same value is the same token in every place.

        Raises:
            SettingsError: the space has no default: its genotypes differ in length, or are no lists of integers.
        """
        import numpy as np

        self._check_bounds()
        return np.full(len(self.low), -min(self.low, default=0))

    @property
    def n_tokens(self) -> int:
        """How many different tokens there are; see :attr:`token_offsets`."""
        self._check_bounds()
        return max(self.up, default=0) - min(self.low, default=0) + 1

    def _check_bounds(self) -> None:
        if self.n_genes is None or not self.has_integer_genes:
            raise SettingsError(
                f"{type(self).__name__} does not say which tokens its genes are, as models that read sequences need: "
                "where genotypes are lists of integers of different lengths, give it token_offsets and n_tokens"
            )

    def encode(self, genotype: Any) -> NDArray[Any]:
        """Give a genotype as a row of numbers, (n_genes,), of the type ``row_dtype``.

        The same content gives the same row, from which :meth:`decode` makes an equal genotype.
        """
        import numpy as np

        return np.array(genotype, dtype=self.row_dtype)

    def decode(self, row: Sequence[Any] | NDArray[Any]) -> Any:
        """Make the genotype of a row; a row from a stranger's file may be anything.

        Raises:
            GenotypeError: the row is that of no genotype. Whether the genotype belongs to the space is another matter.
        """
        return Genotype(getattr(row, "tolist", lambda: row)())

    def sample(self, *, rng: random.Random | ModuleType = random) -> Any:
        """Draw a legal genotype, for tests, benchmarks and baselines; by default each gene uniformly."""
        return Genotype([rng.randint(low, up) for low, up in zip(self.low, self.up, strict=True)])

    def default_template(self, *, n_classes: int = 10, image_channels: int = 3, image_size: int = 32) -> Template:
        """Give the network around it in a search; by default that of Liu 2018, section 4.1."""
        return NetworkTemplate.small_cifar(n_classes, image_channels=image_channels, image_size=image_size)

    #: Name of the recipe by which the space's paper trains what was found, among :data:`deap_nas.training.RECIPES`.
    evaluation_recipe: ClassVar[str] = "cifar"

    def evaluation_template(self, *, n_classes: int = 10, image_channels: int = 3, image_size: int = 32) -> Template:
        """Give the network in which what was found is trained to the end.

        By default that of Liu 2018, section 4.1, for cells; of other genotypes that of the search.
        """
        own = self.default_template(n_classes=n_classes, image_channels=image_channels, image_size=image_size)
        if not isinstance(own, NetworkTemplate):
            return own
        return NetworkTemplate.large_cifar(n_classes, image_channels=image_channels, image_size=image_size)

    def adapt_recipe(self, genotype: Any, recipe: _Recipe) -> _Recipe:  # noqa: ARG002 - for spaces that use it
        """Give the recipe by which a genotype is trained, such as with a learning rate of its own.

        Args:
            genotype: of one individual.
            recipe: of the search, a frozen dataclass such as :class:`~deap_nas.training.Recipe`; by default unchanged.
        """
        return recipe

    def counterparts(
        self,
        parent: Any,  # noqa: ARG002 - for spaces that use it
        child: Any,  # noqa: ARG002 - likewise
    ) -> Mapping[tuple[int, ...], tuple[int, ...]] | None:
        """Say which operations of a child are those of its parent, for weights that are made of the parent's.

        Args:
            parent: a genotype of the space.
            child: likewise.

        Returns:
            By the path of an operation of the child, the :attr:`~deap_nas.graph.Node.path` that it had in the parent;
            None, by default, where an operation has the same path in both.
        """
        return None

    def motifs_of(self, genotype: Any) -> tuple[Motif, ...]:
        """Read a genotype as motifs, to draw it or to say it in words; by default its graphs.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        graphs = graphs_of(self.lower(genotype))
        names = ["network"] if len(graphs) == 1 else [f"cell {number}" for number in range(1, len(graphs) + 1)]
        return tuple(motif_of_graph(graph, name=name) for graph, name in zip(graphs, names, strict=True))

    def describe(self, genotype: Any) -> str:
        """Say in words, motif by motif, what a genotype means.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        return in_words(self.motifs_of(genotype))

    def changes(self, parent: Any, child: Any) -> list[str]:
        """Say in words what turned one genotype into another; empty where they are equal.

        By default genes that differ, such as ``"gene 3: 2 -> 0"``, a few of them and how many others there are; of
        genotypes that are no lists of integers, that it is another one.

        Args:
            parent: a genotype of the space.
            child: likewise.

        Raises:
            GenotypeError: one does not belong to the space.
        """
        self.validate(parent)
        self.validate(child)
        if content_of(parent) == content_of(child):
            return []
        return changed_genes(parent, child) if self.has_integer_genes else [ANOTHER_GENOTYPE]


_Space = TypeVar("_Space", bound=type[Any])
_SPACES: dict[str, type[Any]] = {}


def register_space(kind: str) -> Callable[[_Space], _Space]:
    """Register a class of search spaces, with its ``from_dict``, under the ``"kind"`` of its ``to_dict``.

    The same class again, as of a cell of a notebook that is run twice, changes nothing.

    Raises:
        SettingsError: the kind is taken.
    """

    def decorate(space: _Space) -> _Space:
        known: Any = _SPACES.setdefault(kind, space)
        if known is not space and _content_of(known) != _content_of(space):
            raise SettingsError(
                f"the kind {kind!r} of search spaces is already taken, by {known.__module__}.{known.__qualname__}: "
                "choose another; to change a class, start Python, or the notebook's kernel, anew"
            )
        return cast("_Space", known)

    return decorate


def _content_of(space: type[Any]) -> tuple[Any, ...]:
    """Equal for a class that was defined twice, without a change."""
    bases = [(base.__module__, base.__qualname__) for base in space.__bases__]
    parts = {name: _facts_of(value) for name, value in vars(space).items()}
    return space.__module__, space.__qualname__, bases, parts


def _facts_of(value: Any) -> Any:
    """What tells one part of a class from another: of a function its code, of what is no plain data only its type."""
    if isinstance(value, property):
        return [_facts_of(function) for function in (value.fget, value.fset)]
    value = getattr(value, "__func__", value)  # of a static or a class method
    if not isinstance(value, FunctionType):
        return value if isinstance(value, (int, float, str, tuple, list, NoneType)) else type(value)
    inner = [getattr(held, "__code__", None) or _facts_of(held) for held in _held_by(value)]
    return value.__code__, value.__defaults__, value.__kwdefaults__, inner


def _held_by(function: FunctionType) -> Iterator[Any]:
    """What a function has from around it, but for classes: its own is not there yet while it is registered."""
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # nothing
            if not isinstance(cell.cell_contents, type):
                yield cell.cell_contents


def outside_spaces() -> dict[str, str]:
    """Modules that define the registered classes that are not of this package, by kind."""
    modules = {kind: space.__module__ for kind, space in _SPACES.items()}
    return {kind: module for kind, module in modules.items() if module.partition(".")[0] != __name__.partition(".")[0]}


def space_from_dict(fields: dict[str, Any], *, unknown_operations: bool = False) -> SearchSpace:
    """Make the search space that a ``to_dict`` described.

    Args:
        fields: what ``to_dict`` gave.
        unknown_operations: take operations of hierarchical and flat spaces that are not registered. Genes can then be
            checked, described and drawn; what needs the layers of such an operation raises an ``UnknownNameError``.

    Raises:
        UnknownNameError: its kind is not registered, or an operation is not.
    """
    kind = fields.get("kind")
    if not isinstance(kind, str) or kind not in _SPACES:
        raise UnknownNameError("search space", kind, _SPACES, remedy=IMPORT_FIRST)
    with taking_unknown_operations() if unknown_operations else nullcontext():
        space: SearchSpace = _SPACES[kind].from_dict(fields)
    return space
