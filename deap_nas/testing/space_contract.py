"""What a search space must do: any one, and one of lists of integers."""

from __future__ import annotations

import json
import pickle
import random
from abc import ABC, abstractmethod
from copy import deepcopy
from itertools import pairwise
from typing import Any

from deap_nas.genotype import plain_genotype
from deap_nas.graph import JOINS, canonical_key, graphs_of
from deap_nas.search_space import SearchSpace, space_from_dict
from deap_nas.template import cost, plan_network

__all__ = ["IntegerSpaceContract", "SpaceContract"]

_N_SAMPLES = 50


class SpaceContract(ABC):
    """What operators, cost, drawing, assembly and population files need of a search space."""

    @abstractmethod
    def make_space(self) -> SearchSpace:
        """Make a space whose class is registered by :func:`deap_nas.search_space.register_space`."""

    def test_samples_are_legal(self) -> None:
        """And have graphs and words; they follow from ``rng`` alone."""
        space = self.make_space()
        state = random.getstate()
        for genotype in _samples(space):
            space.validate(genotype)
            assert graphs_of(space.lower(genotype))
            assert space.describe(genotype)
        assert _samples(space) == _samples(space), "samples do not follow from rng"
        assert random.getstate() == state, "sample draws from the global generator"

    def test_each_operation_has_a_path_of_its_own(self) -> None:
        """By which its weights are named; joins and inputs have none."""
        space = self.make_space()
        for genotype in _samples(space):
            for graph in graphs_of(space.lower(genotype)):
                nodes = graph.nodes[graph.n_inputs :]
                paths = [node.path for node in nodes if node.operation not in JOINS]
                assert len(set(paths)) == len(paths), f"operations share a path: {paths}"

    def test_genotypes_are_plain_data(self) -> None:
        """Equal where their content is; copied, pickled, and made of another one of their class."""
        space = self.make_space()
        samples = _samples(space)
        for genotype in samples:
            kind = type(genotype)
            for twin in (deepcopy(genotype), pickle.loads(pickle.dumps(genotype)), kind(genotype)):
                assert twin == genotype, f"a copy of {genotype!r} is not equal to it"
                assert twin is not genotype
                assert type(twin) is kind
        rows = {space.encode(genotype).tobytes() for genotype in samples}
        differing = [genotype for i, genotype in enumerate(samples) if genotype not in samples[:i]]
        assert len(rows) == len(differing), "genotypes are equal where their rows are not, or the other way round"

    def test_an_individual_gives_its_plain_genotype(self) -> None:
        """Without its fitness, and of a class that other processes know."""
        space = self.make_space()
        for genotype in _samples(space):
            individual = _individual_of(genotype)
            plain = plain_genotype(individual)
            assert type(plain) is type(genotype)
            assert plain == genotype
            assert not hasattr(plain, "fitness"), "the plain genotype keeps the individual's fitness"
            assert space.encode(individual).tolist() == space.encode(genotype).tolist()
            space.validate(individual)

    def test_a_row_stands_for_its_genotype(self) -> None:
        """One-dimensional, of one type, read back from an array and from JSON, and as long as ``n_genes`` says."""
        space = self.make_space()
        for genotype in _samples(space):
            row = space.encode(genotype)
            assert row.ndim == 1
            assert str(row.dtype) == space.row_dtype
            assert space.n_genes in (None, len(row))
            for written in (row, json.loads(json.dumps(row.tolist()))):
                again = space.decode(written)
                assert again == genotype, f"{genotype!r} was read back as {again!r}"
                assert type(again) is type(genotype)

    def test_rows_of_no_genotype_are_refused(self) -> None:
        """By a ``ValueError`` when they are decoded, or when what they decode to is validated."""
        space = self.make_space()
        row = space.encode(_samples(space)[0])
        for wrong in (row[:0], row[:-1], [*row.tolist(), 0]):
            assert _is_refused(space, wrong), f"the row {wrong!r} is accepted"

    def test_changes_are_told_in_words(self) -> None:
        """None between equal genotypes, at least one between others."""
        samples = _samples(self.make_space())
        for parent, child in pairwise(samples):
            changes = self.make_space().changes(parent, child)
            assert all(isinstance(change, str) and change for change in changes)
            assert bool(changes) == (parent != child), f"{changes} turn {parent!r} into {child!r}"
            assert self.make_space().changes(child, deepcopy(child)) == []

    def test_its_own_template_takes_its_genotypes(self) -> None:
        """Other images as well; the network has a cost, and the key of its copy."""
        space = self.make_space()
        template = space.default_template(n_classes=7, image_channels=1, image_size=12)
        assert (template.n_classes, template.image_channels, template.image_size) == (7, 1, 12)
        viable = [genotype for genotype in _samples(space) if _is_viable(space, genotype)]
        assert viable, "no sample is a network"
        for genotype in viable[:10]:
            assert cost(space, genotype, template) == plan_network(space, genotype, template).cost
            assert plan_network(space, genotype, template).steps[-1].shape == (7, 1, 1)
            key = canonical_key(space, genotype)
            assert key == canonical_key(space, deepcopy(genotype))
            assert len(key) == 32

    def test_a_described_space_is_read_back(self) -> None:
        """Equal, through JSON, pickle and deepcopy."""
        space = self.make_space()
        assert space_from_dict(json.loads(json.dumps(space.to_dict()))) == space
        assert pickle.loads(pickle.dumps(space)) == space
        assert deepcopy(space) == space


class IntegerSpaceContract(SpaceContract):
    """What DEAP's operators on lists of integers of one length need besides: bounds."""

    def test_genes_within_the_bounds_are_legal(self) -> None:
        """And are a network in words and in motifs, whichever they are."""
        space, rng = self.make_space(), random.Random(1)
        assert len(space.low) == len(space.up) == space.n_genes
        for _ in range(_N_SAMPLES):
            genes = [rng.randint(low, up) for low, up in zip(space.low, space.up, strict=True)]
            space.validate(genes)
            assert space.describe(genes)
            assert space.motifs_of(genes)

    def test_genes_out_of_the_bounds_are_refused(self) -> None:
        """By a ``GenotypeError``, which is a ``ValueError``; so is a wrong number of them."""
        space = self.make_space()
        for genes in ([up + 1 for up in space.up], [low - 1 for low in space.low], space.low[1:], [*space.low, 0]):
            for method in (space.validate, space.lower, space.motifs_of):
                assert _refuses(method, genes), f"{method.__name__} accepts {genes}"


def _samples(space: SearchSpace) -> list[Any]:
    rng = random.Random(1)
    return [space.sample(rng=rng) for _ in range(_N_SAMPLES)]


def _individual_of(genotype: Any) -> Any:
    """What DEAP's ``creator`` makes of a class of genotypes."""
    kind = type("Individual", (type(genotype),), {"__module__": "deap.creator"})
    individual = kind(genotype)
    individual.fitness = "a fitness"
    return individual


def _is_viable(space: SearchSpace, genotype: Any) -> bool:
    return all(graph.output is not None for graph in graphs_of(space.lower(genotype)))


def _is_refused(space: SearchSpace, row: Any) -> bool:
    return _refuses(lambda row: space.validate(space.decode(row)), row)


def _refuses(method: Any, genes: Any) -> bool:
    try:
        method(genes)
    except ValueError:
        return True
    return False
