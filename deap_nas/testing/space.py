"""What a search space must do."""

from __future__ import annotations

import json
import pickle
import random
from abc import ABC, abstractmethod
from copy import deepcopy
from typing import Any

from deap_nas.graph import MERGES, Graph
from deap_nas.search_space import SearchSpace, space_from_dict

__all__ = ["SpaceContract"]


class SpaceContract(ABC):
    """What operators, cost, drawing, assembly and population files need of a search space."""

    @abstractmethod
    def make_space(self) -> SearchSpace:
        """Make a space whose class is registered by :func:`deap_nas.search_space.register_space`."""

    def test_genes_within_the_bounds_are_legal(self) -> None:
        """And have a graph."""
        space, rng = self.make_space(), random.Random(1)
        assert len(space.low) == len(space.up) == space.n_genes
        for _ in range(50):
            genes = [rng.randint(low, up) for low, up in zip(space.low, space.up, strict=True)]
            space.validate(genes)
            assert isinstance(space.lower(genes), Graph)
            edges = [edge for motif in space.motifs_of(genes) for edge in motif.edges]
            assert len(edges) == space.n_genes
            assert space.describe(genes)

    def test_each_operation_has_a_path_of_its_own(self) -> None:
        """By which its weights are named; merges and the input have none."""
        space, rng = self.make_space(), random.Random(2)
        for _ in range(50):
            graph = space.lower([rng.randint(low, up) for low, up in zip(space.low, space.up, strict=True)])
            assert isinstance(graph, Graph)
            paths = [node.path for node in graph.nodes[1:] if node.operation not in MERGES]
            assert len(set(paths)) == len(paths), f"operations share a path: {paths}"

    def test_genes_out_of_the_bounds_are_refused(self) -> None:
        """By a ``GenotypeError``, which is a ``ValueError``; so is a wrong number of them."""
        space = self.make_space()
        for genes in ([up + 1 for up in space.up], [low - 1 for low in space.low], space.low[1:], [*space.low, 0]):
            for method in (space.validate, space.lower, space.motifs_of):
                assert _refuses(method, genes), f"{method.__name__} accepts {genes}"

    def test_a_described_space_is_read_back(self) -> None:
        """Equal, through JSON, pickle and deepcopy."""
        space = self.make_space()
        assert space_from_dict(json.loads(json.dumps(space.to_dict()))) == space
        assert pickle.loads(pickle.dumps(space)) == space
        assert deepcopy(space) == space


def _refuses(method: Any, genes: list[int]) -> bool:
    try:
        method(genes)
    except ValueError:
        return True
    return False
