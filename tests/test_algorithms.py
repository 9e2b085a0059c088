import errno
import logging
import random
import re
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context

import pytest
from deap import base, tools

from deap_nas import HierarchicalSpace, Status, eaAsync, initDiversified, initTrivial
from deap_nas.errors import (
    DatasetError,
    ExecutorError,
    MissingExtraError,
    NoWorkerError,
    SettingsError,
    StorageError,
)
from deap_nas.evaluation import derive_seed
from deap_nas.evaluation.runner import set_worker
from deap_nas.executors import SerialExecutor
from deap_nas.store import MemoryStore, resume_population
from tests import toolboxes
from tests.toolboxes import (
    SPACE,
    MaxIndividual,
    MinIndividual,
    PairIndividual,
    SeedFitness,
    WorstFitness,
    evaluated,
    gene_sum,
    gene_sum_and_zeros,
    is_plain,
    make_toolbox,
)


@pytest.fixture(scope="module", params=["serial", "threads", "processes"])
def executor(request):
    if request.param == "serial":
        made = SerialExecutor()
    elif request.param == "threads":
        made = ThreadPoolExecutor(3)
    else:
        made = ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    with made:
        yield made


@pytest.fixture
def serial():
    with SerialExecutor() as executor:
        yield executor


def search(executor, evaluate=gene_sum, *, n=6, n_evaluations=30, rng_seed=1, icls=MaxIndividual, **settings):
    """A small run; gives what eaAsync gives."""
    rng = random.Random(rng_seed)
    toolbox = make_toolbox(evaluate, rng=rng, icls=icls)
    return eaAsync(toolbox.population(n), toolbox, executor, n_evaluations=n_evaluations, rng=rng, **settings)


# What a run evaluates


def test_the_population_holds_every_evaluation_the_initial_ones_included(executor):
    store = MemoryStore()
    population, _ = search(executor, store=store)
    assert len(population) == store.n_evaluated == store.n_submitted == 30
    assert [record.evaluation.id for record in store.records()] == [ind.evaluation.id for ind in population]
    assert sorted(individual.evaluation.id for individual in population) == list(range(30))
    for individual in population:
        SPACE.validate(individual)
        assert individual.fitness.values == individual.evaluation.values == gene_sum(individual)
        assert individual.evaluation.status is Status.OK


def test_each_evaluation_is_called_once(serial):
    calls = []

    def evaluate(genotype):
        calls.append(genotype)
        return gene_sum(genotype)

    population, _ = search(serial, evaluate)
    assert calls == population


def test_evaluate_receives_a_plain_genotype_and_never_a_creator_class(executor):
    population, _ = search(executor, is_plain)
    assert {individual.fitness.values for individual in population} == {(1.0,)}
    assert {type(individual) for individual in population} == {MaxIndividual}


def test_the_initial_population_is_submitted_first_and_everybody_else_has_an_earlier_parent(executor):
    rng = random.Random(2)
    toolbox = make_toolbox(rng=rng)
    initial = toolbox.population(6)
    genes = [list(individual) for individual in initial]
    population, _ = eaAsync(initial, toolbox, executor, n_evaluations=40, rng=rng)
    by_id = {individual.evaluation.id: individual for individual in population}
    assert [by_id[number] for number in range(6)] == genes
    assert all(by_id[number].evaluation.parent == -1 for number in range(6))
    for number in range(6, 40):
        parent = by_id[number].evaluation.parent
        assert 0 <= parent < number
        assert sum(a != b for a, b in zip(by_id[parent], by_id[number], strict=True)) <= 1


def test_the_list_that_was_given_is_the_one_that_grows(serial):
    toolbox = make_toolbox(rng=random.Random(3))
    population = toolbox.population(5)
    members = list(population)
    result, _ = eaAsync(population, toolbox, serial, n_evaluations=12)
    assert result is population
    assert all(a is b for a, b in zip(members, population, strict=False))


def test_nobody_is_ever_removed(serial):
    members = []

    def observe(individual, n_running):
        members.append(individual)

    population, _ = search(serial, observer=observe)
    assert len(population) == 30
    assert all(a is b for a, b in zip(members, population, strict=True))


def test_fewer_evaluations_than_members_evaluate_the_first_ones(serial):
    population, logbook = search(serial, n=6, n_evaluations=4)
    assert [individual.evaluation.id for individual in population] == [0, 1, 2, 3]
    assert [row["nevals"] for row in logbook] == [4]


def test_members_with_a_fitness_are_parents_at_once_and_count_nothing(serial):
    toolbox = make_toolbox(rng=random.Random(4))
    population = evaluated(MaxIndividual, 99.0, 98.0, genes=[0] * SPACE.n_genes)
    population, _ = eaAsync(population, toolbox, serial, n_evaluations=5)
    assert len(population) == 7
    assert [individual.evaluation.parent for individual in population[2:4]] == [-1, -1]
    assert [individual.evaluation.id for individual in population[2:]] == [0, 1, 2, 3, 4]


def test_the_same_generator_gives_the_same_run(serial):
    first, _ = search(serial, rng_seed=5)
    assert search(serial, rng_seed=5)[0] == first
    assert search(serial, rng_seed=6)[0] != first
    random.seed(5)
    toolbox = make_toolbox()
    assert eaAsync(toolbox.population(6), toolbox, serial, n_evaluations=30)[0] == first


def test_selection_pressure_finds_the_best_genotype(serial):
    population, _ = search(serial, n=20, n_evaluations=600)
    assert max(individual.fitness.values for individual in population) == (sum(SPACE.up),)


def test_random_search_is_the_loop_without_selection(serial):
    rng = random.Random(7)
    toolbox = make_toolbox(rng=rng)

    def renew(individual):
        individual[:] = initDiversified(list, SPACE, n_mutations=20, rng=rng)
        return (individual,)

    toolbox.register("mutate", renew)
    toolbox.register("select", tools.selRandom)
    population, _ = eaAsync(toolbox.population(5), toolbox, serial, n_evaluations=50)
    assert len({tuple(individual) for individual in population}) > 40


# Who runs when


def test_as_many_evaluations_run_at_a_time_as_there_are_workers():
    meeting = threading.Barrier(3, timeout=60)

    def evaluate(genotype):
        meeting.wait()  # passes only while three evaluations run
        return gene_sum(genotype)

    with ThreadPoolExecutor(3) as executor:
        assert len(search(executor, evaluate, n_evaluations=30)[0]) == 30


def test_n_workers_limits_the_evaluations_that_run_at_a_time():
    alone = threading.Lock()

    def evaluate(genotype):
        if not alone.acquire(blocking=False):
            raise RuntimeError("another evaluation runs")
        time.sleep(0.002)
        alone.release()
        return gene_sum(genotype)

    with ThreadPoolExecutor(3) as executor:
        population, _ = search(executor, evaluate, n_workers=1)
    assert {individual.evaluation.status for individual in population} == {Status.OK}


def test_nobody_waits_for_a_slow_evaluation():
    others_done = threading.Event()

    def evaluate(genotype):
        if list(genotype) == slow:
            assert others_done.wait(60)
        return gene_sum(genotype)

    counts = []

    def observe(individual, n_running):
        counts.append(n_running)
        if len(counts) == 19:
            others_done.set()

    rng = random.Random(8)
    toolbox = make_toolbox(evaluate, rng=rng)
    initial = toolbox.population(4)
    slow = [9] * SPACE.n_genes
    initial[0][:] = slow
    with ThreadPoolExecutor(2) as executor:
        population, _ = eaAsync(initial, toolbox, executor, n_evaluations=20, rng=rng, observer=observe)
    assert population[-1].evaluation.id == 0
    assert population[-1].fitness.values == (54.0,)
    assert [individual.evaluation.id for individual in population[:-1]] == list(range(1, 20))
    assert counts == [2] * 18 + [1, 0]


def test_offspring_come_from_the_evaluated_only():
    class LastFirst(Executor):
        """Ends the latest of three calls, so that the first two stay open."""

        def __init__(self):
            self.open = []

        def submit(self, fn, /, *args):
            future = Future()
            self.open.append((future, fn, args))
            if len(self.open) == 3:
                self.end_one()
            return future

        def end_one(self):
            future, fn, args = self.open.pop()
            future.set_result(fn(*args))

    executor, order = LastFirst(), []

    def observe(individual, n_running):
        order.append(individual.evaluation.id)
        if len(order) in (8, 9):  # no more calls come: nothing would end the open ones
            executor.end_one()

    population, _ = search(executor, n=3, n_evaluations=10, n_workers=3, observer=observe)
    assert [individual.evaluation.id for individual in population] == order == [2, 3, 4, 5, 6, 7, 8, 9, 1, 0]
    for place, individual in enumerate(population[1:8], start=1):
        assert individual.evaluation.parent in order[:place]


@pytest.mark.parametrize("n_ahead", [0, 1, 2])
def test_children_are_made_ahead_and_the_store_knows_them(serial, n_ahead):
    store, seen = MemoryStore(), []

    def observe(individual, n_running):
        seen.append((store.n_evaluated, store.n_submitted, n_running))

    population, _ = search(serial, n=3, n_evaluations=10, n_ahead=n_ahead, store=store, observer=observe)
    assert len(population) == store.n_submitted == 10
    for done, submitted, running in seen:
        assert submitted == min(10, max(3, done + n_ahead))
        assert running == min(1 + n_ahead, 10 - done)


def test_a_run_with_children_made_ahead_goes_on_as_if_it_had_not_ended(serial):
    whole, _ = search(serial, n_ahead=1, store=MemoryStore(seed=1))
    store, rng = MemoryStore(seed=1), random.Random(1)

    def stop(individual, n_running):
        if store.n_evaluated == 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(serial, n_ahead=1, store=store, observer=stop)
    assert len(store.pending()) == 1
    population = resume_population(store, MaxIndividual, rng=rng)
    toolbox = make_toolbox(gene_sum, rng=rng)
    eaAsync(population, toolbox, serial, n_evaluations=30, rng=rng, store=store, n_ahead=1)
    assert population == whole


def test_a_negative_number_of_children_ahead_is_refused(serial):
    with pytest.raises(SettingsError, match="n_ahead must be at least 0, found -1"):
        search(serial, n_ahead=-1)


def test_times_and_worker_come_with_the_evaluation(executor):
    for individual in search(executor)[0]:
        evaluation = individual.evaluation
        assert 0 < evaluation.submitted <= evaluation.started <= evaluation.finished
        assert evaluation.worker >= 0
        assert evaluation.host


# Fitness


@pytest.mark.parametrize(
    ("evaluate", "status"),
    [
        (toolboxes.raises_error, Status.FAILED),
        (toolboxes.gives_nan, Status.DIVERGED),
        (toolboxes.gives_inf, Status.DIVERGED),
        (toolboxes.raises_diverged, Status.DIVERGED),
        (toolboxes.raises_not_viable, Status.NOT_VIABLE),
        (toolboxes.raises_memory_error, Status.OUT_OF_MEMORY),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_failed_evaluation_is_a_member_with_a_status_and_the_worst_finite_fitness(executor, evaluate, status):
    store = MemoryStore()
    population = evaluated(MaxIndividual, 1.0, genes=[1] * SPACE.n_genes)  # one that has succeeded elsewhere
    toolbox = make_toolbox(evaluate, rng=random.Random(1))
    population, logbook = eaAsync(population, toolbox, executor, n_evaluations=8, store=store)
    assert len(population) == 9
    assert sum(row["failed"] for row in logbook) == 8
    population = population[1:]
    for individual, record in zip(population, store.records(), strict=True):
        assert individual.evaluation.status is record.evaluation.status is status
        assert individual.fitness.values == record.evaluation.values == (-1e100,)
        assert individual.evaluation.error


def test_a_run_with_all_kinds_of_failures_goes_on_and_never_selects_them_over_a_success(executor):
    stats = tools.Statistics(lambda individual: individual.fitness.values[0])
    stats.register("max", max)
    population, logbook = search(executor, toolboxes.troubled, n=10, n_evaluations=120, stats=stats)
    statuses = {individual.evaluation.status for individual in population}
    assert statuses == {Status.OK, Status.FAILED, Status.DIVERGED, Status.NOT_VIABLE, Status.OUT_OF_MEMORY}
    for individual in population:
        is_ok = individual.evaluation.status is Status.OK
        assert individual.fitness.values == (gene_sum(individual) if is_ok else (-1e100,))
    assert logbook[-1]["max"] == max(sum(ind) for ind in population if ind.evaluation.status is Status.OK)


def test_minimising_weights_make_failures_the_largest_value(serial):
    population, _ = search(serial, toolboxes.troubled, icls=MinIndividual, n_evaluations=60)
    failed = [individual for individual in population if individual.evaluation.status is not Status.OK]
    assert {individual.fitness.values for individual in failed} == {(1e100,)}
    best = tools.selBest(population, 1)[0]
    assert best.fitness.values[0] == min(sum(i) for i in population if i.evaluation.status is Status.OK)


def test_minimising_finds_the_smallest_value(serial):
    population, _ = search(serial, icls=MinIndividual, n=20, n_evaluations=600)
    assert min(individual.fitness.values for individual in population) == (0.0,)


def test_several_objectives_are_kept_and_failures_are_the_worst_in_each(serial):
    def evaluate(genotype):
        return gene_sum_and_zeros(genotype) if sum(genotype) % 2 else (float("nan"), 1.0)

    front = tools.ParetoFront()
    population, _ = search(serial, evaluate, icls=PairIndividual, n=10, n_evaluations=80, halloffame=front)
    for individual in population:
        assert individual.fitness.values == (gene_sum_and_zeros(individual) if sum(individual) % 2 else (-1e100, 1e100))
    assert {individual.evaluation.status for individual in front} == {Status.OK}


def test_nsga2_selects_in_the_loop(serial):
    rng = random.Random(9)
    toolbox = make_toolbox(gene_sum_and_zeros, rng=rng, icls=PairIndividual)
    toolbox.register("select", tools.selNSGA2)
    assert len(eaAsync(toolbox.population(8), toolbox, serial, n_evaluations=30, rng=rng)[0]) == 30


def test_a_fitness_may_name_its_worst_values(serial):
    population = evaluated(MaxIndividual, 1.0, genes=[1] * SPACE.n_genes)
    population, _ = eaAsync(population, make_toolbox(WorstFitness()), serial, n_evaluations=3)
    assert {individual.fitness.values for individual in population[1:]} == {(0.25,)}


def test_a_detailed_fitness_receives_a_plain_genotype_and_the_seed_of_its_evaluation(executor):
    population, _ = search(executor, SeedFitness(), rng_seed=10, store=MemoryStore(seed=77))
    for individual in population:
        evaluation = individual.evaluation
        assert evaluation.scores == (float(derive_seed(77, evaluation.id)),)
        assert evaluation.error == "Genotype"
        assert (evaluation.n_parameters, evaluation.flops) == (12, 34)


@pytest.mark.parametrize(("settings", "run_seed"), [({"seed": 5}, 5), ({"seed": 5, "store": MemoryStore(seed=5)}, 5)])
def test_the_seed_of_the_run_is_an_argument(serial, settings, run_seed):
    population, _ = search(serial, SeedFitness(), n=2, n_evaluations=3, **settings)
    assert population[2].evaluation.scores == (float(derive_seed(run_seed, 2)),)


def test_without_a_seed_or_store_the_generator_gives_the_seed(serial):
    scores = [
        [ind.evaluation.scores for ind in search(serial, SeedFitness(), n=2, n_evaluations=3, rng_seed=seed)[0]]
        for seed in (1, 1, 2)
    ]
    assert scores[0] == scores[1] != scores[2]


# DEAP's companions


def test_the_logbook_has_a_row_for_each_generation_of_the_initial_size(serial):
    stats = tools.Statistics(lambda individual: individual.fitness.values[0])
    stats.register("avg", lambda values: sum(values) / len(values))
    stats.register("n", len)
    population, logbook = search(serial, stats=stats, n=6, n_evaluations=20)
    assert logbook.header == ["gen", "nevals", "failed", "avg", "n"]
    assert logbook.select("gen", "nevals", "failed", "n") == ([0, 1, 2, 3], [6, 6, 6, 2], [0] * 4, [6, 12, 18, 20])
    assert logbook[-1]["avg"] == sum(map(sum, population)) / 20
    assert "nevals" in str(logbook)


def test_statistics_of_several_things_become_chapters(serial):
    stats = tools.MultiStatistics(
        fitness=tools.Statistics(lambda individual: individual.fitness.values[0]), genes=tools.Statistics(sum)
    )
    stats.register("max", max)
    _, logbook = search(serial, stats=stats)
    largest = logbook.chapters["genes"].select("max")
    assert logbook.chapters["fitness"].select("max") == [float(value) for value in largest]


def test_without_stats_the_logbook_still_counts(serial):
    _, logbook = search(serial, n=6, n_evaluations=12)
    assert [dict(row) for row in logbook] == [{"gen": g, "nevals": 6, "failed": 0} for g in (0, 1)]


def test_the_hall_of_fame_holds_the_best_of_the_whole_run(serial):
    hall = tools.HallOfFame(3)
    everybody = []
    settings = {"survival": oldest_beyond(3), "observer": lambda individual, n_running: everybody.append(individual)}
    population, _ = search(serial, halloffame=hall, n_evaluations=100, **settings)
    expected = sorted({tuple(individual) for individual in everybody}, key=sum, reverse=True)[:3]
    assert [sum(individual) for individual in hall] == [sum(genes) for genes in expected]
    assert len({tuple(individual) for individual in hall}) == 3
    assert hall[0] not in population


def test_the_hall_of_fame_also_takes_members_that_came_with_a_fitness(serial):
    toolbox = make_toolbox(rng=random.Random(11))
    hall = tools.HallOfFame(1)
    population = evaluated(MaxIndividual, 1e6, genes=[0] * SPACE.n_genes)
    eaAsync(population, toolbox, serial, n_evaluations=5, halloffame=hall)
    assert hall[0].fitness.values == (1e6,)


def test_verbose_logs_the_rows_and_otherwise_there_are_none(serial, caplog, capsys):
    with caplog.at_level(logging.INFO, logger="deap_nas"):
        search(serial, n=6, n_evaluations=12)
        assert not caplog.records
        search(serial, n=6, n_evaluations=12, verbose=True)
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]
    assert "nevals" in caplog.records[0].getMessage()
    assert capsys.readouterr().out == ""


def test_the_observer_is_called_after_each_evaluation(serial):
    seen = []
    population, _ = search(serial, observer=lambda individual, n_running: seen.append((individual, n_running)))
    assert [individual for individual, _ in seen] == population
    assert [n_running for _, n_running in seen] == [1] * 29 + [0]


# Survival


def oldest_beyond(n):
    """The rule of Real 2018: keep the n youngest."""
    return lambda members: members[:-n]


def test_keeping_the_youngest_keeps_the_population_at_its_size(executor):
    store = MemoryStore()
    population, _ = search(executor, n=6, n_evaluations=40, survival=oldest_beyond(6), store=store)
    assert len(population) == 6
    assert store.n_evaluated == 40
    alive = [record.evaluation.id for record in store.records() if record.alive]
    assert alive == [record.evaluation.id for record in store.records()][-6:]
    assert alive == [individual.evaluation.id for individual in population]


def test_the_rule_sees_the_evaluated_members_in_order_and_the_dead_have_no_offspring(serial):
    seen = []

    def worst(members):
        seen.append([member.evaluation.id for member in members])
        return [min(members, key=lambda member: member.fitness)] if len(members) > 4 else []

    store = MemoryStore()
    population, _ = search(serial, n=4, n_evaluations=30, survival=worst, store=store)
    assert len(population) == 4
    assert seen[:5] == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4]]
    assert all(ids == sorted(ids) for ids in seen)
    for number, record in enumerate(store.records()[5:], start=5):
        parent = record.evaluation.parent
        assert parent in seen[number - 1]
        assert parent in seen[number]


def test_equal_members_are_told_apart_when_one_dies(serial):
    toolbox = make_toolbox(rng=random.Random(12))
    population = [initTrivial(MaxIndividual, SPACE) for _ in range(3)]
    store = MemoryStore()
    population, _ = eaAsync(
        population, toolbox, serial, n_evaluations=3, store=store, survival=lambda m: [m[1]] if len(m) == 3 else []
    )
    assert [individual.evaluation.id for individual in population] == [0, 2]
    assert [record.alive for record in store.records()] == [True, False, True]


def test_members_that_came_with_a_fitness_can_die(serial):
    toolbox = make_toolbox(rng=random.Random(13))
    population = evaluated(MaxIndividual, 1.0, 2.0, 3.0, genes=[0] * SPACE.n_genes)
    population, _ = eaAsync(population, toolbox, serial, n_evaluations=5, survival=oldest_beyond(3))
    assert [individual.evaluation.id for individual in population] == [2, 3, 4]


def test_a_rule_that_removes_everybody_ends_the_run_with_a_clear_error(serial):
    with pytest.raises(SettingsError, match="survival rule left no evaluated member"):
        search(serial, survival=lambda members: members)


# Arguments


@pytest.mark.parametrize("n_evaluations", [0, -5])
def test_no_evaluations_are_refused(serial, n_evaluations):
    with pytest.raises(SettingsError, match="n_evaluations and n_workers must be at least 1"):
        search(serial, n_evaluations=n_evaluations)


def test_no_workers_are_refused(serial):
    with pytest.raises(SettingsError, match="n_evaluations and n_workers must be at least 1"):
        search(serial, n_workers=0)


def test_an_empty_population_is_refused_with_the_remedy(serial):
    with pytest.raises(SettingsError, match=r"population is empty: start with toolbox\.population\(n\)"):
        eaAsync([], make_toolbox(), serial, n_evaluations=3)


def test_an_executor_that_hides_its_workers_needs_n_workers():
    class Hiding(Executor):
        def submit(self, fn, /, *args):
            future = Future()
            future.set_result(fn(*args))
            return future

    with pytest.raises(SettingsError, match="how many workers Hiding has is not known; pass n_workers"):
        search(Hiding())
    assert len(search(Hiding(), n_workers=2)[0]) == 30


@pytest.mark.parametrize("name", ["n_workers", "_max_workers", "num_workers"])
def test_the_worker_count_is_read_by_the_names_in_use(name):
    class Counting(SerialExecutor):
        n_workers = None

    executor = Counting()
    setattr(executor, name, 4)
    running = []
    search(executor, n_evaluations=10, observer=lambda individual, n_running: running.append(n_running))
    assert max(running) == 4


def test_any_list_with_a_fitness_works_with_any_operators(serial):
    toolbox = base.Toolbox()
    rng = random.Random(14)
    toolbox.register("select", tools.selTournament, tournsize=2)
    toolbox.register("mutate", tools.mutUniformInt, low=SPACE.low, up=SPACE.up, indpb=0.3)
    toolbox.register("evaluate", gene_sum)
    population = [initTrivial(MaxIndividual, SPACE) for _ in range(3)]
    random.seed(14)
    population, _ = eaAsync(population, toolbox, serial, n_evaluations=20, rng=rng)
    for individual in population:
        SPACE.validate(individual)


def test_a_space_of_several_levels_runs_in_the_same_loop(executor):
    rng = random.Random(15)
    space = HierarchicalSpace()
    toolbox = make_toolbox(rng=rng, space=space)
    population, _ = eaAsync(toolbox.population(4), toolbox, executor, n_evaluations=12, rng=rng)
    assert all(space.validate(individual) is None for individual in population)


def test_wrong_number_of_values_is_a_failure_that_says_what_was_expected():
    toolbox = make_toolbox(gene_sum_and_zeros, rng=random.Random(0))
    population = toolbox.population(n=2)
    with SerialExecutor() as executor, pytest.raises(SettingsError, match="expected 1 fitness values, one for each"):
        eaAsync(population, toolbox, executor, n_evaluations=3, rng=random.Random(0))
    assert all(individual.evaluation.status is Status.FAILED for individual in population)
    assert "expected 1 fitness values, one for each weight, found (" in population[0].evaluation.error


def test_interrupted_search_leaves_everybody_in_the_population():
    rng = random.Random(0)
    toolbox = make_toolbox(rng=rng)
    population = toolbox.population(n=4)

    def stop_after_nine(individual, n_running):
        if individual.evaluation.id == 8:
            raise KeyboardInterrupt

    with SerialExecutor() as executor, pytest.raises(KeyboardInterrupt):
        eaAsync(population, toolbox, executor, n_evaluations=20, rng=rng, observer=stop_after_nine)
    assert sum(individual.fitness.valid for individual in population) == len(population) == 9


def test_members_from_another_run_are_nobodys_parents_here():
    rng = random.Random(0)
    toolbox = make_toolbox(rng=rng)
    with SerialExecutor() as executor:
        population, _ = eaAsync(toolbox.population(n=4), toolbox, executor, n_evaluations=10, rng=rng)
        store = MemoryStore(seed=1)
        eaAsync(
            population, toolbox, executor, n_evaluations=6, store=store, rng=rng, survival=lambda members: members[:1]
        )
    parents = {record.evaluation.id: record.evaluation.parent for record in store.records()}
    assert all(parent < number for number, parent in parents.items())
    assert all(record.alive for record in store.records())


def test_statistics_leave_failures_out():
    rng = random.Random(3)
    toolbox = make_toolbox(toolboxes.troubled, rng=rng)
    stats = tools.Statistics(lambda individual: individual.fitness.values[0])
    stats.register("min", min)
    with SerialExecutor() as executor:
        population, logbook = eaAsync(
            toolbox.population(n=10), toolbox, executor, n_evaluations=40, stats=stats, rng=rng
        )
    succeeded = [member.fitness.values[0] for member in population if member.evaluation.status is Status.OK]
    assert 0 < len(succeeded) < 40
    assert logbook.select("min")[-1] == min(succeeded)


def test_evaluate_that_does_not_pickle_ends_the_search_with_one_line():
    rng = random.Random(0)
    toolbox = make_toolbox(lambda genotype: (1.0,), rng=rng)
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor,
        pytest.raises(ExecutorError, match="an evaluation cannot be sent to a worker"),
    ):
        eaAsync(toolbox.population(n=2), toolbox, executor, n_evaluations=2, rng=rng)


@pytest.mark.parametrize("n_good", [0, 1])
def test_wrong_settings_end_the_search_unless_something_has_succeeded(n_good):
    rng = random.Random(0)
    calls = []

    def evaluate(genotype):
        calls.append(genotype)
        if len(calls) > n_good:
            raise SettingsError("no such layer")
        return (1.0,)

    toolbox = make_toolbox(evaluate, rng=rng)
    with SerialExecutor() as executor:
        if n_good == 0:
            with pytest.raises(SettingsError, match="no such layer"):
                eaAsync(toolbox.population(n=2), toolbox, executor, n_evaluations=4, rng=rng)
        else:
            population, _ = eaAsync(toolbox.population(n=2), toolbox, executor, n_evaluations=4, rng=rng)
            assert [member.evaluation.status for member in population] == [Status.OK] + [Status.FAILED] * 3
            assert population[-1].evaluation.error == "SettingsError: no such layer"


@pytest.mark.parametrize("error", [DatasetError("/images is not a folder"), MissingExtraError("sklearn", "torch")])
def test_images_or_packages_that_a_worker_lacks_end_a_search_at_any_time_and_it_can_be_resumed(error):
    rng, store, is_there = random.Random(0), MemoryStore(seed=1), []

    def evaluate(genotype):
        if store.n_evaluated >= 3 and not is_there:
            raise error
        return (1.0,)

    toolbox = make_toolbox(evaluate, rng=rng)
    population = toolbox.population(n=2)
    for n_evaluated in (3, 9):
        with nullcontext() if is_there else pytest.raises(type(error), match=re.escape(str(error))):
            eaAsync(population, toolbox, SerialExecutor(), n_evaluations=9, store=store, rng=rng)
        assert [record.evaluation.status for record in store] == [Status.OK] * n_evaluated
        population = resume_population(store, MaxIndividual, rng=rng)
        is_there.append(True)


def test_wrong_settings_end_a_search_that_is_resumed_with_them():
    rng, store = random.Random(0), MemoryStore(seed=1)

    def evaluate(genotype):
        if store.n_evaluated >= 4:
            raise DatasetError("no images here")
        return (1.0,)

    toolbox = make_toolbox(evaluate, rng=rng)
    with SerialExecutor() as executor:
        eaAsync(toolbox.population(n=2), toolbox, executor, n_evaluations=4, store=store, rng=rng)
        population = resume_population(store, MaxIndividual, rng=rng)
        with pytest.raises(DatasetError, match="no images here"):
            eaAsync(population, toolbox, executor, n_evaluations=9, store=store, rng=rng)
    assert store.n_evaluated == 4


def test_a_full_disk_ends_a_search_that_goes_on_as_if_it_had_not_been_full():
    full = [False]

    def evaluate(genotype):
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device", "/tmp/cache")
        return gene_sum(genotype)

    def search(store, observer=None):
        rng = random.Random(0)
        toolbox = make_toolbox(evaluate, rng=rng)
        population = resume_population(store, MaxIndividual, rng=rng) or toolbox.population(n=2)
        with SerialExecutor() as executor:
            eaAsync(population, toolbox, executor, n_evaluations=9, store=store, rng=rng, observer=observer)
        return store.records()

    def fill(individual, n_running):
        full[0] = individual.evaluation.id == 4

    store = MemoryStore(seed=1)
    with pytest.raises(StorageError, match="No space left on device: '/tmp/cache'"):
        search(store, fill)
    assert [record.evaluation.id for record in store.records()] == [0, 1, 2, 3, 4]
    full[0] = False
    assert search(store) == search(MemoryStore(seed=1))


# What is tried again


class Passing:
    """Fails with an exception so many times for each genotype, then gives a fitness."""

    def __init__(self, error, n_failures):
        self.error, self.n_failures, self.calls = error, n_failures, {}

    def __call__(self, genotype):
        key = tuple(genotype)
        self.calls[key] = self.calls.get(key, 0) + 1
        if self.calls[key] <= self.n_failures:
            raise self.error
        return gene_sum(genotype)


@pytest.mark.parametrize(
    ("n_failures", "retries", "status"),
    [(1, 1, "OK"), (2, 1, "OUT_OF_MEMORY"), (2, 2, "OK"), (1, 0, "OUT_OF_MEMORY")],
)
def test_what_ran_out_of_memory_is_tried_again_so_often_and_recorded_once(serial, n_failures, retries, status):
    fitness, store = Passing(MemoryError, n_failures), MemoryStore()
    toolbox = make_toolbox(fitness, rng=random.Random(6))
    population, _ = eaAsync(toolbox.population(5), toolbox, serial, n_evaluations=5, store=store, retries=retries)
    assert [individual.evaluation.status.name for individual in population] == [status] * 5
    assert set(fitness.calls.values()) == {min(n_failures, retries) + 1}
    assert store.n_evaluated == store.n_submitted == 5


def test_an_exception_is_not_tried_again(serial):
    fitness = Passing(ZeroDivisionError, 1)
    toolbox = make_toolbox(fitness, rng=random.Random(6))
    population = toolbox.population(5)
    with pytest.raises(SettingsError, match="ZeroDivisionError"):
        eaAsync(population, toolbox, serial, n_evaluations=5, retries=3)
    assert {individual.evaluation.status for individual in population} == {Status.FAILED}
    assert set(fitness.calls.values()) == {1}


class ChoosingExecutor(SerialExecutor):
    """Runs each call on a worker with the next number, and notes which one it was to avoid."""

    def open_channel(self, function):
        self.function, self.avoided, self.ended = function, [], []
        return _NotingChannel(self)


class _NotingChannel:
    def __init__(self, executor):
        self.executor = executor

    def submit(self, job, *, avoid=-1):
        self.executor.avoided.append(avoid)
        set_worker(len(self.executor.avoided))
        self.executor.ended.append((job, self.executor.submit(self.executor.function, job)))

    def wait(self):
        return [self.executor.ended.pop()]

    def close(self):
        set_worker(0)


class BreakingExecutor(SerialExecutor):
    """Tells all ends at once, the first of which is that no worker is left."""

    def open_channel(self, function):
        return _BreakingChannel(function)


class _BreakingChannel:
    def __init__(self, function):
        self.function, self.jobs = function, []

    def submit(self, job, *, avoid=-1):
        self.jobs.append(job)

    def wait(self):
        ends = [Future() for _ in self.jobs]
        ends[0].set_exception(NoWorkerError("no rank is left"))
        for end, job in zip(ends[1:], self.jobs[1:], strict=True):
            end.set_result(self.function(job))
        return list(zip(self.jobs, ends, strict=True))

    def close(self):
        pass


def test_what_has_ended_beside_an_error_is_recorded():
    store, rng = MemoryStore(), random.Random(6)
    toolbox = make_toolbox(gene_sum, rng=rng)
    population = toolbox.population(3)
    with BreakingExecutor() as executor, pytest.raises(NoWorkerError):
        eaAsync(population, toolbox, executor, n_evaluations=5, n_workers=3, store=store, rng=rng)
    assert [record.evaluation.id for record in store] == [1, 2]
    assert [member.fitness.valid for member in population] == [True, True, False]


def test_what_is_tried_again_avoids_the_worker_on_which_it_failed():
    toolbox = make_toolbox(toolboxes.raises_memory_error)
    with ChoosingExecutor() as executor:
        eaAsync([MaxIndividual([1] * 6)], toolbox, executor, n_evaluations=1, retries=3)
    assert executor.avoided == [-1, 1, 2, 3]
