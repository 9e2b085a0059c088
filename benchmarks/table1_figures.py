"""Figures 3 and 4 of Liu 2018 from the population files that ``table1.py`` has written."""

import matplotlib.pyplot as plt
import numpy as np

from deap_nas import Status
from deap_nas.store import HDF5Store

COLOURS = {"flat": "#0072b2", "flat, constrained": "#009e73", "hierarchical": "#d55e00"}


def draw_fitness(files, path):
    """Draw the fitness of each step, the best so far, and the parameters.

    Args:
        files: representation -> its population files, one for each seed.
        path: of the picture.
    """
    figure, (each, best, size) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for name, paths in files.items():
        for number, file in enumerate(paths):
            with HDF5Store.read(file) as store:
                order = np.argsort(store.column("id"))
                steps = store.column("id")[order] + 1
                ok = (store.column("status") == Status.OK)[order]
                fitness = store.column("fitness")[order, 0]
                parameters = store.column("n_parameters")[order]
            label = name if number == 0 else None
            dots = {"s": 9, "alpha": 0.7, "linewidths": 0, "color": COLOURS[name], "label": label}
            each.scatter(steps[ok], 100 * fitness[ok], **dots)
            size.scatter(steps[ok], parameters[ok], **dots)
            so_far = 100 * np.maximum.accumulate(np.where(ok, fitness, 0))
            best.step(steps, so_far, where="post", color=COLOURS[name], label=label)
    each.set(title="fitness of each genotype", ylabel="validation accuracy (%)")
    best.set(title="best fitness so far", ylabel="validation accuracy (%)")
    size.set(title="parameters of the small model", yscale="log")
    figure.legend(*best.get_legend_handles_labels(), loc="outside lower center", ncols=len(files), frameon=False)
    finish(figure, path)


def draw_improvement(points, path):
    """Draw how much the fittest cell so far improves on the first one, in the small and in the large model.

    Args:
        points: for each seed (evaluations, improvement of the small model, of the large model), in percent points.
        path: of the picture.
    """
    figure, axes = plt.subplots(figsize=(5.2, 3.8), layout="constrained")
    for number, (evaluations, small, large) in enumerate(points):
        for values, colour, label in (
            (small, "#d55e00", "small model, validation"),
            (large, "black", "large model, test"),
        ):
            axes.plot(evaluations, values, marker="o", color=colour, label=label if number == 0 else None)
    axes.axhline(0, color="grey", linewidth=0.6)
    axes.set(title="improvement on the first genotype", ylabel="accuracy (percent points)")
    axes.legend(frameon=False)
    finish(figure, path)


def finish(figure, path):
    for axes in figure.axes:
        axes.set_xlabel("evolution step")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
