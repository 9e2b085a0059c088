"""Pictures of what mutations have done: shares of the outcomes, and the change in parameters, by kind."""

import matplotlib.pyplot as plt
import numpy as np
from operators_effects import BETTER, EQUAL, FAILED, NEUTRAL, NOT_VIABLE, UNDECIDED, WORSE

from deap_nas.report import save_figure

COLOURS = {
    NOT_VIABLE: "#000000",
    FAILED: "#cc79a7",
    WORSE: "#d55e00",
    UNDECIDED: "#f5deb0",
    EQUAL: "#f5deb0",
    NEUTRAL: "#bbbbbb",
    BETTER: "#0072b2",
}


def draw_outcomes(found, path):
    """Draw a panel for each representation: shares of the outcomes as bars, one for each kind.

    Args:
        found: representation -> its :class:`~operators_effects.Effects`.
        path: of the picture.
    """
    figure, panels = panels_of(found)
    for axes, effects in zip(panels, found.values(), strict=True):
        left = np.zeros(len(effects.summaries))
        for outcome in effects.outcomes:
            shares = np.array([summary.share(outcome)[0] for summary in effects.summaries.values()])
            axes.barh(range(len(left)), shares, left=left, height=0.8, color=COLOURS[outcome], label=outcome)
            left += shares
        if effects.is_sample:
            for place, summary in enumerate(effects.summaries.values()):
                _, low, high = summary.share(BETTER)
                axes.plot([100 - low, 100 - high], [place, place], color="black", linewidth=1)
        axes.set(xlim=(0, 100))
    panels[-1].set_xlabel("children (%)" + (", with the interval of the better ones" if effects.is_sample else ""))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=6, frameon=False)
    save_figure(figure, [path], dpi=150)
    plt.close(figure)


def draw_parameters(found, path):
    """Draw a panel for each representation: the middle half, the middle nine tenths and the median, for each kind.

    Args:
        found: representation -> its :class:`~operators_effects.Effects`.
        path: of the picture.
    """
    figure, panels = panels_of(found, sharex=True)
    for axes, effects in zip(panels, found.values(), strict=True):
        axes.axvline(1, color="grey", linewidth=0.6)
        for place, summary in enumerate(effects.summaries.values()):
            least, low, median, high, most = summary.factors
            axes.plot([least, most], [place, place], color="#0072b2", linewidth=1)
            axes.plot([low, high], [place, place], color="#0072b2", linewidth=5, solid_capstyle="butt")
            axes.plot([median], [place], "o", color="black", markersize=4)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    panels[-1].set_xlabel("parameters of a child / of its parent: median, middle half, 5 % to 95 %")
    save_figure(figure, [path], dpi=150)
    plt.close(figure)


def panels_of(found, *, sharex=False):
    """A figure with a panel for each representation, in which each kind has a row."""
    n_rows = [len(effects.summaries) for effects in found.values()]
    size = (8, 1.4 + 0.24 * sum(n_rows) + 0.5 * len(n_rows))
    figure, panels = plt.subplots(
        len(n_rows), 1, figsize=size, height_ratios=n_rows, sharex=sharex, squeeze=False, layout="constrained"
    )
    for axes, (name, effects) in zip(panels[:, 0], found.items(), strict=True):
        labels = [f"{kind}  ({summary.n_children:,})" for kind, summary in effects.summaries.items()]
        axes.set_yticks(range(len(labels)), labels, fontsize=8)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_title(name, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    return figure, list(panels[:, 0])
