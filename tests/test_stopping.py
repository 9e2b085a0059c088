"""Searches whose evaluations end early."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from deap_nas import eaAsync
from deap_nas.errors import SettingsError
from deap_nas.evaluation import Evaluation
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, MemoryStore, resume_population
from deap_nas.training import CurveBound, CurveExtrapolation, EarlyStopping, SuccessiveHalving
from tests.toolboxes import SPACE, MaxIndividual, make_toolbox

N_EVALUATIONS = 60
HALVING = EarlyStopping((0.2, 0.5), SuccessiveHalving(fraction=0.5))
BOUND = EarlyStopping((0.2, 0.5), CurveBound(n_whole=5))
EXTRAPOLATION = EarlyStopping((0.2, 0.5), CurveExtrapolation(quantile=0.8, chance=0.4, n_points=2, n_whole=5))


class CurveFitness:
    """Its scores at three places grow to the sum of the genes; it may be interrupted at one of its calls."""

    def __init__(self, stopping, interrupted_at=None):
        self.stopping = stopping
        self.calls = 0
        self._interrupted_at = interrupted_at

    def __call__(self, genotype):
        raise AssertionError("the loop calls evaluate_job")

    def evaluate_job(self, job):
        self.calls += 1
        if self.calls == self._interrupted_at:
            raise KeyboardInterrupt
        noise = random.Random(job.seed)
        curve = []
        for share in (0.4, 0.8, 1.0):
            curve.append((share * sum(job.genes) + noise.random()) / 100)
            if not self.stopping.goes_on(curve, cutoffs=job.cutoffs):
                break
        return Evaluation((curve[-1],), scores=(curve[-1],), curve=tuple(curve))


def keep_ten(members):
    return members[:-10]


def search(fitness, store, *, executor=None, survival=None, reuse=None):
    rng = random.Random(1)
    toolbox = make_toolbox(fitness, rng=rng)
    population = resume_population(store, MaxIndividual, rng=rng) or toolbox.population(12)
    options = {"n_evaluations": N_EVALUATIONS, "store": store, "rng": rng, "survival": survival, "reuse": reuse}
    with executor or SerialExecutor() as workers:
        eaAsync(population, toolbox, workers, **options)
    return store.records()


def lengths(records):
    return [len(record.evaluation.curve) for record in records]


@pytest.mark.parametrize("stopping", [HALVING, BOUND, EXTRAPOLATION])
def test_some_are_stopped_and_some_are_not(stopping):
    found = lengths(search(CurveFitness(stopping), MemoryStore(seed=3)))
    assert min(found) < 3
    assert max(found) == 3


def test_a_search_that_stops_nobody_is_one_without_stopping():
    patient = EarlyStopping((0.2, 0.5), CurveBound(n_whole=N_EVALUATIONS + 1))
    records = search(CurveFitness(patient), MemoryStore(seed=3))
    assert lengths(records) == [3] * N_EVALUATIONS


def test_whom_halving_stops_was_worse_than_the_best_half_before_it():
    records = search(CurveFitness(HALVING), MemoryStore(seed=3))
    stopped = [number for number, record in enumerate(records) if len(record.evaluation.curve) == 1]
    for number, record in enumerate(records):
        before = sorted(earlier.evaluation.curve[0] for earlier in records[:number])
        best = before[len(before) - len(before) // 2 :]
        assert (number in stopped) == bool(best and record.evaluation.curve[0] < best[0])


@pytest.mark.parametrize("survival", [None, keep_ten])
@pytest.mark.parametrize("stopping", [HALVING, BOUND, EXTRAPOLATION])
@pytest.mark.parametrize("at", [1, 7, 13, 30, 59])
def test_a_resumed_search_gives_the_same_rows_as_an_uninterrupted_one(tmp_path, stopping, survival, at):
    whole = search(CurveFitness(stopping), MemoryStore(seed=3), survival=survival)
    path = tmp_path / "run.h5"
    with (
        HDF5Store.create(path, space=SPACE, settings={}, seed=3, n_repeats=1, n_rungs=2) as store,
        pytest.raises(KeyboardInterrupt),
    ):
        search(CurveFitness(stopping, interrupted_at=at), store, survival=survival)
    with HDF5Store.resume(path) as store:
        assert search(CurveFitness(stopping), store, survival=survival) == whole


def test_reused_evaluations_are_members_and_count_once():
    fitness = CurveFitness(BOUND)
    records = search(fitness, MemoryStore(seed=3), survival=keep_ten, reuse=sum)
    assert any(record.evaluation.reused >= 0 for record in records)
    assert fitness.calls == sum(record.evaluation.reused < 0 for record in records)


def test_several_workers_are_given_cutoffs_too():
    records = search(CurveFitness(HALVING), MemoryStore(seed=3), executor=ThreadPoolExecutor(4))
    assert min(lengths(records)) == 1


def test_a_store_without_room_for_the_curves_is_refused_before_anything_is_evaluated(tmp_path):
    fitness = CurveFitness(HALVING)
    with (
        HDF5Store.create(tmp_path / "run.h5", space=SPACE, settings={}, seed=3, n_rungs=1) as store,
        pytest.raises(SettingsError, match="has n_rungs=1: the fitness needs one with n_rungs=2"),
    ):
        search(fitness, store)
    assert fitness.calls == 0
