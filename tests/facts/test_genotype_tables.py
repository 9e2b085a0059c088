import math
import random

import numpy as np
import pytest

from deap_nas import DNASpace, Genotype, HierarchicalSpace, mutLargeScale
from deap_nas.evaluation import Evaluation, Job, Status
from deap_nas.facts.genotype_tables import changes_gained, kind_of_change, motifs_at, operations_gained
from deap_nas.facts.run_columns import RunColumns
from deap_nas.search_space.reading import Edge, Motif
from deap_nas.store import HDF5Store

SPACE = HierarchicalSpace(motifs=(1,), nodes=(3,), operations=("conv_1x1", "identity"))
STATE = (3, (0,) * 625, None)


def write(path, *rows, space=SPACE, weights=(1.0,)):
    """Rows are genes, parent and fitness, None for a failure."""
    with HDF5Store.create(path, space=space, settings={}, seed=1, weights=weights) as store:
        for number, (genes, parent, value) in enumerate(rows):
            genotype = Genotype(genes) if isinstance(genes, list) else genes
            status = Status.FAILED if value is None else Status.OK
            store.submit([Job(number, genotype, 0, parent)], STATE)
            store.append(genotype, Evaluation((value or 0.0,), status=status, id=number, parent=parent))
    return HDF5Store.read(path)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("level 2, motif 3: 1 -> 2 conv_1x1, was identity", "level N, motif N: N -> N conv_1x1, was identity"),
        ("insert conv 3x3, 1.5 times the channels, /2 at 4", "insert conv 3x3, N times the channels, /N at N"),
        ("learning rate 0.1 -> 2.3e-05", "learning rate N -> N"),
        ("channels x1.5 -> x0.8 at 3", "channels N -> N at N"),
        ("reset weights", "reset weights"),
    ],
)
def test_kinds_of_changes_have_no_numbers_but_those_of_names(change, kind):
    assert kind_of_change(change) == kind


def test_each_kind_of_change_with_what_its_children_gained(tmp_path):
    rows = [
        ([1, 1, 1], -1, 0.5),
        ([2, 1, 1], 0, 0.75),  # identity for conv_1x1: better
        ([1, 1, 2], 0, 0.25),  # likewise: worse
        ([1, 2, 1], 0, 0.5),  # likewise: the same
        ([1, 2, 1], 0, None),  # likewise: a failure
        ([1, 1, 1], 0, 0.5),  # nothing
        ([0, 2, 0], 0, 0.5),  # two kinds
        ([1, 1, 1], 4, 0.5),  # whose parent has no fitness
    ]
    with write(tmp_path / "run.h5", *rows) as store:
        gains = {gain.kind: gain for gain in changes_gained(store, RunColumns.of(store), range(8))}
    (name,) = [kind for kind in gains if kind.endswith("identity, was conv_1x1")]
    change = gains.pop(name)
    assert (change.n_children, change.n_better, change.n_same, change.n_worse) == (4, 1, 1, 1)
    assert math.isclose(change.mean_gain, 0, abs_tol=1e-12)
    assert change.best_gain == 0.25
    assert {kind: gain.n_children for kind, gain in gains.items()} == {
        "nothing: the same genotype": 1,
        "several kinds at once": 1,
    }


def test_of_a_fitness_that_is_minimised_smaller_is_better(tmp_path):
    rows = [([1, 1, 1], -1, 0.5), ([2, 1, 1], 0, 0.25)]
    with write(tmp_path / "run.h5", *rows, weights=(-1.0,)) as store:
        (gain,) = changes_gained(store, RunColumns.of(store), [0, 1])
    assert (gain.n_better, gain.best_gain) == (1, 0.25)


def test_operations_of_the_network_with_the_fitness_of_those_who_use_them():
    def motifs(*labels):
        edges = tuple(Edge(1, 2, label.strip("-"), not label.startswith("-")) for label in labels)
        return (Motif("cell", 2, 2, edges),)

    genotypes = [
        motifs("conv_3x3_32_by2", "motif 1"),
        motifs("conv_3x3", "-identity"),
        motifs("identity"),
        motifs("identity"),
    ]
    found = operations_gained(genotypes, np.array([1.0, 3.0, 5.0, math.nan]), -1.0)
    assert [(gain.name, gain.share) for gain in found] == [("conv_3x3", 2 / 3), ("identity", 1 / 3)]
    conv, identity = found
    assert (conv.fitness_with, conv.fitness_without, conv.share_of_fittest) == (-2, -5, 0)
    assert (identity.fitness_with, identity.fitness_without, identity.share_of_fittest) == (-5, -2, 1)


def test_changes_of_dna_are_the_mutations(tmp_path):
    rng = random.Random(0)
    space = DNASpace()
    parent = space.sample(rng=rng)
    rows = [(parent, -1, 0.5)]
    for _ in range(90):
        child = space.decode(space.encode(parent))
        mutLargeScale(child, space, rng=rng)
        rows.append((child, 0, 0.5))
    with write(tmp_path / "run.h5", *rows, space=space) as store:
        kinds = {gain.kind for gain in changes_gained(store, RunColumns.of(store), range(91))}
        assert len(list(motifs_at(store, range(91)))) == 91
    assert {"learning rate N -> N", "reset weights", "nothing: the same genotype"} <= kinds
