"""Limits on the size of networks, for operators that may only give what keeps within them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from types import ModuleType
from typing import Any, TypeVar

from deap_nas.errors import NotViableError, SettingsError
from deap_nas.genotype import Genotype
from deap_nas.graph import Lowers
from deap_nas.operators.keeping import keep
from deap_nas.operators.motif import initDiversified
from deap_nas.search_space import HierarchicalSpace, SearchSpace
from deap_nas.template import Cost, Template, cost

__all__ = ["CostLimit", "median_cost"]

_Operator = TypeVar("_Operator", bound=Callable[..., Any])


@dataclass(frozen=True)
class CostLimit:
    """Permits the genotypes whose network is small enough (Liu 2018, section 4.2); a decorator for operators.

    ``toolbox.decorate("mutate", limit)`` makes the operator try again until what it gives is permitted, and
    ``toolbox.decorate("individual", limit)`` does the same for an initialisation. Networks are measured by
    :func:`deap_nas.cost` and never built. Under a limit a genotype that is no network is not permitted either, lest
    a limit that is too low fill the population with those.

    Args:
        space: the search space.
        template: the fixed part of the network.
        max_parameters: largest number of trainable parameters; None for any.
        max_flops: largest number of FLOPs for one image; None for any.
        n_tries: how often an operator is applied before it gives up.
        max_latency: longest time in seconds for one image, as ``latency`` measures it; None for any.
        latency: gives the seconds of a genotype's network, such as :class:`deap_nas.training.Latency`, which builds it
            in the process that calls the operator and measures it there. It is asked last, only where the other limits
            permit. What is measured twice differs: one near the limit may be permitted once and not again.

    Raises:
        SettingsError: a limit or the number of tries is not positive, or one of ``max_latency`` and ``latency`` is
            given without the other.
    """

    space: Lowers
    template: Template
    max_parameters: int | None = None
    max_flops: int | None = None
    n_tries: int = 1000
    max_latency: float | None = None
    latency: Callable[[Any], float] | None = None

    def __post_init__(self) -> None:
        """Check the fields."""
        for name in ("max_parameters", "max_flops", "n_tries"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"{name} must be at least 1, found {value}")
        if (self.max_latency is None) != (self.latency is None):
            raise SettingsError("max_latency and latency, which measures it, belong together: give both, or none")
        if self.max_latency is not None and not self.max_latency > 0:
            raise SettingsError(f"max_latency must be a positive number of seconds, found {self.max_latency}")

    def permits(self, genotype: Any) -> bool:
        """Whether the network of a genotype keeps within the limits.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        if self.max_parameters is None and self.max_flops is None and self.max_latency is None:
            return True
        try:
            size = cost(self.space, genotype, self.template)
        except NotViableError:
            return False
        is_small = (self.max_parameters is None or size.n_parameters <= self.max_parameters) and (
            self.max_flops is None or size.flops <= self.max_flops
        )
        if self.max_latency is None or self.latency is None or not is_small:
            return is_small
        return self.latency(genotype) <= self.max_latency

    def __call__(self, operator: _Operator) -> _Operator:
        """Decorate an operator, which gives an individual or a tuple of them, and may change its arguments in place.

        The decorated operator raises :class:`~deap_nas.errors.SettingsError` when nothing is permitted in
        ``n_tries`` tries.
        """

        @wraps(operator)
        def limited(*arguments: Any, **settings: Any) -> Any:
            everything = (*arguments, *settings.values())
            restore = [restoring for restoring in map(keep, everything) if restoring is not None]
            for _ in range(self.n_tries):
                result = operator(*arguments, **settings)
                if all(map(self.permits, result if isinstance(result, tuple) else (result,))):
                    return result
                for each in restore:
                    each()
            name = getattr(operator, "__name__", repr(operator))
            raise SettingsError(
                f"{self.n_tries} tries of {name} gave nothing within {self._in_words()}: raise the limit, or start "
                f"from smaller genotypes"
            )

        return limited  # type: ignore[return-value]  # the same call as the operator's

    def _in_words(self) -> str:
        latency = "" if self.max_latency is None else f" and max_latency={self.max_latency}"
        return f"max_parameters={self.max_parameters} and max_flops={self.max_flops}{latency}"


def median_cost(
    space: SearchSpace,
    template: Template,
    *,
    n_samples: int = 200,
    n_mutations: int = 1000,
    rng: random.Random | ModuleType = random,
) -> Cost:
    """Median parameters and median FLOPs of random genotypes, a limit for genotypes of another kind.

    Liu 2018, section 4.2, chooses the limit so that flat networks have about the size of hierarchical ones.

    Args:
        space: of the random genotypes, made by :func:`deap_nas.initDiversified` where motifs can be mutated, else by
            the space's own ``sample``.
        template: the fixed part of the network.
        n_samples: genotypes, at least 1; those that are no network do not count.
        n_mutations: mutations of each, where there are any.
        rng: source of the random draws.

    Raises:
        SettingsError: no sample is a network, or ``n_mutations`` is negative.
    """
    costs = []
    for _ in range(n_samples):
        if isinstance(space, HierarchicalSpace):
            genotype = initDiversified(Genotype, space, n_mutations=n_mutations, rng=rng)
        else:
            genotype = space.sample(rng=rng)
        try:
            costs.append(cost(space, genotype, template))
        except NotViableError:
            continue
    if not costs:
        raise SettingsError(f"none of {n_samples} random genotypes is a network: take more samples")
    middle = (len(costs) - 1) // 2
    n_parameters, flops = (
        sorted(values)[middle] for values in zip(*((c.n_parameters, c.flops) for c in costs), strict=True)
    )
    return Cost(n_parameters, flops)
