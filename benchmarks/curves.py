"""What each rule for stopping early would have done to trainings that were recorded whole, and what curves foretell.

    python benchmarks/curves.py FILE ... [--orders 20] [--whole 20] [--seed 0]

The files are population files whose trainings were validated at many rungs and never stopped, as by

    python examples/hier_evo.py --stopping bound --whole 1000000 --rungs 1/20 2/20 3/20 ... 19/20 ...

Nothing is trained. In random orders the trainings come one after another, each is stopped where its rule says so, by
those before it, and nobody leaves the population. The first table tells, in the mean over the orders,

    saved    the share of the steps that is saved
    stopped  the share of the trainings that is stopped
    wrong    of these, the share that would have ended as high as the rule asks for: among the share of those before it
             that halving keeps, or as high as the one at the quantile. Whoever stops by lot has about that share
    best     how often the one that would have ended best is stopped
    regret   how much lower the best of the others has ended
    tau      Kendall's tau-b of the fitness, the accuracy where each was stopped, and the accuracy at the end

The second table tells, by the share of the steps that is seen, how the accuracy there, and what is extrapolated from
the curve until there, rank the trainings as their last accuracies do, by Kendall's tau-b; how much higher they have
ended than was extrapolated; the deviation around that, and the one that was promised; and how many have ended above
what was to be surpassed with a chance of 5 %.
"""

import argparse
import time
from bisect import insort
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from machine import describe

from deap_nas.evaluation import Curves, Evaluation, Status
from deap_nas.store import HDF5Store
from deap_nas.surrogates import kendall_tau
from deap_nas.training import CurveBound, CurveExtrapolation, EarlyStopping, SuccessiveHalving, extrapolate


@dataclass
class Recorded:
    """The curves of a file that came to their end: a row for each, with a column for each rung and the end."""

    rungs: tuple
    curves: np.ndarray
    title: str

    @property
    def last(self):
        """The accuracies at the end."""
        return self.curves[:, -1]

    def at(self, rungs):
        """The same with those of its rungs only that are nearest to some."""
        chosen = sorted({int(np.argmin(np.abs(np.array(self.rungs) - rung))) for rung in rungs})
        return Recorded(tuple(self.rungs[number] for number in chosen), self.curves[:, [*chosen, -1]], self.title)


def read(path):
    """Read the curves of a population file."""
    with HDF5Store.read(path) as store:
        curves, own = store.column("curve"), store.column("reused") < 0
        is_whole = np.isfinite(curves).all(axis=1) & own & (store.column("status") == Status.OK)
        fitness, size = store.settings["fitness"], store.settings["fitness"].get("image_size")
    title = f"{path}: {is_whole.sum()} trainings of {fitness['recipe']['steps']} steps of "
    title += f"{fitness['recipe']['batch_size']} images of {PurePath(fitness['dataset']).name}"
    return Recorded(tuple(fitness["stopping"]["rungs"]), curves[is_whole], title + (f", {size}x{size}" if size else ""))


class Replay:
    """A rule at some rungs, and what it says of recorded curves in any order; without a rule, all go on."""

    def __init__(self, rule, recorded):
        self.curves = [tuple(curve) for curve in recorded.curves.tolist()]
        self.stopping = EarlyStopping(recorded.rungs, rule) if rule else None
        halves = isinstance(rule, SuccessiveHalving)
        #: Share of those before it, counted from the worst, above which a training is to end.
        self.quantile = (1 - rule.fraction if halves else rule.quantile) if rule else 0.0
        self._standings = {}

    def in_order(self, order):
        """How many scores each curve has, and which have too few although they would have ended as high as asked."""
        known, ends = Curves(), []
        lengths, is_wrong = np.zeros(len(order), dtype=int), np.zeros(len(order), dtype=bool)
        for number in order:
            curve = self.curves[number]
            lengths[number] = self._length(curve, self.stopping.cutoffs(known) if self.stopping else ())
            if lengths[number] < len(curve):
                is_wrong[number] = curve[-1] >= ends[min(int(self.quantile * len(ends)), len(ends) - 1)]
            known.add(Evaluation(curve=curve[: lengths[number]]))
            insort(ends, curve[-1])
        return lengths, is_wrong

    def _length(self, curve, cutoffs):
        for n_scores, cutoff in enumerate(cutoffs, start=1):
            if cutoff > -np.inf and self._standing(curve[:n_scores]) < cutoff:
                return n_scores
        return len(curve)

    def _standing(self, curve):
        """What the rule holds against a cutoff; it says the same each time."""
        if curve not in self._standings:
            rungs = self.stopping.rungs[: len(curve)]
            self._standings[curve] = self.stopping.rule.standing(curve, rungs=rungs)
        return self._standings[curve]


def report_rule(name, rule, recorded, args):
    """Print the row of a rule."""
    replay, rng, last = Replay(rule, recorded), np.random.default_rng(args.seed), recorded.last
    found = [replay.in_order(rng.permutation(len(last))) for _ in range(args.orders)]
    lengths, is_wrong = (np.array(each) for each in zip(*found, strict=True))
    is_stopped = lengths <= len(recorded.rungs)
    saved = 1 - np.array([0.0, *recorded.rungs, 1.0])[lengths].mean()
    wrong = f"{is_wrong.sum() / is_stopped.sum():8.1%}" if is_stopped.any() else f"{'-':>8}"
    regret = last.max() - np.where(is_stopped, -np.inf, last).max(axis=1)
    fitness = np.take_along_axis(recorded.curves[None], lengths[:, :, None] - 1, axis=2)[:, :, 0]
    tau = np.mean([kendall_tau(each, last) for each in fitness])
    print(
        f"{name:38} {saved:8.1%} {is_stopped.mean():8.1%} {wrong} {is_stopped[:, np.argmax(last)].mean():8.1%} "
        f"{regret.mean():8.4f} {tau:8.2f}",
        flush=True,
    )


def report_rules(recorded, args):
    """Print the table of the rules."""
    ninths, thirds = recorded.at((1 / 9, 1 / 3)), recorded.at((1 / 3, 2 / 3))
    tenths = recorded.at(CurveExtrapolation.usual_rungs)
    heads = ("saved", "stopped", "wrong", "best", "regret", "tau")
    print(f"{'rule, rungs':38} " + " ".join(f"{head:>8}" for head in heads))
    report_rule("none", None, recorded, args)
    for name, some in (("1/9, 1/3", ninths), ("1/3, 2/3", thirds)):
        report_rule(f"halving, best third; {name}", SuccessiveHalving(), some, args)
    for name, some in (("1/9, 1/3", ninths), ("1/3, 2/3", thirds), ("tenths", tenths)):
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
    last = recorded.last
    for share in CurveExtrapolation.usual_rungs:
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
    rule, begun = CurveExtrapolation(), time.process_time()
    for curve in recorded.curves:
        # a little beside the curves that were extrapolated before, whose results are kept
        rule.standing(tuple(curve[:-1] + 1e-6), rungs=recorded.rungs)
    print(f"\n{(time.process_time() - begun) / len(recorded.curves) * 1000:.2f} ms a decision\n")


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE", help="population files with curves")
    for name, number, text in (
        ("orders", 20, "random orders"),
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
        last = recorded.last
        print(recorded.title)
        print(f"accuracy {last.min():.4f} at least, {last.mean():.4f} in the mean, {last.max():.4f} at most\n")
        report_rules(recorded, args)
        report_shares(recorded)
        report_time(recorded)


if __name__ == "__main__":
    main()
