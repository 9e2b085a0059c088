import random

import pytest

from deap_nas import FlatSpace, register_operation
from deap_nas.graph import PAPER_OPERATIONS, conv_bn_relu, operation_names
from deap_nas.report import draw_genotype
from deap_nas.report.styles import styles_of
from tests.report.test_draw import colour

OURS = (*PAPER_OPERATIONS, "conv_3x3", "conv_5x5", "depthwise_conv_5x5", "separable_conv_5x5")
OWN = tuple(f"operation_{letter}_of_the_style_test" for letter in "uvwxyz")


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """Operations of these tests alone; those of others that ran in this process would take colours."""
    for name in OWN:
        if name not in operation_names():
            register_operation(name)(lambda in_channels, channels: conv_bn_relu(in_channels, channels, 3))
    monkeypatch.setattr("deap_nas.report.styles.operation_names", lambda: (*OURS, *OWN))


def drawn(names):
    """Colour and dashes of each operation in the legend of a picture that holds these."""
    pytest.importorskip("matplotlib")
    space = FlatSpace(nodes=7, operations=tuple(names))
    figure = draw_genotype(space, [1 + place % len(names) for place in range(space.n_genes)])
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    lines = [(colour(pytest.importorskip("matplotlib"), line), str(line._dash_pattern)) for line in legend.get_lines()]
    return dict(zip(texts, lines, strict=True))


@pytest.mark.parametrize("n_operations", [6, 12, 16])
def test_operations_differ_in_their_colours(n_operations):
    styles = styles_of((*OURS, *OWN)[:n_operations])
    assert len({style.colour for style in styles.values()}) == n_operations


def test_the_paper_s_are_solid_and_no_other_is():
    styles = styles_of((*OURS, *OWN))
    assert {name for name, style in styles.items() if not style.dashes} == set(PAPER_OPERATIONS)


def test_an_operation_looks_the_same_in_every_picture_whichever_others_are_there():
    rng = random.Random(1)
    whole = drawn((*OURS, *OWN))
    assert len(set(whole.values())) == 16
    for _ in range(10):
        some = drawn(rng.sample((*OURS, *OWN), rng.randint(1, 12)))
        assert some.items() <= whole.items()


def test_an_operation_that_is_not_registered_has_the_style_of_its_name():
    before = styles_of(OWN)
    assert styles_of(["nobody_knows_this", *OWN]).items() > before.items()
    assert styles_of(["nobody_knows_this"]) == styles_of(["nobody_knows_this"])


def test_three_dozen_operations_of_ones_own_differ_in_colour_or_dashes():
    names = [f"operation_{number}" for number in range(36 - len(operation_names()) + len(OURS))]
    styles = styles_of(names)
    assert len(set(styles.values())) == len(names)
