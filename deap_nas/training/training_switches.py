"""By what means networks are trained, as switches that are off by default."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from deap_nas.errors import SettingsError

__all__ = ["PLAIN", "Switches"]

_PRECISIONS = ("float32", "bfloat16", "float16")
_COMPILER_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


@dataclass(frozen=True)
class Switches:
    """Other means of training that compute the same as the plain one, up to rounding.

    Raises:
        SettingsError: a switch has no such position, or two do not go together.
    """

    #: ``"float32"``, or ``"bfloat16"`` or ``"float16"`` for what is safe to compute in it.
    precision: str = "float32"
    #: Whether ``torch.compile`` makes the step faster, or the mode in which it does.
    compile: bool | str = False
    #: Whether the repeats are trained at once, with their weights stacked.
    stacked: bool = False

    def __post_init__(self) -> None:
        """Check the switches."""
        if self.precision not in _PRECISIONS:
            raise SettingsError(f"precision must be one of {', '.join(_PRECISIONS)}, found {self.precision!r}")
        if not isinstance(self.compile, bool) and self.compile not in _COMPILER_MODES:
            raise SettingsError(
                f"compile must be True, False or one of {', '.join(_COMPILER_MODES)}, found {self.compile!r}"
            )
        if self.stacked and self.precision != "float32":  # autocast does not reach convolutions under torch.vmap
            raise SettingsError(
                f"stacked repeats train in float32, found precision {self.precision!r}: leave out one of them"
            )

    def to_dict(self) -> dict[str, Any]:
        """Those that are not where they are by default, as JSON can hold them."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}


#: All switches off.
PLAIN = Switches()
