"""What mutations do to members of searches, by trainings; see ``operators.py``."""

import math

import numpy as np
from compared import REPRESENTATIONS
from kept_trainings import KeptTrainings, Training
from operators_effects import (
    TRAINED,
    UNDECIDED,
    Effects,
    Noise,
    Parent,
    by_kind,
    children_of,
    classified,
    judged,
    network_of,
)
from searches import Row

from deap_nas.errors import SettingsError
from deap_nas.evaluation import Status, derive_seed
from deap_nas.genotype import plain_genotype
from deap_nas.store import HDF5Store
from deap_nas.training import AccuracyFitness

#: What a fitness's description says of weights that are inherited, and of trainings that end early.
LEFT_OUT = ("inherits_weights", "deterministic", "stopping")


def population_files(folder, name):
    """Population files of a representation, one a seed, in the order of their seeds."""
    file = Row(name).file(folder, 0).name
    found = sorted(folder.glob(f"seed*/{file}"), key=lambda path: (len(path.parent.name), path.parent.name))
    if not found:
        raise SettingsError(f"{folder} has no seedK/{file}: leave {name!r} out by --representations")
    return found


def members(path, args):
    """The living members of a population file whose evaluation went well."""
    with HDF5Store.read(path) as store:
        if "fitness" not in store.settings:
            raise SettingsError(f"{path} does not say which fitness it has, as settings['fitness']")
        fields = {name: value for name, value in store.settings["fitness"].items() if name not in LEFT_OUT}
        fitness = AccuracyFitness.from_dict({**fields, "repeats": 1}, device=args.device, data_dir=args.data_dir)
        is_ok = [record for record in store if record.alive and record.evaluation.status is Status.OK]
        for record in is_ok:
            genotype = plain_genotype(record.genes)
            yield Parent(genotype, fitness, (store.seed, record.evaluation.id))


def drawn_from_searches(name, args):
    """Children of members of the searches of a representation, as far as they are known without a training."""
    representation = REPRESENTATIONS[name]
    files = population_files(args.searches, name)
    parents = [parent for path in files for parent in members(path, args)]
    if not parents:
        raise SettingsError(f"no member of {files[0]} is a network that was trained: leave {name!r} out")
    children = []
    for child in children_of(parents, representation, args.children, args.seed):
        fitness = child.parent.fitness
        before, after = (
            network_of(fitness.space, fitness.template, genotype, recipe=fitness.recipe)
            for genotype in (child.parent.genotype, child.genotype)
        )
        children.append(classified(child, before, after))
    return children


def trainings_of(parent, genotype, args):
    """The trainings of a parent or of a child of it, all from the same seeds."""
    seeds = (derive_seed(args.seed, *parent.number, repeat) for repeat in range(args.repeats))
    return [Training(parent.fitness, genotype, seed) for seed in seeds]


def by_training(args, executor):
    """Train parents and children; gives what has come of them by representation."""
    kept = KeptTrainings(args.output / "trainings.jsonl")
    drawn = {name: drawn_from_searches(name, args) for name in args.representations}
    wanted = [
        training
        for children in drawn.values()
        for child in children
        if child.outcome is None
        for genotype in (child.parent.genotype, child.genotype)
        for training in trainings_of(child.parent, genotype, args)
    ]
    kept.train(wanted, executor)
    return {name: effects_of_trainings(children, kept, args) for name, children in drawn.items()}


def effects_of_trainings(children, kept, args):
    """Compare children with their parents."""
    scores = {}

    def percent(parent, genotype):
        """Accuracies of a genotype; None where a training has failed."""
        trainings = trainings_of(parent, genotype, args)
        found = [kept.accuracy(training) for training in trainings]
        return None if None in found else scores.setdefault(trainings[0].key, 100 * np.array(found))

    differences = []
    for child in children:
        trained = child.outcome is None
        before, after = (percent(child.parent, each.genotype) if trained else None for each in (child.parent, child))
        differences.append(None if before is None or after is None else after - before)
    noise = Noise.within(scores.values())
    threshold = noise.threshold(args.repeats)
    found = [
        judged(child, None if difference is None else float(difference.mean()), threshold, UNDECIDED)
        for child, difference in zip(children, differences, strict=True)
    ]
    n_parents = len({child.parent.number for child in children})
    paired = Noise.within(difference for difference in differences if difference is not None)
    text = f"{len(children)} children of {n_parents} parents" + (
        f"; a training deviates by {noise.deviation:.2f} points ({noise.freedom} degrees of freedom; "
        f"{paired.deviation / math.sqrt(2):.2f} where seeds are common), means of {args.repeats} count from "
        f"{threshold:.2f} on"
        if scores
        else ", none of which was trained"
    )
    return Effects(by_kind(found), text, TRAINED)
