"""What each mutation of Real 2017 leaves of a parent's weights: section 3.6, as a table."""

import random
from copy import deepcopy

import pytest
import torch

from deap_nas import DNA, LARGE_SCALE_MUTATIONS, DNASpace, mutIdentity
from deap_nas.assembly import build_network, weight_names
from deap_nas.dna import Edge, Filters
from deap_nas.evaluation import Job, Status
from deap_nas.training import LARGE_SCALE, AccuracyFitness
from deap_nas.training.weights.inheritance import take_over, weights_file
from tests.operators.test_dna_operators import backbone

SPACE = DNASpace()
TEMPLATE = SPACE.default_template(n_classes=10, image_channels=1, image_size=8)


def parent_dna():
    """Four convolutions of 8 channels, an identity, a skip; all weights have another name, shape or both."""
    dna = backbone("c", "c", "i", "c", "c", skips=[(0, 3)])
    dna.edges[0] = Edge(10, Filters(channels=8.0))
    return dna


def network(dna):
    return build_network(SPACE, dna, TEMPLATE)


def tensors(dna):
    return {name: torch.full_like(value, 3) for name, value in weight_names(network(dna)).values()}


def taken(parent, child):
    """Names of what a child takes over from a parent, and of all that it has."""
    found = network(child)
    return set(take_over(found, tensors(parent))), {name for name, _ in weight_names(found).values()}


def layers(names):
    return {name.split(":")[0].split(".")[1] for name in names}


def mutant(name, seed=1):
    return LARGE_SCALE_MUTATIONS[name](parent_dna(), SPACE, rng=random.Random(seed))[0]


@pytest.mark.parametrize("name", ["alter-learning-rate", "identity", "alter-stride", "add-skip", "remove-skip"])
def test_all_weights_survive_where_no_shape_changes(name):
    for seed in range(10):
        kept, everything = taken(parent_dna(), mutant(name, seed))
        assert kept == everything


def test_none_survive_a_reset():
    kept, everything = taken(parent_dna(), mutant("reset-weights"))
    assert everything
    assert not kept


@pytest.mark.parametrize("name", ["insert-convolution", "insert-one-to-one"])
def test_all_but_what_is_inserted_survive_an_insertion(name):
    seen = set()
    for seed in range(40):
        child = mutant(name, seed)
        kept, everything = taken(parent_dna(), child)
        (edge,) = {edge.id for edge in child.edges} - {edge.id for edge in parent_dna().edges}
        (vertex,) = {vertex.id for vertex in child.vertices} - {vertex.id for vertex in parent_dna().vertices}
        assert layers(everything - kept) <= {f"graph_{edge}", f"graph_{vertex}"}
        assert layers(kept) == layers(weight for weight in tensors(parent_dna()))
        seen.add(len(everything - kept))
    assert seen == {"insert-convolution": {1, 6}, "insert-one-to-one": {0, 5}}[name]


def test_all_but_what_is_removed_survive_a_removal():
    """Where the convolution kept the channels; what came after one that changed them has another shape."""
    for seed in range(20):
        child = mutant("remove-convolution", seed)
        kept, everything = taken(parent_dna(), child)
        (edge,) = {edge.id for edge in parent_dna().edges} - {edge.id for edge in child.edges}
        if edge != 10:
            assert kept == everything
        else:
            assert not {name for name in kept if name.endswith("0.weight") and ":conv" in name}


def test_only_the_filters_of_the_convolution_are_lost_with_another_filter_size():
    """The paper's example; where rounding leaves the size as it is, nothing is."""
    lost = []
    for seed in range(30):
        child = mutant("filter-size", seed)
        kept, everything = taken(parent_dna(), child)
        changed = {
            edge.id
            for edge, before in zip(child.edges, parent_dna().edges, strict=True)
            if edge.filters and edge.filters.kernel_size != before.filters.kernel_size
        }
        assert everything - kept == {f"layers.graph_{number}:conv.0.weight" for number in changed}
        lost.append(len(changed))
    assert set(lost) == {0, 1}


def test_another_number_of_channels_changes_the_shapes_from_there_on():
    dna = parent_dna()
    child = deepcopy(dna)
    child.edges[3] = Edge(40, Filters(channels=1.5))
    kept, everything = taken(dna, child)
    assert layers(everything - kept) == {"graph_40", "graph_50", "graph_51", "head_7"}
    assert {name for name in everything - kept if "head" in name} == {"layers.head_7.1.1.weight"}


def test_statistics_of_batch_normalisations_are_taken_over():
    kept, _ = taken(parent_dna(), mutant("identity"))
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        assert f"layers.graph_11:bn_relu.0.{name}" in kept


def share(parent, child):
    kept, everything = taken(parent, child)
    return len(kept) / len(everything)


def test_the_table_of_mutations_and_shares():
    """Shares of tensors that a child takes over, over many draws: the least and the largest."""
    found = {}
    for name in LARGE_SCALE_MUTATIONS:
        shares = [share(parent_dna(), mutant(name, seed)) for seed in range(40)]
        found[name] = (min(shares), max(shares))
    n = len(tensors(parent_dna()))
    assert {name: ends for name, ends in found.items() if ends == (1, 1)}.keys() == {
        "alter-learning-rate", "identity", "alter-stride", "add-skip", "remove-skip",
    }  # fmt: skip
    assert found["reset-weights"] == (0, 0)
    assert found["insert-convolution"] == pytest.approx((n / (n + 6), n / (n + 1)))
    assert found["insert-one-to-one"] == pytest.approx((n / (n + 5), 1))
    assert found["filter-size"] == pytest.approx(((n - 1) / n, 1))
    assert 0 < found["remove-convolution"][0] < 1
    assert 0 < found["alter-number-of-channels"][0] < 1


def test_an_identity_trains_on_where_the_parent_stopped(tmp_path):
    """Momentum starts anew, and everything else goes on: the accuracy grows along a lineage of identities."""
    fitness = AccuracyFitness(SPACE, recipe=LARGE_SCALE.scaled(0.002), repeats=1, weights_dir=tmp_path, device="cpu")
    dna, accuracies = parent_dna(), []
    for number in range(6):
        evaluation = fitness.evaluate_job(Job(number, dna, number, number - 1))
        assert evaluation.status is Status.OK
        accuracies.append(evaluation.values[0])
        dna = mutIdentity(DNA(dna), SPACE)[0]
    assert accuracies[-1] > accuracies[0] + 0.2
    assert weights_file(tmp_path, 5).stat().st_size < 40_000
