"""What every store promises the search loop."""

import random

import pytest

from deap_nas import Genotype
from deap_nas.evaluators import Evaluation, Job, Status, derive_seed
from deap_nas.store import HDF5Store, MemoryStore, resume_population
from tests.toolboxes import SPACE, MaxIndividual


@pytest.fixture(params=["memory", "hdf5"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryStore(seed=7)
        return
    with HDF5Store.create(tmp_path / "run.h5", space=SPACE, settings={}, seed=7, n_repeats=2) as store:
        yield store


def make_jobs(first, n_jobs, *, parent=-1):
    rng = random.Random(first)
    return [
        Job(number, Genotype(rng.randint(0, up) for up in SPACE.up), derive_seed(7, number), parent)
        for number in range(first, first + n_jobs)
    ]


def ended(job, *values, **fields):
    return Evaluation(values, id=job.id, parent=job.parent, submitted=1.0, started=2.0, finished=4.5, **fields)


def test_new_store_is_empty(store):
    assert (store.n_submitted, store.n_evaluated, store.records(), store.pending()) == (0, 0, [], [])
    assert store.rng_state() is None
    assert store.seed == 7


def test_submitted_jobs_are_pending_with_their_seeds(store):
    jobs = make_jobs(0, 5)
    store.submit(jobs, random.Random(1).getstate())
    assert store.n_submitted == 5
    assert store.pending() == jobs


def test_appended_evaluations_come_back_in_order_and_leave_the_queue(store):
    jobs = make_jobs(0, 3)
    store.submit(jobs, random.Random(1).getstate())
    evaluations = [
        ended(jobs[2], 0.5, scores=(0.4, 0.6), n_parameters=10, flops=20, worker=3, host="here"),
        ended(jobs[0], 0.0, status=Status.FAILED, error="Traceback ...\nValueError: three", scores=(0.4,)),
    ]
    for job, evaluation in zip((jobs[2], jobs[0]), evaluations, strict=True):
        store.append(job.genes, evaluation)
    records = store.records()
    assert [record.evaluation for record in records] == evaluations
    assert [record.genes for record in records] == [tuple(jobs[2].genes), tuple(jobs[0].genes)]
    assert [(r.evaluation.worker, r.evaluation.host, r.evaluation.seconds) for r in records] == [
        (3, "here", 2.5),
        (-1, "", 2.5),
    ]
    assert store.pending() == [jobs[1]]
    assert store.n_evaluated == 2


def test_random_state_is_that_of_the_last_submission(store):
    rng = random.Random(3)
    for number in range(5):
        rng.random()
        if number == 2:
            rng.gauss(0, 1)  # leaves a second Gaussian number in the state
        store.submit(make_jobs(number, 1), rng.getstate())
        assert store.rng_state() == rng.getstate()


def test_random_state_after_batches_of_even_size(store):
    rng = random.Random(4)
    for number in range(3):
        rng.random()
        store.submit(make_jobs(2 * number, 2), rng.getstate())
        assert store.rng_state() == rng.getstate()


def test_killed_individuals_stay_recorded_as_dead(store):
    jobs = make_jobs(0, 3)
    store.submit(jobs, random.Random(1).getstate())
    for job in jobs:
        store.append(job.genes, ended(job, 1.0))
    store.kill([1])
    assert [record.alive for record in store.records()] == [True, False, True]
    assert store.n_evaluated == 3


def test_resumed_population_is_the_living_then_the_pending(store):
    rng = random.Random(5)
    jobs = make_jobs(0, 4)
    store.submit(jobs, rng.getstate())
    for job in (jobs[1], jobs[0]):
        store.append(job.genes, ended(job, float(job.id)))
    store.kill([0])
    expected = rng.random()
    rng.seed(99)
    population = resume_population(store, MaxIndividual, rng=rng)
    assert [list(individual) for individual in population] == [list(jobs[i].genes) for i in (1, 2, 3)]
    assert [individual.fitness.valid for individual in population] == [True, False, False]
    assert population[0].fitness.values == (1.0,)
    assert population[0].evaluation.id == 1
    assert [individual.job.id for individual in population[1:]] == [2, 3]
    assert rng.random() == expected


def test_resumed_population_of_an_empty_store_is_empty_and_leaves_the_generator_alone(store):
    rng = random.Random(5)
    assert resume_population(store, MaxIndividual, rng=rng) == []
    assert rng.getstate() == random.Random(5).getstate()
