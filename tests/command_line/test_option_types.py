from argparse import ArgumentTypeError

import pytest

from deap_nas.command_line import at_least, number_in
from deap_nas.command_line.option_types import positive_or_none


def test_an_integer_is_read_and_one_that_is_too_small_is_refused():
    assert at_least(1)("7000") == 7000
    assert at_least(0)("0") == 0
    for text, message in (("0", "must be at least 1, found 0"), ("1.5", "must be an integer, found '1.5'")):
        with pytest.raises(ArgumentTypeError, match=message):
            at_least(1)(text)


def test_numbers_and_fractions_are_read():
    assert number_in("(0, 1]")("1/3") == 1 / 3
    assert number_in("(0, 1]")("1") == 1.0
    assert number_in("[0, 1)")("0") == 0.0
    assert number_in("(0, inf)")("1e4") == 10_000.0
    assert number_in("[0, inf]")("inf") == float("inf")


@pytest.mark.parametrize(
    ("interval", "text", "message"),
    [
        ("(0, 1]", "0", r"must lie in \(0, 1\], found 0.0"),
        ("[0, 1)", "1", r"must lie in \[0, 1\), found 1.0"),
        ("(0, inf)", "-2", r"must lie in \(0, inf\), found -2.0"),
        ("(0, 1)", "1/0", r"must be a number in \(0, 1\), found '1/0'"),
        ("(0, 1)", "nan", r"must be a number in \(0, 1\), found 'nan'"),
        ("(0, 1)", "half", r"must be a number in \(0, 1\), found 'half'"),
    ],
)
def test_a_number_outside_its_interval_is_refused(interval, text, message):
    with pytest.raises(ArgumentTypeError, match=message):
        number_in(interval)(text)


def test_a_limit_is_a_positive_number_or_none():
    assert positive_or_none("none") is None
    assert positive_or_none("90") == 90.0
    with pytest.raises(ArgumentTypeError, match="must lie in"):
        positive_or_none("0")
