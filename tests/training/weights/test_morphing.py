"""Network morphisms: a child computes what its parent computes, in evaluation mode; and what shrinking costs."""

import random
from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from deap_nas import (
    DNA,
    ChainSpace,
    DNASpace,
    Genotype,
    MicroSpace,
    mutAddGatedSkip,
    mutDeepen,
    mutDeepenChain,
    mutMorph,
    mutMorphChain,
    mutNarrow,
    mutNarrowChain,
    mutResetWeights,
    mutShrink,
    mutShrinkChain,
    mutWiden,
    mutWidenChain,
)
from deap_nas.assembly import build_network, weight_names
from deap_nas.dna import Edge, Filters, Skip, Vertex
from deap_nas.training.weights.morphed_weights import _Morphing
from deap_nas.training.weights.morphing import function_change
from tests.strategies import seeds

DNAS = DNASpace()
CHAINS = ChainSpace(channels=(4, 6, 9), max_layers=12)
OF_DNA = [mutDeepen, mutWiden, mutAddGatedSkip, mutMorph]
#: Rounding in float64.
EXACT = 1e-9


def trained(space, genotype, template, seed):
    """A network in float64 whose numbers, statistics and gates included, are those of no initialisation."""
    network = build_network(space, genotype, template).double()
    torch.manual_seed(seed)
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2)
        elif name.endswith("running_mean") or value.shape == (1,) or (value.dim() == 1 and name.endswith("bias")):
            value.normal_()
    return network


def child_of(space, parent, network, child, template):
    """Network of a child with its parent's weights made into its own, and names of the parent's tensors it used."""
    tensors = dict(weight_names(network).values())
    made = build_network(space, child, template).double()
    used = _Morphing(space, template, child)(made, tensors, space.encode(parent).tolist())
    assert set(used) <= set(tensors)
    return made, used


def images(channels, seed=1):
    return torch.randn(8, channels, 7, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def change(space, parent, child, *, channels=3, seed=0):
    template = space.default_template(n_classes=5, image_channels=channels, image_size=8)
    network = trained(space, parent, template, seed)
    return difference(network, child_of(space, parent, network, child, template)[0], channels)


@torch.no_grad()
def difference(one, other, channels=3):
    """Largest of all logits, relative to the largest logit, in evaluation mode."""
    logits, others = (network.eval()(images(channels)) for network in (one, other))
    return float((logits - others).abs().max() / logits.abs().max())


def small_dna(rng):
    """A random DNA of few channels, some of whose skips have gates."""
    dna = DNAS.sample(rng=rng)
    dna.edges = [edge._replace(filters=edge.filters and edge.filters._replace(scale=0.0)) for edge in dna.edges]
    dna.skips = [skip._replace(has_gate=rng.random() < 0.5) for skip in dna.skips]
    return dna


def mutated(mutate, parent, space, rng, n=1, **settings):
    child = deepcopy(parent)
    for _ in range(n):
        (child,) = mutate(child, space, rng=rng, **settings)
    space.validate(child)
    return child


@settings(max_examples=40, deadline=None)
@given(
    seeds, st.sampled_from([mutDeepen, mutWiden, mutAddGatedSkip, mutMorph]), st.integers(1, 6), st.sampled_from([1, 3])
)
def test_morphisms_of_dna_keep_the_function(seed, mutate, n, channels):
    rng = random.Random(seed)
    parent = small_dna(rng)
    own = {"image_channels": channels} if mutate in (mutWiden, mutMorph) else {}
    child = mutated(mutate, parent, DNAS, rng, n, **own)
    assert change(DNAS, parent, child, channels=channels, seed=seed) < EXACT


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from([mutDeepenChain, mutWidenChain, mutMorphChain]), st.integers(1, 6))
def test_morphisms_of_chains_keep_the_function(seed, mutate, n):
    rng = random.Random(seed)
    parent = CHAINS.sample(rng=rng)
    child = mutated(mutate, parent, CHAINS, rng, n)
    assert change(CHAINS, parent, child, seed=seed) < EXACT


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_generations_of_morphisms_keep_the_function_of_the_first(seed):
    """Each from the weights of the one before, gates opened and statistics moved by nobody in between."""
    rng = random.Random(seed)
    template = DNAS.default_template(n_classes=5, image_channels=3, image_size=8)
    parent = small_dna(rng)
    first = network = trained(DNAS, parent, template, seed)
    for _ in range(4):
        child = mutated(mutMorph, parent, DNAS, rng, 2)
        network, _ = child_of(DNAS, parent, network, child, template)
        parent = child
    assert difference(first, network) < EXACT


def dna(*edges, relu=(), skips=()):
    """A DNA whose edges are numbers of channels per input channel, or None for the identity."""
    vertices = [Vertex(0), *(Vertex(100 + number, number in relu) for number in range(1, len(edges) + 1))]
    backbone = [Edge(number, None if each is None else Filters(each)) for number, each in enumerate(edges, start=1)]
    ends = [Skip(1000 + number, vertices[i].id, vertices[j].id) for number, (i, j) in enumerate(skips)]
    return DNA.of(learning_rate=0.1, head=7, vertices=vertices, edges=backbone, skips=ends)


def test_a_morphism_changes_the_network_and_uses_all_of_its_parent():
    """Deeper by a convolution and its vertex, twice or four times as wide at one place, a gate more."""
    parent = dna(4.0, 1.0, 1.0, relu=(1, 2, 3))
    template = DNAS.default_template(n_classes=5, image_size=8)
    network = trained(DNAS, parent, template, 1)
    n_parameters = sum(each.numel() for each in network.parameters())
    for mutate in (mutDeepen, mutWiden, mutAddGatedSkip):
        child = mutated(mutate, parent, DNAS, random.Random(2))
        made, used = child_of(DNAS, parent, network, child, template)
        assert set(used) == {name for name, _ in weight_names(network).values()}
        assert sum(each.numel() for each in made.parameters()) > n_parameters
        assert difference(network, made) < EXACT


def test_in_training_mode_nothing_keeps_a_batch_normalisation_from_normalising():
    parent = dna(4.0, 1.0, relu=(1, 2))
    children = (mutated(mutDeepen, parent, DNAS, random.Random(seed)) for seed in range(20))
    child = next(child for child in children if sum(vertex.has_relu for vertex in child.vertices) == 3)
    template = DNAS.default_template(n_classes=5, image_size=8)
    network = trained(DNAS, parent, template, 1)
    made, _ = child_of(DNAS, parent, network, child, template)
    assert difference(network, made) < EXACT
    assert not torch.allclose(made.train()(images(3)), network.train()(images(3)), atol=1e-3)


def test_what_is_new_can_be_learnt():
    """After a step of training, new filters, those who take them, and the gate have moved."""
    parent = dna(4.0, 1.0, 1.0, relu=(1, 2, 3))
    child = mutated(mutAddGatedSkip, mutated(mutWiden, parent, DNAS, random.Random(5)), DNAS, random.Random(3))
    template = DNAS.default_template(n_classes=5, image_size=8)
    made, _ = child_of(DNAS, parent, trained(DNAS, parent, template, 1), child, template)
    optimiser = torch.optim.SGD(made.parameters(), lr=0.1)
    before = deepcopy(made.state_dict())
    for _ in range(2):
        made.train()
        loss = nn.functional.cross_entropy(made(images(3)), torch.arange(8) % 5)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after = dict(made.named_parameters())
    assert all((after[name] != before[name]).float().mean() > 0.9 for name in after)


def test_a_larger_window_keeps_the_function_also_with_a_stride():
    parent = dna(4.0, 1.0, relu=(1,))
    child = deepcopy(parent)
    for place in (0, 1):
        child.edges[place] = parent.edges[place]._replace(
            filters=Filters(parent.edges[place].filters.channels, 2.0, 3.0)
        )
    for each in (parent, child):
        each.edges[0] = each.edges[0]._replace(filters=each.edges[0].filters._replace(scale=1.0))
    assert change(DNAS, parent, child) < EXACT


def test_other_images_than_were_said_change_channels_by_rounding_only():
    """The operator reckons with three image channels; the weights side takes what it gets."""
    parent, rng = dna(2.7, 1.3, 0.7, relu=(1, 2)), random.Random(3)
    child = mutated(mutWiden, parent, DNAS, rng, image_channels=3)
    assert change(DNAS, parent, child, channels=3) < EXACT
    assert change(DNAS, parent, child, channels=2) < 10


def test_new_ids_everywhere_mean_new_weights():
    parent = dna(4.0, 1.0, relu=(1, 2))
    child = mutated(mutResetWeights, parent, DNAS, random.Random(1))
    template = DNAS.default_template(n_classes=5, image_size=8)
    network = trained(DNAS, parent, template, 1)
    torch.manual_seed(3)
    drawn = build_network(DNAS, child, template).double().state_dict()
    torch.manual_seed(3)
    made, used = child_of(DNAS, parent, network, child, template)
    assert used == []
    assert all(torch.equal(made.state_dict()[name], value) for name, value in drawn.items())


def test_a_child_that_is_its_parent_is_its_parent_in_any_space():
    """Cells too, whose blocks are concatenated."""
    for space in (DNAS, CHAINS, MicroSpace(blocks=2)):
        rng = random.Random(4)
        parent = space.sample(rng=rng)
        template = space.default_template(n_classes=5, image_size=16)
        network = trained(space, parent, template, 1)
        made, used = child_of(space, parent, network, parent, template)
        assert len(used) == len(network.state_dict())
        assert function_change(network, made, images(3)) == 0


def filters_of(network, name):
    return dict(network.named_parameters())[name]


def test_narrower_convolutions_keep_the_filters_of_the_largest_weights():
    space = ChainSpace(channels=(2, 4), operations=("conv",), kernel_sizes=(3,), strides=(1,))
    parent, child = Genotype([0, 1, 0, 0, 0, 1, 0, 0]), Genotype([0, 0, 0, 0, 0, 1, 0, 0])
    template = space.default_template(n_classes=5, image_size=8)
    network = trained(space, parent, template, 1)
    with torch.no_grad():
        for filter_, scale in enumerate((1.0, 9.0, 0.1, 4.0)):
            filters_of(network, "layers.graph_0.0.weight")[filter_] *= scale
    made, _ = child_of(space, parent, network, child, template)
    kept = filters_of(made, "layers.graph_0.0.weight")
    assert torch.equal(kept, filters_of(network, "layers.graph_0.0.weight")[[1, 3]])
    taken, before = (filters_of(each, "layers.graph_1.0.weight") for each in (made, network))
    assert torch.equal(taken, before[:, [1, 3]])
    assert (
        filters_of(made, "layers.graph_0.1.bias").tolist()
        == filters_of(network, "layers.graph_0.1.bias")[[1, 3]].tolist()
    )


def test_what_is_inserted_behind_a_narrower_convolution_passes_on_what_it_kept():
    """Filters 1 and 3 of the parent, in that order, to those of the next that take them."""
    parent, narrow = dna(4 / 3, 1.0, relu=(1, 2)), dna(2 / 3, 2.0, relu=(1, 2))
    deeper = deepcopy(narrow)
    deeper.edges.insert(1, Edge(50, Filters()))
    deeper.vertices.insert(2, Vertex(51, has_relu=True))
    template = DNAS.default_template(n_classes=5, image_size=8)
    network = trained(DNAS, parent, template, 1)
    with torch.no_grad():
        filters_of(network, "layers.graph_1.0.weight")[[1, 3]] *= 9
    one, other = (child_of(DNAS, parent, network, child, template)[0] for child in (narrow, deeper))
    kept = filters_of(network, "layers.graph_1.0.weight")[[1, 3]]
    assert torch.equal(filters_of(one, "layers.graph_1.0.weight"), kept)
    assert difference(one, other) < EXACT


def test_layers_of_a_chain_are_known_though_several_have_changed():
    """The first was widened after a layer had been inserted that looks as the first did."""
    space = ChainSpace(channels=(4, 9), operations=("conv",), kernel_sizes=(3,), strides=(1,))
    parent, child = Genotype([0, 0, 0, 0, 0, 1, 0, 0]), Genotype([0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0])
    assert space.counterparts(parent, child) == {(0,): (0,), (2,): (1,)}
    assert change(space, parent, child) < EXACT
    assert space.counterparts(child, parent) == {(0,): (1,), (1,): (2,)}


@pytest.mark.parametrize(("space", "mutate"), [(DNAS, mutShrink), (DNAS, mutNarrow), (CHAINS, mutShrinkChain),
                                               (CHAINS, mutNarrowChain)])  # fmt: skip
def test_what_shrinks_changes_the_function_less_than_new_weights_do(space, mutate):
    """By the median of many; the function of untrained networks is lost more easily than that of trained ones."""
    changes, anew = [], []
    template = space.default_template(n_classes=5, image_size=8)
    for seed in range(30):
        rng = random.Random(seed)
        parent = mutated(mutMorph, small_dna(rng), DNAS, rng, 4) if space is DNAS else CHAINS.sample(rng=rng)
        child = mutated(mutate, parent, space, rng)
        network = trained(space, parent, template, seed)
        made, _ = child_of(space, parent, network, child, template)
        changes.append(function_change(network, made, images(3)))
        anew.append(function_change(network, trained(space, child, template, seed + 1), images(3)))
    assert sorted(changes)[15] < 0.7 * sorted(anew)[15]
