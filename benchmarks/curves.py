"""What each rule for stopping early would have done to trainings that were recorded whole, and what curves foretell.

    python benchmarks/curves.py FILE ... [--orders 50] [--whole 20] [--seed 0]

The files are population files whose trainings were validated at many rungs and never stopped, as by

    python examples/hier_evo.py --stopping bound --whole 1000000 --rungs 1/20 2/20 3/20 ... 19/20 ...

Nothing is trained. In random orders the trainings come one after another, each is stopped where its rule says so, by
those before it, and nobody leaves the population. Printed are the share of the steps that is saved, how often the one
that would have ended best is stopped, which share of those that would have ended among the best 5 % is, and how much
lower the best that is left has ended.

The second table tells, by the share of steps that is seen, how the accuracy there, and what is extrapolated from the
curve until there, rank the trainings as their last accuracies do, by Kendall's tau-b; how much higher they have ended
than was extrapolated; the deviation around that, and the one that was promised; and how many have ended above what was
to be surpassed with a chance of 5 %.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
from machine import describe

from deap_nas.evaluation import Curves, Evaluation, Status
from deap_nas.store import HDF5Store
from deap_nas.surrogates import kendall_tau
from deap_nas.training import CurveBound, CurveExtrapolation, EarlyStopping, SuccessiveHalving, extrapolate

#: Share of the trainings whose ends count as the best ones.
BEST = 0.05


@dataclass
class Recorded:
    """The curves of a file that came to their end: a row for each, with a column for each rung and the end."""

    rungs: tuple
    curves: np.ndarray
    title: str

    def at(self, rungs):
        """The same with those of its rungs only that are nearest to some."""
        chosen = sorted({int(np.argmin(np.abs(np.array(self.rungs) - rung))) for rung in rungs})
        return Recorded(tuple(self.rungs[number] for number in chosen), self.curves[:, [*chosen, -1]], self.title)


def read(path):
    """Read the curves of a population file."""
    with HDF5Store.read(path) as store:
        curves, own = store.column("curve"), store.column("reused") < 0
        is_whole = np.isfinite(curves).all(axis=1) & own & (store.column("status") == Status.OK)
        fitness = store.settings["fitness"]
    size = fitness.get("image_size") or "own"
    title = f"{path}: {is_whole.sum()} trainings of {fitness['recipe']['steps']} steps on {fitness['dataset']}"
    return Recorded(tuple(fitness["stopping"]["rungs"]), curves[is_whole], f"{title}, images of {size} size")


def replay(stopping, curves, order, standings):
    """How many scores each curve has when the trainings come in this order."""
    known, lengths = Curves(), np.zeros(len(curves), dtype=int)
    for number in order:
        curve, cutoffs = tuple(curves[number].tolist()), stopping.cutoffs(known)
        for n_scores, cutoff in enumerate(cutoffs, start=1):
            if cutoff > -np.inf and standing(stopping, curve[:n_scores], standings) < cutoff:
                break
        else:
            n_scores = len(curve)
        lengths[number] = n_scores
        known.add(Evaluation(curve=curve[:n_scores]))
    return lengths


def standing(stopping, curve, standings):
    """What the rule holds against a cutoff; it says the same each time."""
    if curve not in standings:
        standings[curve] = stopping.rule.standing(curve, rungs=stopping.rungs[: len(curve)])
    return standings[curve]


def report_rule(name, rule, recorded, args):
    """Print the row of a rule."""
    stopping, rng, standings = EarlyStopping(recorded.rungs, rule), np.random.default_rng(args.seed), {}
    ends, last = np.array([0.0, *recorded.rungs, 1.0]), recorded.curves[:, -1]
    best = np.argsort(-last, kind="stable")[: max(1, round(BEST * len(last)))]
    orders = [rng.permutation(len(last)) for _ in range(args.orders)]
    lengths = np.array([replay(stopping, recorded.curves, order, standings) for order in orders])
    is_stopped = lengths < len(ends) - 1
    lost = last.max() - np.where(is_stopped, 0.0, last).max(axis=1)
    saved = 1 - ends[lengths].mean()
    print(
        f"{name:44} {saved:8.1%} {is_stopped[:, best[0]].mean():8.1%} {is_stopped[:, best].mean():8.1%} "
        f"{lost.mean():8.4f}",
        flush=True,
    )


def report_rules(recorded, args):
    """Print the table of the rules."""
    halves = recorded.at((1 / 9, 1 / 3))
    thirds, tenths = recorded.at((1 / 3, 2 / 3)), recorded.at(CurveExtrapolation.usual_rungs)
    heads = ("saved", "best", "best 5 %", "lost")
    print(f"{'rule, rungs':44} " + " ".join(f"{head:>8}" for head in heads))
    report_rule("halving, best third; 1/9, 1/3", SuccessiveHalving(), halves, args)
    for name, some in (("1/9, 1/3", halves), ("1/3, 2/3", thirds), ("tenths", tenths)):
        report_rule(f"bound, median; {name}", CurveBound(n_whole=args.whole), some, args)
    for name, some in (("tenths", tenths), ("all", recorded)):
        for quantile, wanted in ((0.5, "median"), (0.8, "best fifth"), (1.0, "best")):
            rule = CurveExtrapolation(quantile=quantile, n_whole=args.whole)
            report_rule(f"extrapolation, {wanted}; {name}", rule, some, args)
    print()


def report_shares(recorded):
    """Print the table of what is foretold."""
    heads = ("tau", "tau extr.", "ended above", "deviation", "promised", "surpassed")
    print(f"{'seen':>5} " + " ".join(f"{head:>11}" for head in heads))
    last = recorded.curves[:, -1]
    for share in np.arange(1, 10) / 10:
        number = int(np.argmin(np.abs(np.array(recorded.rungs) - share)))
        seen = recorded.rungs[: number + 1]
        foretold = [extrapolate(seen, curve[: number + 1]) for curve in recorded.curves]
        means, deviations = np.array([(each.mean, each.deviation) for each in foretold]).T
        surpassed = np.mean([end > each.most(0.05) for end, each in zip(last, foretold, strict=True)])
        numbers = (kendall_tau(recorded.curves[:, number], last), kendall_tau(means, last), np.mean(last - means))
        numbers += (np.std(last - means), np.sqrt(np.mean(deviations**2)))
        print(f"{seen[-1]:5.0%} " + " ".join(f"{value:11.3f}" for value in numbers) + f" {surpassed:11.1%}", flush=True)


def report_time(recorded):
    """Print how long a decision takes on the worker, of the longest curves."""
    rule, begun = CurveExtrapolation(), time.perf_counter()
    for curve in recorded.curves:
        # a little aside of the curves that were extrapolated before, whose results are kept
        rule.standing(tuple(curve[:-1] + 1e-6), rungs=recorded.rungs)
    print(f"\n{(time.perf_counter() - begun) / len(recorded.curves) * 1000:.2f} ms a decision\n")


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE", help="population files with curves")
    for name, number, text in (
        ("orders", 50, "random orders"),
        ("whole", 20, "trainings before any is stopped, by a bound or an extrapolation"),
        ("seed", 0, "of the orders"),
    ):
        parser.add_argument(f"--{name}", type=int, default=number, help=f"{text} (default: {number})")
    return parser.parse_args()


def main():
    """Print the tables."""
    args = arguments()
    describe("deap-nas", "numpy")
    for path in args.files:
        recorded = read(path)
        last = recorded.curves[:, -1]
        print(recorded.title)
        print(f"accuracy {last.min():.4f} at least, {last.mean():.4f} in the mean, {last.max():.4f} at most\n")
        report_rules(recorded, args)
        report_shares(recorded)
        report_time(recorded)


if __name__ == "__main__":
    main()
