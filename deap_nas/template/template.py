"""What every network template does, and the registry that reads one back from a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, TypeVar

from deap_nas.errors import SettingsError, UnknownNameError
from deap_nas.graph import Graph
from deap_nas.graph.operations import IMPORT_FIRST
from deap_nas.template.steps import StepWriter
from deap_nas.template.value_shapes import Value

__all__ = [
    "Layout",
    "Template",
    "check_counts",
    "check_n_cells",
    "outside_templates",
    "register_template",
    "template_from_dict",
]

#: In a network; a file that asks for more is refused before they are laid out.
_MOST_CELLS = 1000
#: Template of the files that do not say which.
_FIRST_KIND = "cells"


@dataclass(frozen=True, eq=False)
class Layout:
    """A network with all its layers and shapes, before it is written down as steps."""

    #: Each graph of the genotype wherever it stands, with the values of its nodes there.
    values: Sequence[tuple[Graph, Sequence[Value]]]
    n_parameters: int
    flops: int
    #: Writes the network down.
    write: Callable[[StepWriter], int]


class Template(ABC):
    """The fixed part of a network, around what the genotypes of a search space stand for. A frozen dataclass.

    It is immutable, comparable, hashable and picklable.
    """

    #: Classes; the network gives one logit for each.
    n_classes: int
    #: Channels of the input image.
    image_channels: int
    #: Height and width of the input image in pixels, for counting FLOPs; the network takes any size.
    image_size: int
    #: Graphs that a genotype has to have.
    n_graphs: ClassVar[int] = 1

    @abstractmethod
    def lay_out(self, graphs: Sequence[Graph], *, among: Sequence[Sequence[int]] | None = None) -> Layout:
        """Layers and shapes of everything in a network.

        Args:
            graphs: those of the genotype, ``n_graphs`` of them, each with an output.
            among: for each graph the indices of the nodes that matter, in order, with the inputs and the output and
                whatever they depend on; by default all.

        Raises:
            SettingsError: values of different shapes are added, or values of different sizes are concatenated.
        """

    @abstractmethod
    def channels_of(self, number: int) -> tuple[int, ...]:
        """Channels that the inputs of the graph with this number have wherever it stands; each channel count once."""

    @property
    def has_width(self) -> bool:
        """Whether channels are the template's to say; else the genotype says all of them."""
        return True

    @abstractmethod
    def with_channels(self, channels: int) -> Self:
        """The same template, wider or narrower: with so many channels where the graph stands first."""

    def with_cells(self, n_cells: int) -> Self:
        """The same template, longer or shorter: with so many cells in each of its groups.

        Raises:
            SettingsError: it has no groups of cells, or the number is out of its range.
        """
        raise SettingsError(f"a {type(self).__name__} has no groups of cells, of which {n_cells} were asked for")

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON can hold them; ``"kind"`` names the class."""

    def for_images(self, *, n_classes: int, image_channels: int, image_size: int) -> Self:
        """The same template for other images."""
        fields = {"n_classes": n_classes, "image_channels": image_channels, "image_size": image_size}
        return replace(self, **fields)  # type: ignore[type-var]  # subclasses are dataclasses


def check_counts(**counts: Any) -> None:
    """Check that numbers, or all in a tuple, are positive integers.

    Raises:
        SettingsError: one is not, or a tuple is empty.
    """
    for name, found in counts.items():
        numbers = found if isinstance(found, tuple) else (found,)
        if not numbers or any(not isinstance(number, int) or number < 1 for number in numbers):
            raise SettingsError(f"{name} must hold integers of at least 1, found {found!r}")


def check_n_cells(n_cells: int) -> None:
    """Check that a network has no more cells than can be laid out in a moment.

    Raises:
        SettingsError: it has.
    """
    if n_cells > _MOST_CELLS:
        raise SettingsError(f"a network has at most {_MOST_CELLS} cells, found {n_cells}: choose fewer")


_Template = TypeVar("_Template", bound=type[Any])
_TEMPLATES: dict[str, type[Any]] = {}


def register_template(kind: str) -> Callable[[_Template], _Template]:
    """Register a class of templates, with its ``from_dict``, under the ``"kind"`` of its ``to_dict``.

    The class that a cell of a notebook defines once more takes the place of the first.

    Raises:
        SettingsError: another class has that kind.
    """

    def decorate(template: _Template) -> _Template:
        known = _TEMPLATES.get(kind, template)
        if (known.__module__, known.__qualname__) != (template.__module__, template.__qualname__):
            raise SettingsError(
                f"the kind of templates {kind!r} is already taken, by {known.__qualname__}: choose another"
            )
        _TEMPLATES[kind] = template
        return template

    return decorate


def outside_templates() -> dict[str, str]:
    """Modules that define the registered classes that are not of this package, by kind."""
    modules = {kind: template.__module__ for kind, template in _TEMPLATES.items()}
    return {kind: module for kind, module in modules.items() if module.partition(".")[0] != __name__.partition(".")[0]}


def template_from_dict(fields: dict[str, Any]) -> Template:
    """Make the template that a ``to_dict`` described.

    Raises:
        UnknownNameError: its kind is not registered.
        TypeError: a field is missing or unknown, or these are no fields.
        SettingsError: a field is out of its range.
    """
    if not isinstance(fields, dict):
        raise TypeError(f"a template is described by a dictionary of its fields, found {fields!r:.80}")
    kind = fields.get("kind", _FIRST_KIND)
    if kind not in _TEMPLATES:
        raise UnknownNameError("template", kind, _TEMPLATES, remedy=IMPORT_FIRST)
    template: Template = _TEMPLATES[kind].from_dict({name: value for name, value in fields.items() if name != "kind"})
    return template
