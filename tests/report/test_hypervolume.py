"""Hypervolumes against those of moocore, and what deap-nas info says of a front."""

import json
import math
import random

import moocore
import numpy as np
import pytest
from deap import base, creator
from hypothesis import given
from hypothesis import strategies as st

from deap_nas import FlatSpace, Genotype, eaAsync, mutEdge
from deap_nas.cli import main
from deap_nas.errors import SettingsError
from deap_nas.evaluation import Evaluation, Status
from deap_nas.executors import SerialExecutor
from deap_nas.report import hypervolume, in_words, summarise
from deap_nas.report.fronts import _front
from deap_nas.store import HDF5Store

SPACE = FlatSpace(nodes=3)
numbers = st.one_of(st.integers(0, 4).map(float), st.floats(-5, 5, allow_nan=False, width=32))

creator.create("FrontFitness", base.Fitness, weights=(1.0, -1.0))
creator.create("OnFront", Genotype, fitness=creator.FrontFitness)


@st.composite
def fronts(draw):
    """Points, weights and a reference, of two or three objectives; points may be equal, worse, or share coordinates."""
    n = draw(st.sampled_from([2, 3]))
    row = st.lists(numbers, min_size=n, max_size=n)
    weights = draw(st.lists(st.sampled_from([-2.0, 1.0]), min_size=n, max_size=n))
    return draw(st.lists(row, min_size=1, max_size=12)), weights, draw(row)


@given(fronts())
def test_it_is_what_a_well_kept_library_computes(front):
    values, weights, reference = front
    signs = -np.sign(weights)  # moocore minimises
    expected = moocore.hypervolume(np.array(values) * signs, ref=np.array(reference) * signs)
    assert hypervolume(values, weights=weights, reference=reference) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_it_is_that_of_large_fronts_too():
    rng = np.random.default_rng(1)
    for n in (2, 3):
        points = np.abs(rng.normal(size=(300, n)))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        expected = moocore.hypervolume(-points, ref=np.zeros(n))
        found = hypervolume(points.tolist(), weights=[1.0] * n, reference=[0.0] * n)
        assert found == pytest.approx(expected, rel=1e-12)


def test_of_one_objective_it_is_the_gain_of_the_best():
    assert hypervolume([(0.5,), (0.75,)], weights=(1.0,), reference=(0.25,)) == 0.5
    assert hypervolume([], weights=(1.0, 1.0), reference=(0.0, 0.0)) == 0


@pytest.mark.parametrize(
    ("values", "weights", "reference", "message"),
    [
        ([(1, 1, 1, 1)], (1, 1, 1, 1), (0, 0, 0, 0), "1 to 3"),
        ([(1, 1)], (1, 1, 1), (0, 0, 0), "3 objectives"),
        ([(1, math.nan)], (1, 1), (0, 0), "numbers"),
    ],
)
def test_what_cannot_be_computed_is_refused(values, weights, reference, message):
    with pytest.raises(SettingsError, match=message):
        hypervolume(values, weights=weights, reference=reference)


@given(st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=30))
def test_a_front_is_what_none_dominates(rows):
    unique = np.unique(np.array(rows), axis=0)
    found = set(map(tuple, _front(unique).tolist()))
    best = {
        tuple(row) for row in unique.tolist()
        if not any((other >= row).all() and (other > row).any() for other in unique)
    }  # fmt: skip
    assert found == best
    assert len(found) == len(_front(unique))


class Known:
    """Two objectives of the sum of the genes, and failures now and then."""

    worst_values = (0.0, 1e15)

    def __call__(self, individual):
        return self.evaluate(individual, seed=0).values or self.worst_values

    def evaluate(self, genotype, *, seed):
        size = sum(genotype)
        if size % 5 == 4:
            return Evaluation(status=Status.DIVERGED, error="on purpose")
        return Evaluation((size / 100, float(100 + size * size)))


def searched(path, settings):
    run = {"space": SPACE, "settings": settings, "seed": 1, "weights": (1.0, -1.0)}
    with HDF5Store.create(path, **run) as store, SerialExecutor() as executor:
        rng = random.Random(1)
        toolbox = base.Toolbox()
        toolbox.register("select", rng.sample)
        toolbox.register("mutate", mutEdge, space=SPACE, rng=rng)
        toolbox.register("evaluate", Known())
        population = [creator.OnFront(SPACE.sample(rng=rng)) for _ in range(6)]
        eaAsync(population, toolbox, executor, n_evaluations=40, store=store, rng=rng)
        return [record.evaluation.values for record in store if record.evaluation.status is Status.OK]


def test_info_tells_the_hypervolume_and_from_where(tmp_path, capsys):
    path = tmp_path / "run.h5"
    values = searched(path, {"fitness": {"objectives": ["accuracy", "n_parameters"]}})
    with HDF5Store.read(path) as store:
        front, text = summarise(store)["front"], in_words(summarise(store))
    worst = [min(value[0] for value in values), max(value[1] for value in values)]
    assert front["reference"] == worst
    signs = np.array([-1.0, 1.0])
    assert front["hypervolume"] == pytest.approx(moocore.hypervolume(np.array(values) * signs, ref=worst * signs))
    assert front["hypervolume"] > 0
    assert f"n_parameters {worst[1]:,.6g}" in text
    assert (
        f"hypervolume {front['hypervolume']:.6g}, from the worst of each that was found: accuracy {worst[0]:g}" in text
    )
    assert f"front       {len(set(values))} of different values" in text
    main(["info", str(path), "--json"])
    assert json.loads(capsys.readouterr().out)["front"] == front


def test_objectives_without_names_are_counted(tmp_path):
    path = tmp_path / "run.h5"
    searched(path, {"fitness": {"objectives": "strange"}})
    with HDF5Store.read(path) as store:
        assert summarise(store)["front"]["names"] == ["objective 1", "objective 2"]
