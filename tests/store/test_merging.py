import random

import numpy as np
import pytest

from deap_nas import eaAsync
from deap_nas.errors import DifferentRunError, SettingsError, StoreError, StoreExistsError
from deap_nas.evaluation import Evaluation, Job, Status, derive_seed
from deap_nas.executors import SerialExecutor
from deap_nas.genotype import Genotype
from deap_nas.store import HDF5Store, find_problems, merge_runs, open_run, resume_population
from tests.toolboxes import SPACE, MaxIndividual, make_toolbox


def write(path, *, seed, n_rows=6, n_repeats=2, **settings):
    """A run whose last submission is pending, whose row 2 failed, and whose row 3 takes the fitness of row 1."""
    rng = random.Random(seed)
    settings = {"fitness": {"steps": 3, "seed": seed}, "population": seed} | settings
    with HDF5Store.create(path, space=SPACE, settings=settings, seed=seed, n_repeats=n_repeats) as store:
        genes = [Genotype(rng.randint(0, up) for up in SPACE.up) for _ in range(n_rows + 1)]
        genes[3] = genes[1]
        for number, each in enumerate(genes):
            store.submit([Job(number, each, 0, number - 1)], rng.getstate())
            if number == n_rows:
                break
            fields = {"status": Status.FAILED, "error": f"of {seed}"} if number == 2 else {"scores": (0.5,) * n_repeats}
            fields |= {"reused": 1} if number == 3 else {}
            store.append(each, Evaluation((0.5,), id=number, parent=number - 1, **fields))
        store.kill([0])
    return path


@pytest.fixture
def merged(tmp_path):
    paths = [write(tmp_path / f"{seed}.h5", seed=seed, n_repeats=seed) for seed in (1, 2, 3)]
    merge_runs(tmp_path / "merged.h5", paths)
    return tmp_path / "merged.h5"


def test_all_rows_are_there_with_ids_parents_and_reuse_moved(merged):
    with HDF5Store.read(merged) as store:
        assert store.column("id").tolist() == [*range(6), *range(7, 13), *range(14, 20)]
        assert store.column("parent").tolist() == [*range(-1, 5), -1, *range(7, 12), -1, *range(14, 19)]
        assert store.column("reused")[store.column("reused") >= 0].tolist() == [1, 8, 15]
        assert store.column("alive").tolist() == [False, *[True] * 5] * 3
        assert store.errors() == {2: "of 1", 9: "of 2", 16: "of 3"}
        assert [record.evaluation.scores for record in store.records()[::6]] == [(0.5,), (0.5, 0.5), (0.5, 0.5, 0.5)]
        assert store.n_submitted == 21
        assert find_problems(store, everything=True) == []


def test_settings_are_those_that_all_share_and_each_runs_own_are_among_the_sources(merged, tmp_path):
    with HDF5Store.read(merged) as store:
        assert store.settings == {"fitness": {"steps": 3}}
        assert [source["seed"] for source in store.sources] == [1, 2, 3]
        assert [source["first_id"] for source in store.sources] == [0, 7, 14]
        assert [source["settings"]["population"] for source in store.sources] == [1, 2, 3]
        assert store.sources[1]["file"] == str(tmp_path / "2.h5")
        assert len(store.sessions) == 4


def test_each_row_keeps_the_seed_of_its_run(merged, tmp_path):
    with HDF5Store.read(merged) as store:
        assert [store.seed_of(number) for number in (0, 6, 7, 20)] == [
            derive_seed(1, 0), derive_seed(1, 6), derive_seed(2, 0), derive_seed(3, 6)
        ]  # fmt: skip
        assert [job.seed for job in store.pending()] == [derive_seed(seed, 6) for seed in (1, 2, 3)]


def test_merged_files_can_be_merged(merged, tmp_path):
    more = write(tmp_path / "4.h5", seed=4)
    merge_runs(tmp_path / "all.h5", [more, merged])
    with HDF5Store.read(tmp_path / "all.h5") as store:
        assert [(source["seed"], source["first_id"]) for source in store.sources] == [(4, 0), (1, 7), (2, 14), (3, 21)]
        assert find_problems(store) == []
        assert store.seed_of(22) == derive_seed(3, 1)


def test_a_merged_file_is_not_resumed_and_says_so(merged):
    before = merged.read_bytes()
    with pytest.raises(StoreError, match=r"merged\.h5 was merged, no run can go on with it: start a new one"):
        HDF5Store.resume(merged)
    with pytest.raises(StoreError, match="was merged"):
        open_run(merged, space=SPACE, settings={"fitness": {"steps": 3}}, seed=1)
    assert merged.read_bytes() == before


def test_a_new_run_can_start_with_the_population_of_a_merged_file(merged, tmp_path):
    rng = random.Random(0)
    with HDF5Store.read(merged) as store:
        population = [each for each in resume_population(store, MaxIndividual, rng=rng) if each.fitness.valid]
    assert len(population) == 15
    assert rng.getstate() == random.Random(0).getstate()
    toolbox = make_toolbox(rng=rng)
    with HDF5Store.create(tmp_path / "new.h5", space=SPACE, settings={}, seed=9) as store, SerialExecutor() as executor:
        eaAsync(population, toolbox, executor, n_evaluations=5, store=store, rng=rng)
        assert find_problems(store) == []
    assert len(population) == 20


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"fitness": {"steps": 4, "seed": 1}}, r"fitness\.steps is 4 there, but 3 .* cannot be merged with .*1\.h5"),
        ({"fitness": {"steps": 3, "repeats": 1}}, r"fitness\.repeats is 1 there, but nothing"),
    ],
)
def test_runs_of_another_fitness_are_refused_by_the_name_of_the_setting(tmp_path, other, message):
    paths = [write(tmp_path / "1.h5", seed=1), write(tmp_path / "2.h5", seed=2, **other)]
    with pytest.raises(DifferentRunError, match=message):
        merge_runs(tmp_path / "merged.h5", paths)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.h5", "2.h5"]
    merge_runs(tmp_path / "merged.h5", paths, free=("fitness.steps", "fitness.repeats"))


def test_runs_that_do_not_tell_their_fitness_must_agree_in_all_settings(tmp_path):
    for name, steps in (("1", 3), ("2", 4)):
        HDF5Store.create(tmp_path / f"{name}.h5", space=SPACE, settings={"steps": steps}, seed=1).close()
    with pytest.raises(DifferentRunError, match=r"settings\.steps is 4 there, but 3"):
        merge_runs(tmp_path / "merged.h5", [tmp_path / "1.h5", tmp_path / "2.h5"])


def test_what_cannot_be_merged_is_refused(tmp_path, merged):
    one = tmp_path / "1.h5"
    for output, *paths in (["new.h5"], ["new.h5", one, tmp_path / "." / "1.h5"], ["1.h5", one]):
        with pytest.raises(SettingsError, match="files other than"):
            merge_runs(tmp_path / output, paths, overwrite=True)
    with pytest.raises(StoreExistsError, match=r"merged\.h5 exists"):
        merge_runs(merged, [one, tmp_path / "2.h5"])
    merge_runs(merged, [one, tmp_path / "2.h5"], overwrite=True)
    with HDF5Store.read(merged) as store:
        assert len(store.sources) == 2


def test_one_run_alone_gives_a_compressed_copy_of_the_same_rows(tmp_path):
    path = write(tmp_path / "1.h5", seed=1, n_rows=1500)
    merge_runs(tmp_path / "copy.h5", [path])
    assert (tmp_path / "copy.h5").stat().st_size < 0.5 * path.stat().st_size
    with HDF5Store.read(tmp_path / "copy.h5") as copy, HDF5Store.read(path) as source:
        assert list(copy.records()) == list(source.records())
        assert copy.pending() == source.pending()
        assert copy.errors() == source.errors()
        assert copy.settings == source.settings
        assert find_problems(copy, everything=True) == []
    with pytest.raises(StoreError, match="was merged"):
        HDF5Store.resume(tmp_path / "copy.h5")


def test_a_merged_file_is_smaller_than_its_sources(tmp_path):
    paths = [write(tmp_path / f"{seed}.h5", seed=seed, n_rows=1500) for seed in (1, 2)]
    merge_runs(tmp_path / "merged.h5", paths)
    assert (tmp_path / "merged.h5").stat().st_size < 0.2 * sum(path.stat().st_size for path in paths)
    with HDF5Store.read(tmp_path / "merged.h5") as store, HDF5Store.read(paths[1]) as source:
        np.testing.assert_array_equal(store.column("genes")[1500:], source.column("genes"))
