"""Networks with the weights that a search has left, and how well they classify, without another training.

A search whose weights are inherited is one-shot (Real 2017 <https://arxiv.org/abs/1703.01041>, sections 1 and 3.6): the
best individual with its own weights is its result, and needs no retraining. Nothing here imports torch before a network
is made.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deap_nas.errors import ExportError, SettingsError
from deap_nas.files import user_path
from deap_nas.search_space import space_from_dict
from deap_nas.template import Plan, plan_network, template_from_dict
from deap_nas.training.data.sources import Source
from deap_nas.training.devices import choose_device
from deap_nas.training.fitness.description import not_described
from deap_nas.training.weights.inheritance import has_labels

if TYPE_CHECKING:
    import torch

    from deap_nas.training.data.batches import DeviceImages
    from deap_nas.training.fitness.accuracy import AccuracyFitness

__all__ = ["SearchedAccuracies", "SearchedNetwork", "searched_accuracies", "searched_network"]


@dataclass(frozen=True)
class SearchedAccuracies:
    """How well the networks of an individual classify, with the weights that the search has left; one a repeat."""

    #: Shares of the images kept for validation, in [0, 1], that are classified right: the scores of the search.
    validation: tuple[float, ...]
    #: Shares of the test images, in [0, 1].
    test: tuple[float, ...]
    n_test_images: int
    n_parameters: int


@dataclass(frozen=True)
class SearchedNetwork:
    """A network of an individual, with the weights that the search has left."""

    #: In evaluation mode, on the CPU.
    network: torch.nn.Module
    #: ``mean`` and ``scale`` of each channel: it takes ``(pixels - mean) * scale``, of pixels in 0..255; None where the
    #: file does not say it, being older.
    normalisation: dict[str, list[float]] | None


def searched_network(
    fitness: Mapping[str, Any],
    genotype: Any,
    weights: str | os.PathLike[str],
    *,
    repeat: int = 0,
    seed: int | None = None,
) -> SearchedNetwork:
    """Give a network of an individual with the weights that its evaluation has left; the images need not be there.

    Args:
        fitness: description of the search's fitness, which says space and template: ``fitness`` in the settings of its
            population file, or what ``to_dict`` of the fitness gives.
        genotype: of the individual.
        weights: file that the evaluation has left, ``ID.safetensors`` in the folder of the run's weights.
        repeat: which of the trainings, from 0.
        seed: of the evaluation, by which it is told from those of other runs; by default any.

    Raises:
        ExportError: the file is not there or cannot be read, is of another individual or fitness, or does not fit the
            network.
        SettingsError: there is no such repeat, or no fitness is described so.
        UnknownNameError: a search space, a template or an operation is not registered.
        GenotypeError: the genotype does not belong to the space.
        NotViableError: no path leads from an input to the output.
        MissingExtraError: safetensors is not installed.
    """
    import torch

    try:
        space, template = space_from_dict(fitness["space"]), template_from_dict(fitness["template"])
        n_repeats = int(fitness["repeats"])
    except (KeyError, TypeError, ValueError) as error:
        raise not_described(error) from error
    if not 0 <= repeat < n_repeats:
        raise SettingsError(f"repeat must be in 0..{n_repeats - 1}, the trainings of an evaluation, found {repeat}")
    plan = plan_network(space, genotype, template)
    found = _Found(user_path(weights), fitness, space.encode(genotype).tolist(), seed)
    return SearchedNetwork(found.network(plan, repeat, torch.device("cpu")), found.normalisation)


def searched_accuracies(
    fitness: AccuracyFitness, genotype: Any, weights: str | os.PathLike[str], *, seed: int | None = None
) -> SearchedAccuracies:
    """Measure the networks of an individual, with the weights of the search, on the validation and the test images.

    Both are normalised by the training images of the search, as ever. The accuracy on validation images is that which
    the search has recorded. That on test images is a result: whoever chooses anything by it has no test images left. A
    process reads the images once.

    Args:
        fitness: of the search, with its images and its device.
        genotype: of the individual.
        weights: see :func:`searched_network`.
        seed: see :func:`searched_network`.

    Raises:
        ExportError: see :func:`searched_network`.
        GenotypeError: see :func:`searched_network`.
        NotViableError: see :func:`searched_network`.
        DatasetError: images are missing or unreadable, or there are no test images.
        DivergedError: a network gives numbers that are not finite.
        SettingsError: there is no such device.
        MissingExtraError: safetensors, or what reads the images, is not installed.
    """
    from deap_nas.training.data.batches import search_sets
    from deap_nas.training.trainer import accuracy

    plan = plan_network(fitness.space, genotype, fitness.template)
    genes = fitness.space.encode(genotype).tolist()
    found = _Found(user_path(weights), fitness.to_dict(), genes, seed)
    device = choose_device(fitness.device)
    batch_size = fitness.space.adapt_recipe(genotype, fitness.recipe).batch_size
    _, validation = search_sets(fitness.source, fitness.seed, device)
    test = _test_images(fitness.source, fitness.seed, device)
    shares: tuple[list[float], list[float]] = ([], [])
    for repeat in range(fitness.repeats):
        network = found.network(plan, repeat, device)
        for images, measured in zip((validation, test), shares, strict=True):
            measured.append(accuracy(network, images, batch_size=batch_size))
    return SearchedAccuracies(tuple(shares[0]), tuple(shares[1]), len(test.labels), plan.cost.n_parameters)


@lru_cache(maxsize=1)
def _test_images(source: Source, seed: int, device: torch.device) -> DeviceImages:
    """The test images, normalised as the search's training images are."""
    from deap_nas.training.data.batches import search_sets, to_device
    from deap_nas.training.data.datasets import load_test_images

    training, _ = search_sets(source, seed, device)
    return to_device(load_test_images(source), device=device, like=training)


class _Found:
    """What an evaluation has left, once it is known that it is that evaluation's.

    Raises:
        ExportError: the file is not there or cannot be read, or is of another individual or fitness.
    """

    def __init__(self, path: Path, fitness: Mapping[str, Any], genes: list[Any], seed: int | None) -> None:
        from deap_nas.assembly.weights import read_tensors

        try:
            tensors, labels = read_tensors(path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise ExportError(f"{path} cannot be read as the weights of an evaluation: {reason}") from error
        for name, wanted in (("fitness", fitness), ("genes", genes), ("seed", seed)):
            if wanted is not None and not has_labels(labels, json.loads(json.dumps({name: wanted}))):
                raise ExportError(f"{path} holds the weights of another run or individual: its {name} is another")
        self._path = path
        self._tensors = tensors
        self.normalisation = _normalisation(labels.get("normalisation"))

    def network(self, plan: Plan, repeat: int, device: torch.device) -> torch.nn.Module:
        """A network with its weights, in evaluation mode.

        Raises:
            ExportError: a tensor of its own is not there, has another shape, or one is there that it has not.
        """
        from deap_nas.assembly import weight_names
        from deap_nas.training.trainer import below, seeded_network

        network = seeded_network(plan, seed=0, device=device)
        own = weight_names(network)
        found = below(f"{repeat}.", self._tensors)
        if not any(":" in name for name in found):  # of before names held the operation
            own = {key: (key, value) for key, (_, value) in own.items()}
        wanted = {(name, value.dtype, *value.shape) for name, value in own.values()}
        if wrong := wanted ^ {(name, value.dtype, *value.shape) for name, value in found.items()}:
            name, _, *shape = min(wrong, key=str)
            raise ExportError(
                f"{self._path} does not fit the network: {repeat}.{name} of shape {shape} is missing, or too many"
            )
        network.load_state_dict({key: found[name] for key, (name, _) in own.items()})
        return network.eval()


def _normalisation(label: Any) -> dict[str, list[float]] | None:
    """What a file says of it, which may be anything."""
    if not isinstance(label, dict):
        return None
    found = {name: label.get(name) for name in ("mean", "scale")}
    is_sound = all(isinstance(each, list) and all(isinstance(x, float) for x in each) for each in found.values())
    return found if is_sound else None  # type: ignore[return-value]  # each was looked at
