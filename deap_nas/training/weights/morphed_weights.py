"""Weights that children make of their parents', so that they begin with what the parents have learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deap_nas.evaluation import Job
from deap_nas.search_space import SearchSpace, space_from_dict
from deap_nas.template import Step, Template, plan_network, template_from_dict
from deap_nas.training.weights.inheritance import Inheritance, ParentWeights

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["MorphedWeights"]


class MorphedWeights(ParentWeights):
    """Children start from the function of their parents, as far as they can: network morphisms.

    Chen 2016 <https://arxiv.org/abs/1511.05641>, Elsken 2017 <https://arxiv.org/abs/1711.04528> and, where networks
    shrink, Elsken 2018 <https://arxiv.org/abs/1804.09081>. A convolution that is inserted is made an identity, filters
    that are added count for nothing at first, windows grow by zeros, a skip with a gate starts closed. In evaluation
    mode a child of :func:`~deap_nas.mutMorph` or :func:`~deap_nas.mutMorphChain` computes exactly what its parent does.
    What other mutations change, such as those that shrink, keeps what can be kept.

    The files are those of :class:`ParentWeights`, and everything else that is said there.

    Args:
        folder: seen by all workers; made if need be.

    Raises:
        MissingExtraError: safetensors is not installed.
        StorageError: the folder cannot be made.
    """

    def begin(self, job: Job, *, fitness: Mapping[str, Any], genes: list[Any]) -> Inheritance:
        """See :meth:`WeightSource.begin`."""
        space, template = space_from_dict(dict(fitness["space"])), template_from_dict(dict(fitness["template"]))
        take = _Morphing(space, template, space.decode(genes))
        return Inheritance(self.folder, job, fitness, genes=genes, take=take)

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`WeightSource.to_dict`."""
        return {"inherits_weights": True, "morphs_weights": True}


@dataclass(frozen=True)
class _Morphing:
    """Makes the weights of a genotype's network of those of its parent's."""

    space: SearchSpace
    template: Template
    genotype: Any

    def __call__(self, network: nn.Module, tensors: Mapping[str, torch.Tensor], genes: list[Any]) -> list[str]:
        from deap_nas.training.weights.morphing import morph

        parent = self.space.decode(genes)
        places = self.space.counterparts(parent, self.genotype)

        def counterpart(step: Step) -> str | None:
            part, *path = step.path
            if places is None or not path:  # what the template adds is always there
                return step.name
            before = places.get(tuple(map(int, path)))
            return None if before is None else "_".join(map(str, (part, *before)))

        return morph(network, tensors, plan_network(self.space, parent, self.template).steps, counterpart)
