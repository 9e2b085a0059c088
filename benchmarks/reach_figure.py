"""The picture of ``reach.py``: each target, and how near to it its climbs come."""

import igraph
import matplotlib.pyplot as plt
import numpy as np
from colours import colours_of
from likeness import MEETING

#: Of a node, by the beginning of its word.
FILLS = {"conv": "#cfe3f3", "max": "#f6d9b8", "avg": "#f6d9b8"}
#: What is written on a node, where that is not its word.
TEXTS = {"input": "in", "output": "out", MEETING: "+"}


def draw(climbs, targets, n_mutations, path):
    """Draw the distance that is left after so many mutations: the median of all starts, and their middle half.

    Args:
        climbs: target -> representation -> climbs.
        targets: target -> its network.
        n_mutations: most of a climb.
        path: of the picture.
    """
    figure, rows = plt.subplots(
        2, len(climbs), figsize=(4 * len(climbs), 6.4), layout="constrained", height_ratios=(1, 1.5), squeeze=False
    )
    for (name, found), above, below in zip(climbs.items(), *rows, strict=True):
        draw_network(above, targets[name])
        above.set_title(name)
        draw_climbs(below, found, n_mutations)
        below.sharey(rows[1, 0])
    rows[1, 0].set(ylabel="distance from the target", ylim=(-0.02, 1.02))
    figure.legend(*rows[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_climbs(axes, found, n_mutations):
    """Draw how near the climbs of each representation have come."""
    places = np.unique(np.geomspace(1, n_mutations, 200).astype(int))
    colours = colours_of(found)
    for name, each in found.items():
        left = [[climb.distance_after(place) for place in places] for climb in each]
        low, median, high = np.quantile(left, (0.25, 0.5, 0.75), axis=0)
        axes.plot(places, median, color=colours[name], label=name)
        axes.fill_between(places, low, high, color=colours[name], alpha=0.15, linewidth=0)
    axes.set(xscale="log", xlabel="mutations", xlim=(1, n_mutations))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)


def draw_network(axes, network):
    """Draw a network from left to right."""
    edges = [(source, number) for number in range(len(network.words)) for source in drawn_sources(network, number)]
    layout = igraph.Graph(n=len(network.words), edges=edges, directed=True).layout_sugiyama()
    places = [(y, x) for x, y in layout.coords[: len(network.words)]]
    for source, number in edges:
        (x, y), (x2, y2) = places[source], places[number]
        bend = 0.25 if y == y2 and x2 - x > 1 else 0  # past the nodes between them
        axes.annotate(
            "", places[number], places[source],
            arrowprops={"arrowstyle": "-|>", "color": "#777777", "linewidth": 0.7, "shrinkA": 6, "shrinkB": 6,
                        "connectionstyle": f"arc3,rad={bend}"},
        )  # fmt: skip
    for word, place in zip(network.words, places, strict=True):
        fill = FILLS.get(word.split()[0], "white")
        text = TEXTS.get(word, word.removeprefix("conv "))
        axes.annotate(
            text, place, ha="center", va="center", fontsize=7,
            bbox={"boxstyle": "round,pad=0.25", "facecolor": fill, "edgecolor": "#777777", "linewidth": 0.6},
        )  # fmt: skip
    axes.set_axis_off()
    axes.margins(0.08)
    axes.plot(*zip(*places, strict=True), linestyle="none")


def drawn_sources(network, number):
    """Where a node's values come from; of a meeting that takes all that another one takes, from that one."""
    left = set(network.sources[number])
    meetings = [place for place in range(number) if network.words[place] == network.words[number] == MEETING]
    for place in reversed(meetings):
        if left.issuperset(network.sources[place]):
            left = left - set(network.sources[place]) | {place}
    return sorted(left)
