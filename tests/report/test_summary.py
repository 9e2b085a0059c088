import math
import random
from functools import partial

import pytest

from deap_nas import canonical_key, cli, eaAsync, initTrivial
from deap_nas.evaluation import Evaluation, Job, Stage, Status
from deap_nas.executors import SerialExecutor
from deap_nas.genotype import Genotype
from deap_nas.report import draw_best, draw_member, in_words, member, summarise
from deap_nas.store import HDF5Store
from tests.store.test_curves import write
from tests.toolboxes import SPACE, gene_sum, make_toolbox

TRIVIAL = initTrivial(Genotype, SPACE)


def create(path, *evaluations):
    with HDF5Store.create(path, space=SPACE, settings={}, seed=1) as store:
        for number, evaluation in enumerate(evaluations):
            store.submit([Job(number, TRIVIAL, 0)], (3, (0,) * 625, None))
            store.append(TRIVIAL, evaluation)
    return HDF5Store.read(path)


def test_the_best_is_described_and_drawn_beside_the_file(tmp_path):
    with create(tmp_path / "run.h5", Evaluation((0.5,), id=0), Evaluation((0.75,), id=1)) as store:
        words = in_words(summarise(store))
        pictures = draw_best(store)
    assert "best        individual 1" in words
    assert words.endswith(SPACE.describe(TRIVIAL))
    assert pictures == [tmp_path / "run-id1.png", tmp_path / "run-id1.svg"]
    assert pictures[0].read_bytes()[:4] == b"\x89PNG"
    assert "individual 1, OK, fitness 0.7500" in pictures[1].read_text()


def test_the_best_is_drawn_into_the_picture_that_the_command_draws(tmp_path, capsys):
    with create(tmp_path / "run.h5", Evaluation((0.5,), id=0)) as store:
        pictures = draw_best(store)
    before = [path.read_bytes() for path in pictures]
    assert cli.main(["draw", str(tmp_path / "run.h5")]) == 0
    assert capsys.readouterr().out.split() == list(map(str, pictures))
    assert [path.read_bytes() for path in pictures] == before


def test_the_picture_of_a_failure_tells_no_fitness(tmp_path):
    with create(tmp_path / "run.h5", Evaluation((-1e100,), status=Status.FAILED, error="a bug", id=0)) as store:
        draw_member(store, 0, paths=[tmp_path / "x.svg"])
    text = (tmp_path / "x.svg").read_text()
    assert "individual 0, FAILED<" in text


def test_where_nothing_has_succeeded_nothing_is_drawn(tmp_path):
    failure = Evaluation((0.0,), status=Status.FAILED, error="a bug", id=0)
    with create(tmp_path / "run.h5", failure) as store:
        assert in_words(summarise(store)).endswith("best        none: no evaluation has succeeded")
        assert draw_best(store) == []
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, 1e300, -1e300])
def test_a_time_that_cannot_be_is_left_out(tmp_path, time):
    evaluations = [Evaluation((0.5,), id=n, started=0.0, finished=end) for n, end in enumerate((60.0, time))]
    with create(tmp_path / "run.h5", *evaluations) as store:
        assert "work        0:01:00 of evaluations" in in_words(summarise(store))


def settings(**changes):
    fitness = {"dataset": "digits", "recipe": {"steps": 40, "batch_size": 64}, "repeats": 4}
    return {"fitness": fitness | changes}


@pytest.mark.parametrize(
    ("run", "lines"),
    [
        ({}, []),
        ({"fitness": "a name"}, []),
        ({"fitness": {"recipe": 3}}, []),
        (settings(), ["dataset     digits, all images", "training    40 steps of 64 images, repeats: 4"]),
        (settings(n_images=500, recipe={}), ["dataset     digits, 500 images"]),
        ({"survival": "oldest", "reuse": "canonical"}, ["survival    oldest", "reuse       canonical"]),
        (settings(dataset="a\x1b[2J", recipe={}), ["dataset     a?[2J, all images"]),
    ],
)
def test_the_task_is_told_as_far_as_the_settings_say_it(tmp_path, run, lines):
    with HDF5Store.create(tmp_path / "run.h5", space=SPACE, settings=run, seed=1) as store:
        told = in_words(summarise(store)).splitlines()
    assert told[4:-1] == lines


def summaries(path, n_evaluations=6):
    """What a file says after each evaluation of a search of one worker."""
    seen = []

    def look(individual, n_running):
        with HDF5Store.read(path) as store:
            seen.append(summarise(store))

    with HDF5Store.create(path, space=SPACE, settings={}, seed=1) as store, SerialExecutor() as executor:
        toolbox = make_toolbox(gene_sum)
        reuse = partial(canonical_key, SPACE)
        eaAsync(
            toolbox.population(4), toolbox, executor, n_evaluations=n_evaluations, store=store, reuse=reuse,
            observer=look,
        )  # fmt: skip
    return seen


def test_survival_and_reuse_are_told_where_only_the_loop_knows_them(tmp_path):
    words = in_words(summaries(tmp_path / "run.h5")[-1])
    assert "\nsurvival    all stay\nreuse       canonical_key\n" in words


def test_what_is_pending_is_running_or_queued(tmp_path):
    first, *_, last = summaries(tmp_path / "run.h5")
    assert (first["n_pending"], first["n_running"], first["n_queued"]) == (3, 1, 2)
    assert "evaluated   1 (1 OK), 3 pending (1 running, 2 queued)\n" in in_words(first)
    assert (last["n_pending"], last["n_running"], last["n_queued"]) == (0, 0, 0)
    assert "evaluated   6 (6 OK), 0 pending\n" in in_words(last)


def test_of_a_search_that_does_not_run_all_are_queued(tmp_path):
    summaries(tmp_path / "run.h5", n_evaluations=2)
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert "2 pending (0 running, 2 queued)" in in_words(summarise(store))


def test_where_the_loop_has_told_nothing_what_is_pending_is_no_more_than_that(tmp_path):
    with HDF5Store.create(tmp_path / "run.h5", space=SPACE, settings={}, seed=1) as store:
        store.submit([Job(0, TRIVIAL, 0)], (3, (0,) * 625, None))
        assert "evaluated   0 (none yet), 1 pending\n" in in_words(summarise(store))


def test_those_who_were_stopped_are_counted_by_rung(tmp_path):
    path = write(tmp_path / "run.h5", ((0.1,), (0.2, 0.4), (0.1,), (0.1, 0.2, 0.3), ()))
    with HDF5Store.read(path) as store:
        summary = summarise(store)
    assert summary["stopped"] == [2, 1]
    assert "stopped     2 at rung 1, 1 at rung 2\n" in in_words(summary)


def test_a_run_that_stops_nobody_says_nothing_of_rungs(tmp_path):
    with create(tmp_path / "run.h5", Evaluation((0.5,), id=0)) as store:
        assert "rung" not in in_words(summarise(store))


def test_the_floating_point_operations_of_all_are_summed_and_told_for_each(tmp_path):
    path = tmp_path / "run.h5"
    evaluations = [Evaluation((0.5 + n / 10,), id=n, compute=compute) for n, compute in enumerate((1e12, 0.0, 2.14e12))]
    with create(path, *evaluations) as store:
        summary = summarise(store)
        assert member(store, 0)["compute"] == 1e12
    assert (summary["compute"], summary["best"]["compute"]) == (3.14e12, 2.14e12)
    assert "\ncompute     3.1e+12 FLOPs of trainings and validations\n" in in_words(summary)


def test_where_nothing_is_known_of_floating_point_operations_nothing_is_said(tmp_path):
    with create(tmp_path / "run.h5", Evaluation((0.5,), id=0)) as store:
        assert summarise(store)["compute"] == 0
        assert "compute" not in in_words(summarise(store))


@pytest.mark.parametrize("damaged", [math.nan, math.inf])
def test_a_compute_that_cannot_be_is_left_out(tmp_path, damaged):
    evaluations = [Evaluation((0.5,), id=n, compute=compute) for n, compute in enumerate((2e9, damaged))]
    with create(tmp_path / "run.h5", *evaluations) as store:
        assert summarise(store)["compute"] == 2e9


def test_a_progressive_search_tells_its_levels_and_how_well_they_were_predicted(tmp_path):
    stages = [
        *(Stage(1, 1, search=search, number=n) for search in (0, 1) for n in range(2)),
        *(Stage(2, 1, predicted, search, n) for search in (0, 1) for n, predicted in enumerate((0.1, 0.2, 0.3))),
        Stage(1, 2, 0.5),
    ]
    values = [0.3, 0.2, 0.1, 0.25, *(0.5, 0.6, 0.7), *(0.7, 0.8, 0.6), 0.9]
    genes = Genotype([0] * SPACE.n_genes)
    with HDF5Store.create(tmp_path / "run.h5", space=SPACE, settings={}, seed=0) as store:
        for number, (stage, value) in enumerate(zip(stages, values, strict=True)):
            store.submit([Job(number, genes, 0, stage=stage)], random.getstate())
            store.append(genes, Evaluation((value,), id=number, started=1.0, finished=2.0))
        steps = summarise(store)["steps"]
        lines = in_words(summarise(store)).splitlines()
    assert [(step["iteration"], step["level"], step["n_networks"], step["best"]) for step in steps] == [
        (1, 1, 4, 0.3), (1, 2, 6, 0.8), (2, 1, 1, 0.9),
    ]  # fmt: skip
    assert steps[0]["tau"] is None
    assert steps[1]["tau"] == pytest.approx((1 - 1 / 3) / 2)
    assert [line for line in lines if line.startswith("levels")] == [
        "levels      iteration 1, levels 1 to 2: best 0.3000 0.8000; Kendall tau of what was predicted - 0.33",
        "levels      iteration 2, level 1: best 0.9000; Kendall tau of what was predicted -",
    ]


def test_another_search_tells_no_levels(tmp_path):
    with HDF5Store.create(tmp_path / "run.h5", space=SPACE, settings={}, seed=0) as store:
        assert summarise(store)["steps"] == []
        assert "levels" not in in_words(summarise(store))
