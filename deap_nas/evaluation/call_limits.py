"""What ends a call, or takes it from its worker: limits of time and memory, and the lease of a rank."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from deap_nas.errors import SettingsError

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Limits of the calls of an executor; None where what holds already goes on to hold.

    Raises:
        SettingsError: a limit is not positive.
    """

    #: A call in a process of its own that takes longer is ended.
    timeout_seconds: float | None = None
    #: A process that has more in memory is ended.
    memory_bytes: int | None = None
    #: A rank without a sign of life for so long loses its call to another; infinity for never.
    lease_seconds: float | None = None

    def __post_init__(self) -> None:
        """Check the limits."""
        for field in fields(self):
            number = getattr(self, field.name)
            if number is not None and not number > 0:
                raise SettingsError(f"{field.name} must be positive, found {number}")

    def over(self, others: Limits) -> Limits:
        """These limits, and the others where these leave something open."""
        pairs = ((getattr(self, field.name), getattr(others, field.name)) for field in fields(self))
        return Limits(*(other if mine is None else mine for mine, other in pairs))

    @property
    def isolates(self) -> bool:
        """Whether calls need a process of their own, which can be ended."""
        return self.timeout_seconds is not None or self.memory_bytes is not None

    def lease(self) -> float | None:
        """The lease in seconds, None for one that never ends."""
        return None if self.lease_seconds == math.inf else self.lease_seconds

    @property
    def beat_seconds(self) -> float:
        """Time between two signs of life of a rank; that of a lease of a minute, where it never ends."""
        return (self.lease() or 60.0) / 8
