"""How far it is from random networks to those that people have made."""

import math
from dataclasses import replace
from importlib import import_module

import pytest

from tests.launch import ROOT


@pytest.fixture
def reach(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return import_module("reach")


@pytest.fixture
def climbing(reach):
    return import_module("climbing")


@pytest.fixture
def chain(reach):
    return reach.compared_here()["chain"]


@pytest.fixture
def short(reach):
    """Neighbourhoods of a chain of two convolutions."""
    return reach.neighbourhoods(import_module("targets").plain(2))


def test_each_target_is_said_by_hand_or_its_absence_explained(reach, climbing):
    representations = reach.compared_here()
    assert list(representations) == ["hierarchical", "flat", "DNA", "chain"]
    for target in reach.TARGETS.values():
        assert target.by_hand.keys() | target.missing.keys() == representations.keys()
        assert not target.by_hand.keys() & target.missing.keys()
        for name, genotype in target.by_hand.items():
            found = climbing.neighbourhoods_of(representations[name].space, genotype)
            assert climbing.distance(found, reach.neighbourhoods(target.network)) == 0


def test_targets_differ(reach, climbing):
    networks = [reach.neighbourhoods(target.network) for target in reach.TARGETS.values()]
    assert all((one is other) == (climbing.distance(one, other) == 0) for one in networks for other in networks)


def test_convolutions_after_motifs_are_left_out(reach):
    spaces = {name: each.space for name, each in reach.compared_here().items()}
    assert spaces["hierarchical"].projected_levels == ()
    assert spaces["hierarchical"].motifs == (6, 1)
    assert spaces["flat"] == reach.REPRESENTATIONS["flat"].space


def test_a_climb_comes_nearer_until_it_arrives(climbing, chain, short):
    for seed in range(5):
        found = climbing.climb(chain, short, 2000, seed)
        numbers, distances = zip(*found.steps, strict=True)
        assert distances[-1] == 0
        assert list(distances) == sorted(set(distances), reverse=True)
        assert list(numbers) == sorted(set(numbers))
        assert numbers[-1] == found.n_mutations == found.n_to_arrive
        assert len(numbers) - 1 <= found.n_accepted <= found.n_mutations
        assert found == climbing.climb(chain, short, 2000, seed)


def test_a_climb_that_begins_at_its_target_needs_no_mutation(climbing, chain):
    start = climbing.random_network(chain, climbing.random.Random(7))
    found = climbing.climb(chain, climbing.neighbourhoods_of(chain.space, start), 50, 7)
    assert (found.steps, found.n_mutations, found.n_to_arrive) == ([(0, 0)], 0, 0)


def test_what_is_as_near_is_accepted_and_what_is_farther_or_no_network_is_not(reach, climbing, chain, short):
    def unchanged(genotype, space, *, rng):
        return (genotype,)

    def longer(genotype, space, *, rng):
        genotype[:] = [2, 0, 0, 0] * 10  # poolings, of which the target has none
        return (genotype,)

    def broken(genotype, space, *, rng):
        genotype[:] = [0] * len(genotype)
        return (genotype,)

    still, away = (climbing.climb(replace(chain, mutate=mutate), short, 20, 0) for mutate in (unchanged, longer))
    assert (still.n_accepted, still.n_mutations, len(still.steps), still.n_to_arrive) == (20, 20, 1, math.inf)
    assert (away.n_accepted, away.n_mutations, away.steps) == (0, 20, still.steps)
    flat = replace(reach.compared_here()["flat"], mutate=broken)
    assert climbing.climb(flat, short, 20, 0).n_accepted == 0
    assert climbing.step(flat, 0)[1] is None
    assert climbing.step(replace(chain, mutate=unchanged), 0)[1] == 0


def test_the_distance_after_some_mutations_is_that_of_the_last_step(climbing):
    climb = climbing.Climb([(0, 0.9), (3, 0.5), (8, 0.0)], 8, 5)
    assert [climb.distance_after(number) for number in (0, 2, 3, 7, 8, 100)] == [0.9, 0.9, 0.5, 0.5, 0.0, 0.0]


def test_quartiles_count_those_that_have_not_arrived(reach):
    assert list(reach.quartiles_of([4, 1, math.inf, 2])) == [1, 2, 4]
    assert list(reach.quartiles_of([1, math.inf, math.inf])) == [1, math.inf, math.inf]
    assert [reach.number_or_more(count, 50) for count in (7.0, math.inf)] == ["7", "> 50"]


def test_a_share_has_its_interval(reach):
    assert reach.share(0, 20) == "0 of 20 (0% to 16%)"
    assert reach.share(10, 20) == "10 of 20 (30% to 70%)"


def test_residual_blocks_are_drawn_one_after_the_other(reach):
    network = reach.TARGETS["residual blocks"].network
    drawn = import_module("reach_figure").drawn_sources
    meetings = [number for number, word in enumerate(network.words) if word == "meeting"]
    assert [drawn(network, number) for number in meetings] == [[0, 2], [meetings[0], 5], [meetings[1], 8]]
