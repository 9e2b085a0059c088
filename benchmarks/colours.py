"""One colour for each representation, the same in all pictures; of Okabe and Ito, who are kind to the colour-blind."""

COLOURS = {
    "hierarchical": "#d55e00",
    "flat": "#0072b2",
    "flat, limited": "#56b4e9",
    "DNA, inherited weights": "#009e73",
    "DNA": "#e69f00",
    "chain": "#000000",
}
#: Of those that are none of these, one after the other.
OTHERS = ("#cc79a7", "#999999", "#f0e442")


def colours_of(names):
    """Give a dictionary of the colours of some representations."""
    others = [name for name in names if name not in COLOURS]
    return COLOURS | {name: OTHERS[number % len(OTHERS)] for number, name in enumerate(others)}
