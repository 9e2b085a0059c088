"""The figures of ``representations.py``: what was found for what was spent, and who was alive."""

import matplotlib.pyplot as plt
import numpy as np
from colours import colours_of
from searches import accuracy_of
from spending import BUDGETS

_N_PLACES = 200


def draw_curves(searches):
    """Draw the best validation accuracy against each budget: mean of the seeds, and its standard error as a band."""
    figure, panels = plt.subplots(1, len(BUDGETS), figsize=(13, 4.6), layout="constrained", sharey=True)
    colours = colours_of(dict.fromkeys(search.row.name for search in searches))
    for axes, (budget, words) in zip(panels, BUDGETS.items(), strict=True):
        for row in dict.fromkeys(search.row for search in searches):
            _draw_curve(axes, budget, [search for search in searches if search.row == row], colours[row.name])
        axes.set(xlabel=words, xscale="log")
        _finish(axes)
    panels[0].set_ylabel("best validation accuracy (%), mean of seeds")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _draw_curve(axes, budget, searches, colour):
    first = max(search.spent[budget][0] for search in searches)
    last = min(search.totals[budget] for search in searches)
    amounts = np.geomspace(first, last, _N_PLACES)
    best = 100 * np.array([search.best_at(budget, amounts) for search in searches])
    mean, row = best.mean(axis=0), searches[0].row
    style = "dotted" if row.is_random else "solid"
    axes.step(amounts, mean, where="post", color=colour, linestyle=style, label=row.label)
    if len(searches) > 1 and not row.is_random:
        error = best.std(axis=0, ddof=1) / np.sqrt(len(searches))
        axes.fill_between(amounts, mean - error, mean + error, step="post", color=colour, alpha=0.18, linewidth=0)


def draw_populations(searches):
    """Draw everyone by when its evaluation ended, the dead in grey; one search of each representation."""
    shown = list({search.row: search for search in reversed(searches) if not search.row.is_random}.values())[::-1]
    n_columns = min(3, len(shown))
    n_rows = -(-len(shown) // n_columns)
    size = {"figsize": (4.2 * n_columns, 2.9 * n_rows), "layout": "constrained", "squeeze": False}
    figure, panels = plt.subplots(n_rows, n_columns, **size, sharex=True, sharey=True)
    colours = colours_of([search.row.name for search in shown])
    for axes in panels.flat[len(shown) :]:
        axes.set_visible(False)
    for axes, search in zip(panels.flat, shown, strict=False):
        _draw_population(axes, search, colours[search.row.name])
    figure.supxlabel("minutes of work")
    figure.supylabel("validation accuracy (%)")
    return figure


def _draw_population(axes, search, colour):
    alive = np.array([record.alive for record in search.records])
    accuracy = 100 * np.array([accuracy_of(record) for record in search.records])
    minutes = 60 * search.spent["hours"]
    axes.scatter(minutes[~alive], accuracy[~alive], s=9, color="#c4c4c4", linewidths=0, label="dead")
    axes.scatter(minutes[alive], accuracy[alive], s=16, color=colour, linewidths=0, label="alive")
    axes.set_title(f"{search.row.label}, seed {search.seed}", fontsize="medium")
    axes.legend(loc="lower right", fontsize="small", frameon=False, handletextpad=0)
    _finish(axes)


def _finish(axes):
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
