"""The table of ``representations.py``, and what its seeds can tell."""

from dataclasses import dataclass
from math import sqrt
from statistics import fmean, median, stdev

from power import LEVEL, POWER, least_difference, pooled_deviation, seeds_needed, told_apart


@dataclass(frozen=True)
class Found:
    """What a search has found within a budget; accuracies are shares in [0, 1]."""

    n_evaluations: int
    validation: float
    #: Test accuracies of the trainings anew that did not diverge.
    test: tuple
    #: Test accuracy with the weights of the search; None where it has none.
    inherited: float | None
    n_parameters: int
    flops: int


def table_lines(title, found):
    """Give the lines of a budget.

    Args:
        title: which budget.
        found: label of a row -> :class:`Found` of each seed, but for those that paid for nothing.
    """
    yield title
    accuracies = "".join(f"{name:>27}" for name in ("validation %", "test %, trained anew", "test %, inherited"))
    yield f"{'':<31}evaluations{accuracies}  parameters    FLOPs"
    for label, each in found.items():
        if not each:
            yield f"{label:<31}{0:>11}  nothing was found for it"
            continue
        numbers = [[one.validation for one in each], [fmean(one.test) for one in each if one.test]]
        numbers.append([one.inherited for one in each if one.inherited is not None])
        cells = "".join(f"{_spread(values):>27}" for values in numbers)
        sizes = f"{median(one.n_parameters for one in each):>12,.0f} {median(one.flops for one in each):>8.1e}"
        yield f"{label:<31}{median(one.n_evaluations for one in each):>11,.0f}{cells}{sizes}"


def _spread(values):
    """Mean, deviation and standard error over seeds, in percent."""
    if not values:
        return "-"
    percent = [100 * value for value in values]
    if len(percent) == 1:
        return f"{percent[0]:.1f}"
    return f"{fmean(percent):.1f} +- {stdev(percent):.1f} ({stdev(percent) / sqrt(len(percent)):.1f})"


def difference_lines(found):
    """Say which rows are told apart by their validation accuracies, and how many seeds that takes.

    Args:
        found: as in :func:`table_lines`.
    """
    samples = {label: [100 * one.validation for one in each] for label, each in found.items() if len(each) > 1}
    if len(samples) < 2:
        yield "one seed, or one row, tells nothing apart"
        return
    n_seeds = min(map(len, samples.values()))
    deviation = pooled_deviation(samples.values())
    yield f"deviation between seeds, over all rows: {deviation:.2f} percent points"
    yield (
        f"to find a difference of 1 point with probability {POWER:.0%}, at the level {LEVEL:.0%}, takes "
        f"{seeds_needed(1, deviation)} seeds of each; "
        f"these {n_seeds} find one of {least_difference(n_seeds, deviation):.1f}"
    )
    apart = told_apart(samples)
    yield f"told apart by Tukey's test of all {len(samples) * (len(samples) - 1) // 2} pairs together:"
    yield from (f"  {better} > {worse}  by {by:.1f}  (p = {p:.2g})" for better, worse, by, p in apart)
    if not apart:
        yield "  none"
