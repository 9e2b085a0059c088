"""Population files for pages: a search that has ended, and one with everything that a page can show."""

import random

from deap_nas import Genotype, HierarchicalSpace, MacroSpace, initDiversified, mutEdge
from deap_nas.evaluation import Evaluation, Job, Stage, Status
from deap_nas.store import HDF5Store

SPACE = HierarchicalSpace(motifs=(2, 1), nodes=(3, 3))
FAILURES = {7: (Status.FAILED, "Traceback\nRuntimeError: a bug"), 11: (Status.LOST, "the worker died")}


def write_search(path, n_rows=30, *, seed=0, settings=None, weights=(1.0,), failures=None, host="node1"):
    """A made-up search of hierarchical genotypes: each child has one gene that its parent has not."""
    rng = random.Random(seed)
    state = rng.getstate()
    failures = FAILURES if failures is None else failures
    with HDF5Store.create(path, space=SPACE, settings=settings or {}, seed=seed, weights=weights, n_repeats=2) as store:
        genotypes = []
        for number in range(n_rows):
            parent = rng.randrange(max(1, number - 8), number) if number > 8 else -1
            genotype = (
                Genotype(genotypes[parent])
                if parent >= 0
                else initDiversified(Genotype, SPACE, n_mutations=20, rng=rng)
            )
            if parent >= 0:
                mutEdge(genotype, SPACE, rng=rng)
            genotypes.append(genotype)
            store.submit([Job(number, genotype, 0, parent)], state)
            store.append(
                genotype, evaluation_of(number, parent, rng, failures=failures, n_objectives=len(weights), host=host)
            )
            if number > 15:
                store.kill([number - 16])
    return path


def evaluation_of(number, parent, rng, *, failures, n_objectives, host):
    status, error = failures.get(number, (Status.OK, ""))
    score = 0.4 + 0.01 * number + 0.05 * rng.random()
    values = (score, *(1000.0 * rng.randrange(1, 90) for _ in range(n_objectives - 1)))
    start = 1e9 + 60.0 * (number // 2)
    return Evaluation(
        values if status is Status.OK else (-1e100,) * n_objectives,
        status=status,
        scores=(score, score) if status is Status.OK else (),
        error=error,
        n_parameters=1000 + number,
        flops=10_000 + number,
        id=number,
        parent=parent,
        worker=1 + number % 2,
        host=host,
        submitted=start,
        started=start,
        finished=start + 50,
        compute=1e9,
    )


def write_progressive(path):
    """A search that goes level by level, with what its surrogate predicted."""
    rng, space = random.Random(0), MacroSpace(layers=3)
    with HDF5Store.create(path, space=space, settings={}, seed=0, n_repeats=1) as store:
        for number in range(12):
            level = 1 + number // 4
            genotype = space.sample_level(level, rng=rng)
            stage = Stage(level, 1, predicted=rng.random() if level > 1 else float("nan"), number=number)
            store.submit([Job(number, genotype, 0, stage=stage)], rng.getstate())
            store.append(
                genotype, Evaluation((rng.random(),), id=number, started=1e9 + number, finished=1e9 + number + 1)
            )
    return path
