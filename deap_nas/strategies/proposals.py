"""What a search strategy is: it generates proposals and takes back what has become of them, in DEAP's own words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

from deap_nas.deap_protocols import EvaluatedIndividual, Individual
from deap_nas.evaluation import Stage

__all__ = ["END", "End", "Proposal", "Strategy", "ids_of", "proposal_of"]


class End(Enum):
    """What a strategy gives that proposes nobody any more."""

    END = "end"


#: ``generate`` gives it to end the search before its number of evaluations, once those that go on have ended.
END: Final = End.END


@dataclass(frozen=True)
class Proposal:
    """An individual to be evaluated, and what belongs to it."""

    #: Its fitness need not be invalid: it is deleted.
    individual: Individual
    #: Evaluated individuals that it came from, the one that counts as its parent first.
    parents: Sequence[Individual] = ()
    #: Evaluated individuals that are members of the population no longer when it is made.
    removed: Sequence[Individual] = ()
    #: Where the strategy stands, if it goes level by level; written into the population file.
    stage: Stage | None = None


class Strategy(Protocol):
    """Generates individuals, and is updated with their fitness: what ``toolbox.generate`` and ``toolbox.update`` do.

    A strategy whose state is more than the evaluations it was updated with also has ``getstate`` and ``setstate``; one
    that names members to be removed also has ``remove``. All of these are looked for in the toolbox, then at the object
    whose method ``toolbox.generate`` is::

        def getstate(self): ...           # as JSON can hold it, and small; it is written at each submission
        def setstate(self, state): ...    # what getstate gave
        def remove(self, individuals): ...  # evaluated ones that are members no longer

    So that a resumed search goes on as if it had not ended, everything else that a strategy does must follow from
    these, and from the generator that it draws from.
    """

    def generate(self) -> Individual | Proposal | End | None:
        """Give the next individual to be evaluated, or a :class:`Proposal` of one.

        None to wait until another evaluation has ended; :data:`END` where the search is to end, which is asked for
        nothing more.
        """

    def update(self, individual: EvaluatedIndividual) -> None:
        """Take back an individual with its fitness, its ``evaluation`` and, if its proposal had one, its ``stage``."""


def proposal_of(generated: Any) -> Proposal | None:
    """What a strategy has generated, as a proposal."""
    return generated if generated is None or isinstance(generated, Proposal) else Proposal(generated)


def ids_of(individuals: Iterable[Any]) -> list[int]:
    """Ids of the evaluations that individuals have in this run; -1 for one that brought its fitness along."""
    return [individual.evaluation.id if hasattr(individual, "evaluation") else -1 for individual in individuals]
