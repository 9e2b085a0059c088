"""What holds for every template: files, other images, graphs that do not fit."""

import json
import pickle
from dataclasses import fields

import pytest

from deap_nas import FlatSpace, NetworkTemplate, cost
from deap_nas.assembly import build_network
from deap_nas.errors import NotViableError, SettingsError, UnknownNameError
from deap_nas.graph import Graph, Node, Pooling
from deap_nas.template import (
    CellStack,
    Template,
    WholeNetwork,
    expand,
    plan_network,
    register_template,
    template_from_dict,
    training_memory,
)
from deap_nas.template.template import _TEMPLATES
from tests.graphs import GRAPHS

TEMPLATES = [
    NetworkTemplate.small_cifar(4, 8, image_channels=1, image_size=20, n_cells=3),
    NetworkTemplate.imagenet(5, 6),
    WholeNetwork(),
    WholeNetwork(n_classes=7, image_channels=1, image_size=28, stem=((4, 2), (8, 1))),
    CellStack(),
    CellStack(3, 1, 28, channels=5, n_normal=3, n_reductions=0, stem_multiplier=2),
    CellStack(n_normal=1, relu_first=True),
]
INPUT = Node("input")
ONE, TWO = Graph((INPUT,), 0), Graph((INPUT, INPUT), 1, 2)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_survives_json_and_pickle_and_cannot_be_changed(template):
    assert template_from_dict(json.loads(json.dumps(template.to_dict()))) == template
    assert type(template)(**{field.name: getattr(template, field.name) for field in fields(template)}) == template
    assert pickle.loads(pickle.dumps(template)) == template
    assert hash(pickle.loads(pickle.dumps(template))) == hash(template)
    assert len({*TEMPLATES}) == len(TEMPLATES)
    with pytest.raises(AttributeError):
        template.n_classes = 3


@pytest.mark.parametrize(
    "make",
    [
        lambda n: NetworkTemplate.small_cifar(n_cells=n),
        lambda n: CellStack(n_normal=n),
        lambda n: CellStack(n_normal=1, n_reductions=n),
    ],
)
def test_a_template_has_no_more_cells_than_can_be_laid_out(make):
    make(300)
    with pytest.raises(SettingsError, match="a network has at most 1000 cells, found"):
        make(10**9)


@pytest.mark.parametrize(("template", "kind"), [(TEMPLATES[2], "whole"), (TEMPLATES[4], "stack")])
def test_the_kind_of_a_template_is_in_its_dictionary(template, kind):
    assert template.to_dict()["kind"] == kind
    assert type(template_from_dict({"kind": kind})) is type(template)


def test_a_dictionary_without_a_kind_is_that_of_groups_of_cells_as_files_have_had_it():
    described = {
        "n_classes": 10,
        "image_channels": 3,
        "image_size": 32,
        "stem": [[16, 1]],
        "groups": [1, 1, 1],
        "last_stride": 1,
    }
    assert NetworkTemplate.small_cifar().to_dict() == described
    assert template_from_dict(described) == NetworkTemplate.small_cifar()
    assert template_from_dict({**described, "kind": "cells"}) == NetworkTemplate.small_cifar()


def test_reading_leaves_the_dictionary_as_it_is():
    described = WholeNetwork().to_dict()
    before = dict(described)
    template_from_dict(described)
    assert described == before


@pytest.mark.parametrize("kind", ["of my own", "", None, 3])
def test_an_unknown_kind_is_refused_with_the_known_ones(kind):
    with pytest.raises(UnknownNameError, match=r"unknown template .*; known: cells, stack, whole"):
        template_from_dict({"kind": kind})


@pytest.mark.parametrize("described", [[], "whole", None, 3, [["kind", "whole"]]])
def test_what_is_no_dictionary_is_refused(described):
    with pytest.raises(TypeError, match="a template is described by a dictionary of its fields, found"):
        template_from_dict(described)


@pytest.mark.parametrize("kind", ["cells", "whole", "stack"])
def test_an_unknown_field_is_refused_by_its_name(kind):
    with pytest.raises(TypeError, match="depth"):
        template_from_dict({"kind": kind, "depth": 3})


def test_a_missing_field_is_refused_by_its_name():
    with pytest.raises(TypeError, match="groups"):
        template_from_dict({"n_classes": 3, "image_channels": 3, "image_size": 8, "stem": [[4, 1]]})


WRONG = [0, -1, 2.0, "3", None, float("inf"), [1]]
COUNTS = {
    "whole": ["n_classes", "image_channels", "image_size"],
    "stack": ["n_classes", "image_channels", "image_size", "channels", "n_normal", "stem_multiplier"],
}


@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in COUNTS.items() for name in names])
def test_a_field_out_of_its_range_is_refused_with_its_name_and_value(kind, name, value):
    with pytest.raises(SettingsError, match=f"{name} must hold integers of at least 1, found"):
        template_from_dict({"kind": kind, name: value})


@pytest.mark.parametrize("value", [-1, 1.0, "1", None])
def test_reductions_below_none_are_refused(value):
    with pytest.raises(SettingsError, match="n_reductions must be an integer of at least 0, found"):
        CellStack(n_reductions=value)


@pytest.mark.parametrize("stem", [3, [3], [[3]], [[3, 1, 1]], None])
def test_a_stem_that_does_not_hold_pairs_is_refused(stem):
    with pytest.raises(SettingsError, match="stem must hold pairs of channels and stride, found"):
        template_from_dict({"kind": "whole", "stem": stem})


@pytest.mark.parametrize("stem", [[[0, 1]], [[3, 0]], [[3, 1.5]], [["a", "b"]]])
def test_a_stem_of_no_counts_is_refused(stem):
    with pytest.raises(SettingsError, match="stem must hold integers of at least 1"):
        template_from_dict({"kind": "whole", "stem": stem})


@pytest.mark.parametrize("template", TEMPLATES)
def test_for_images_changes_only_what_depends_on_the_images(template):
    found = template.for_images(n_classes=11, image_channels=2, image_size=17)
    assert type(found) is type(template)
    expected = {**template.to_dict(), "n_classes": 11, "image_channels": 2, "image_size": 17}
    assert found.to_dict() == expected


@pytest.mark.parametrize("template", [template for template in TEMPLATES if template != WholeNetwork()])
def test_with_channels_changes_the_channels_where_the_first_graph_stands(template):
    found = template.with_channels(12)
    assert found.channels_of(0)[0] == 12
    assert found.with_channels(template.channels_of(0)[0]) == template
    assert len(found.channels_of(0)) == len(template.channels_of(0))


def test_a_whole_network_without_a_stem_has_no_channels_to_change():
    assert WholeNetwork(image_channels=2).channels_of(0) == (2,)
    with pytest.raises(SettingsError, match="has the channels that its genotype says: give none"):
        WholeNetwork().with_channels(8)


def test_channels_of_cells_are_those_of_their_stages():
    stack = CellStack(channels=3, n_reductions=2)
    assert (stack.channels_of(0), stack.channels_of(1)) == ((3, 6, 12), (6, 12))
    assert (CellStack(channels=3, n_reductions=0).channels_of(0)) == (3,)


def asked(genotype, template):
    """Everything that is asked of a genotype and a template."""
    return [
        lambda: cost(GRAPHS, genotype, template),
        lambda: expand(genotype, template),
        lambda: plan_network(GRAPHS, genotype, template).steps,
        lambda: build_network(GRAPHS, genotype, template),
        lambda: build_network(GRAPHS, genotype, template, naive=True),
        lambda: training_memory(GRAPHS, genotype, template, batch_size=2),
    ]


@pytest.mark.parametrize("call", range(6))
@pytest.mark.parametrize(
    ("genotype", "template", "words"),
    [
        (TWO, WholeNetwork(), "the template has 1 inputs for a graph of 2"),
        (TWO, NetworkTemplate.small_cifar(), "the template has 1 inputs for a graph of 2"),
        ((TWO, ONE), CellStack(), "the template has 2 inputs for a graph of 1"),
        (TWO, CellStack(), "CellStack is for genotypes of 2 graphs, found one of 1: .* by default_template"),
        ((TWO,) * 3, CellStack(), "CellStack is for genotypes of 2 graphs, found one of 3"),
        ((ONE, ONE), WholeNetwork(), "WholeNetwork is for genotypes of 1 graphs, found one of 2"),
        ((ONE, ONE), NetworkTemplate.small_cifar(), "NetworkTemplate is for genotypes of 1 graphs, found one of 2"),
    ],
)
def test_graphs_that_do_not_fit_a_template_are_refused_whatever_is_asked(genotype, template, words, call):
    with pytest.raises(SettingsError, match=words):
        asked(genotype, template)[call]()


@pytest.mark.parametrize("nothing", [0, 1])
def test_a_stack_needs_a_network_in_both_cells(nothing):
    genotype = [TWO, TWO]
    genotype[nothing] = Graph(TWO.nodes, None, 2)
    for call in (0, 2, 3, 4, 5):
        with pytest.raises(NotViableError):
            asked(tuple(genotype), CellStack())[call]()


def test_cells_that_neither_keep_nor_halve_the_size_are_refused():
    third = Graph((INPUT, INPUT, Node(Pooling("max", 3, 3), (1,))), 2, 2)
    for size in (32, 9, 2, 1):
        with pytest.raises(SettingsError, match="a cell keeps the size of its inputs, or halves it"):
            cost(GRAPHS, (third, third), CellStack(image_size=size))


def test_a_template_of_ones_own_is_read_by_its_kind(monkeypatch):
    monkeypatch.setattr("deap_nas.template.template._TEMPLATES", dict(_TEMPLATES))

    @register_template("headless")
    class Headless(WholeNetwork):
        def to_dict(self):
            return {**super().to_dict(), "kind": "headless"}

    template = Headless(n_classes=4)
    assert isinstance(template, Template)
    assert template_from_dict(template.to_dict()) == template
    assert cost(FlatSpace(nodes=2), [1], template).n_parameters > 0


def test_a_kind_of_templates_that_is_taken_is_refused_and_a_cell_that_is_run_twice_is_not(monkeypatch):
    monkeypatch.setattr("deap_nas.template.template._TEMPLATES", dict(_TEMPLATES))
    for _ in range(2):

        @register_template("mine")
        class Mine(WholeNetwork):
            pass

    assert type(template_from_dict({"kind": "mine"})) is Mine
    for kind in ("mine", "whole"):
        with pytest.raises(SettingsError, match=f"the kind of templates '{kind}' is already taken, by "):
            register_template(kind)(CellStack)
    assert type(template_from_dict({"kind": "whole"})) is WholeNetwork
