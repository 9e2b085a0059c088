"""What reads an option that is a number, and says what it must be: the ``type`` of an option."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable
from fractions import Fraction

__all__ = ["at_least", "number_in", "positive_or_none"]


def at_least(least: int) -> Callable[[str], int]:
    """Give what reads an option that is an integer of at least so much: ``type=at_least(1)``."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ArgumentTypeError(f"must be an integer, found {text!r}") from None
        if number < least:
            raise ArgumentTypeError(f"must be at least {least}, found {number}")
        return number

    return read


def number_in(interval: str) -> Callable[[str], float]:
    """Give what reads an option that is a number in an interval, ``type=number_in("(0, 1]")``, or a fraction as 1/3.

    In ``"[0, inf]"``, which is closed there, ``inf`` is a number too.
    """
    low, high = (float(end) for end in interval[1:-1].split(","))

    def read(text: str) -> float:
        try:
            number = math.inf if text == "inf" else float(Fraction(text))
        except (ValueError, ZeroDivisionError, OverflowError):
            raise ArgumentTypeError(f"must be a number in {interval}, found {text!r}") from None
        if (
            not low <= number <= high
            or (number == low and interval[0] == "(")
            or (number == high and interval[-1] == ")")
        ):
            raise ArgumentTypeError(f"must lie in {interval}, found {number}")
        return number

    return read


def positive_or_none(text: str) -> float | None:
    """Read an option that is a positive number, or ``none``."""
    return None if text == "none" else number_in("(0, inf)")(text)
