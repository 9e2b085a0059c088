"""What mutations have done, counted by their kind: what became of children beside their parents, and the table of it.

A child is one of these, the first that holds:

- neutral: it is the same network as its parent;
- not viable: no path leads through it from the input to the output;
- failed: its training or its parent's came to no end, such as one that diverged;
- worse or better;
- between these, undecided: the difference is within the noise of the fitness; equal where that has none.
"""

import math
import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import binomtest, t

import deap_nas
from deap_nas.errors import NotViableError
from deap_nas.evaluation import derive_seed
from deap_nas.genotype import plain_genotype

NEUTRAL, NOT_VIABLE, FAILED, WORSE, BETTER = "neutral", "not viable", "failed", "worse", "better"
#: What lies between worse and better, by a fitness with noise and by one without.
UNDECIDED, EQUAL = "undecided", "equal"
#: Quantiles of the change in parameters.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Chance that two trainings of one network count as different.
LEVEL = 0.05
#: Columns where the fitness is exact, and where it has noise; the better a child, the farther to the right.
EXACT = (NOT_VIABLE, WORSE, EQUAL, NEUTRAL, BETTER)
NOISY = (NOT_VIABLE, WORSE, UNDECIDED, NEUTRAL, BETTER)
TRAINED = (NOT_VIABLE, FAILED, *NOISY[1:])


@dataclass(frozen=True)
class Network:
    """What tells a network from another one, and its size."""

    key: Any
    n_parameters: int


def network_of(space, template, genotype, *, recipe=None):
    """The network of a genotype; None for one that is not viable.

    Where a recipe is given, what a genotype makes of it belongs to the network: the learning rate of a DNA.
    """
    try:
        size = deap_nas.cost(space, genotype, template)
    except NotViableError:
        return None
    own = None if recipe is None else space.adapt_recipe(genotype, recipe)
    return Network((deap_nas.canonical_key(space, genotype), own), size.n_parameters)


@dataclass(frozen=True)
class Parent:
    """A member of a population."""

    genotype: Any
    #: An :class:`~deap_nas.training.AccuracyFitness` of one repeat, or a synthetic one.
    fitness: Any
    #: What tells it from others.
    number: tuple[int, ...] = ()


def children_of(parents, representation, n_children, seed):
    """Mutate members that are drawn uniformly, in the space of their fitness; a smaller number gives the first."""
    for number in range(n_children):
        rng = random.Random(derive_seed(seed, number))
        parent = rng.choice(parents)
        clone = representation.individual(parent.genotype)
        kind, child = representation.mutate_named(clone, parent.fitness.space, rng=rng)
        yield Child(kind, parent, plain_genotype(child))


@dataclass(frozen=True)
class Child:
    """What a mutation has made of a parent."""

    kind: str
    parent: Any
    genotype: Any
    #: As the module says; None before its fitness is known.
    outcome: str | None = None
    #: Its parameters divided by its parent's; None where it is no other network.
    factor: float | None = None
    #: Its fitness less its parent's; None where one of them is not known, or is the same by definition.
    change: float | None = None


def classified(child, before, after):
    """What can be said of a child without a fitness.

    Args:
        child: as it was made.
        before: network of its parent.
        after: its own network; None where it is not viable.
    """
    if after is None:
        return replace(child, outcome=NOT_VIABLE)
    if after.key == before.key:
        return replace(child, outcome=NEUTRAL)
    return replace(child, factor=after.n_parameters / before.n_parameters)


def judged(child, change, threshold, between):
    """A child whose fitness differs from its parent's by so much; None for a failure."""
    if child.outcome is not None:
        return child
    if change is None:
        return replace(child, outcome=FAILED)
    outcome = between if abs(change) <= threshold else BETTER if change > 0 else WORSE
    return replace(child, outcome=outcome, change=change)


@dataclass(frozen=True)
class Noise:
    """Deviation of one training from another of the same network."""

    deviation: float
    #: Degrees of freedom of the estimate.
    freedom: int

    @classmethod
    def within(cls, groups):
        """Pool the variances within groups of scores, each of one network, whose means may differ."""
        groups = [np.asarray(group, dtype=float) for group in groups if len(group) > 1]
        freedom = sum(len(group) - 1 for group in groups)
        squares = sum(((group - group.mean()) ** 2).sum() for group in groups)
        return cls(math.sqrt(squares / freedom) if freedom else math.nan, freedom)

    def threshold(self, n_repeats):
        """The least difference that counts, of two means of so many trainings each.

        Two networks that are equally good differ by more with a probability of ``LEVEL`` only, half of it each way: a
        two-sided t-test whose variance is the pooled one. Infinite where nothing was trained twice.
        """
        if not self.freedom:
            return math.inf
        return float(t.ppf(1 - LEVEL / 2, self.freedom)) * self.deviation * math.sqrt(2 / n_repeats)


@dataclass(frozen=True)
class Summary:
    """What became of the children of a kind, or of all."""

    n_children: int
    #: Outcome -> children.
    counts: Mapping[str, int]
    #: Children whose fitness is known beside that of their parent, and those of them whose mean is higher.
    n_compared: int
    n_higher: int
    #: Mean of their changes; NaN where there are none.
    change: float
    #: Of the change in parameters, as factors; NaN where no child is another network.
    factors: tuple[float, ...]

    @classmethod
    def of(cls, children):
        """Sum up some children, at least one."""
        changes = np.array([child.change for child in children if child.change is not None])
        factors = [child.factor for child in children if child.factor is not None]
        counts = defaultdict(int)
        for child in children:
            counts[child.outcome] += 1
        return cls(
            len(children),
            dict(counts),
            len(changes),
            int((changes > 0).sum()),
            float(changes.mean()) if len(changes) else math.nan,
            tuple(np.quantile(factors, QUANTILES).tolist() if factors else [math.nan] * len(QUANTILES)),
        )

    def share(self, outcome):
        """Share of an outcome in percent, and the limits of its 95 % Wilson interval."""
        return wilson(self.counts.get(outcome, 0), self.n_children)

    def to_dict(self, outcomes):
        """The numbers, as JSON can hold them."""
        names = ("share", "low", "high")
        return {
            "children": self.n_children,
            "percent": {outcome: dict(zip(names, self.share(outcome), strict=True)) for outcome in outcomes},
            "compared": self.n_compared,
            "higher": self.n_higher,
            "mean_change": _finite(self.change),
            "factor": dict(zip(map(str, QUANTILES), map(_finite, self.factors), strict=True)),
        }


def wilson(n_found, n_all):
    """A share in percent with the limits of its 95 % Wilson interval; NaN of nothing."""
    if not n_all:
        return math.nan, math.nan, math.nan
    interval = binomtest(n_found, n_all).proportion_ci(method="wilson")
    return 100 * n_found / n_all, 100 * interval.low, 100 * interval.high


def by_kind(children):
    """Kind -> summary, in alphabetical order, and at the end that of all."""
    kinds = defaultdict(list)
    for child in children:
        kinds[child.kind].append(child)
    return {kind: Summary.of(kinds[kind]) for kind in sorted(kinds)} | {"all": Summary.of(children)}


@dataclass(frozen=True)
class Effects:
    """What the mutations of one representation have done by one fitness."""

    summaries: Mapping[str, Summary]
    #: What there is to be said besides, above the table.
    text: str
    #: Columns of the table.
    outcomes: tuple[str, ...]
    #: Whether the children are a sample, whose shares have an interval, or all that there are.
    is_sample: bool = True

    def lines(self):
        """Lines of the table: shares in percent with their intervals, the change in parameters in percent."""
        names = [*self.outcomes, *(["higher"] if UNDECIDED in self.outcomes else [])]
        quantiles = "".join(f"{f'{100 * quantile:.0f} %':>6}" for quantile in QUANTILES)
        yield self.text
        yield f"{'':24}{'n':>7}{''.join(f'{name:>11}' for name in names)}{'change':>8} |{quantiles}"
        for kind, summary in self.summaries.items():
            shares = [summary.share(outcome) for outcome in self.outcomes]
            shares += [wilson(summary.n_higher, summary.n_compared)] if UNDECIDED in self.outcomes else []
            cells = "".join(f"{self._in_words(*share):>11}" for share in shares)
            change = "-" if math.isnan(summary.change) else f"{summary.change:+.2f}"
            yield f"{kind:24}{summary.n_children:>7}{cells}{change:>8} |{''.join(map(_in_percent, summary.factors))}"

    def _in_words(self, share, low, high):
        if math.isnan(share):
            return "-"
        return f"{share:.0f} {low:.0f}-{high:.0f}" if self.is_sample else f"{share:.1f}"

    def to_dict(self):
        """The numbers, as JSON can hold them."""
        kinds = {kind: summary.to_dict(self.outcomes) for kind, summary in self.summaries.items()}
        return {"text": self.text, "is_sample": self.is_sample, "kinds": kinds}


def _in_percent(factor):
    """A factor as the change that it is, a column of a table."""
    percent = None if math.isnan(factor) else round(100 * (factor - 1))
    return f"{'-' if percent is None else f'{percent:+}' if percent else '0':>6}"


def _finite(number):
    return None if math.isnan(number) else number
