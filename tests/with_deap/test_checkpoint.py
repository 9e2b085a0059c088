"""DEAP's recipe for checkpoints: everything in one pickle, the state of the generator included."""

import json
import pickle
import random

import pytest
from deap import algorithms, tools

from deap_nas import Genotype
from tests.launch import run
from tests.with_deap import loops


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    found = loops.checkpointed(tmp_path_factory.mktemp("whole") / "run.pickle", until=12)
    return json.loads(json.dumps(found))


@pytest.mark.parametrize("stopped_after", [1, 6, 9])  # its last checkpoint is of generation 0, 4 and 8
def test_a_resumed_run_is_the_one_that_was_not_interrupted(stopped_after, uninterrupted, tmp_path):
    path = tmp_path / "run.pickle"
    loops.checkpointed(path, until=stopped_after)
    random.seed("elsewhere")
    assert json.loads(json.dumps(loops.checkpointed(path, until=12))) == uninterrupted


def test_a_run_resumed_again_and_again_is_the_one_that_was_not_interrupted(uninterrupted, tmp_path):
    path = tmp_path / "run.pickle"
    for until in range(1, 12):
        loops.checkpointed(path, until=until, every=1)
    assert json.loads(json.dumps(loops.checkpointed(path, until=12))) == uninterrupted


def test_a_run_resumed_by_another_process_is_the_one_that_was_not_interrupted(uninterrupted, tmp_path):
    path = tmp_path / "run.pickle"
    loops.checkpointed(path, until=6)
    done = run("-m", "tests.with_deap.programs", "resume", path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == uninterrupted


def test_a_process_that_knows_no_creator_classes_reads_a_checkpoint(tmp_path):
    path = tmp_path / "run.pickle"
    loops.checkpointed(path, until=1)
    script = f"""if True:
        import pickle, pathlib, deap_nas
        state = pickle.loads(pathlib.Path({str(path)!r}).read_bytes())
        best = state["halloffame"][0]
        print(type(best).__name__, isinstance(best, deap_nas.Genotype), best.fitness.valid, best.fitness.weights)
    """
    done = run("-c", script)
    assert (done.returncode, done.stdout) == (0, "SizeIndividual True True (-1.0,)\n"), done.stderr


def test_everybody_of_a_checkpoint_goes_on_with_those_of_the_process():
    loops.seeded(4)
    toolbox, hall, history = loops.make_toolbox(), tools.HallOfFame(30), tools.History()
    population = toolbox.population(6)
    history.update(population)
    loops.evaluate_invalid(population, toolbox)
    hall.update(population)
    state = pickle.loads(pickle.dumps({"population": population, "hall": hall, "history": history}))
    old, front = state["population"], tools.ParetoFront()
    assert old == population
    assert type(old[0]) is not type(population[0])  # creator makes the class anew
    assert all(isinstance(individual, Genotype) for individual in old)
    hall.update(old)
    state["hall"].update(population)
    assert list(hall) == list(state["hall"])
    assert len(hall) == len({tuple(individual) for individual in population})
    front.update(population + old)
    assert len({tuple(individual) for individual in front}) == len(front)
    assert state["history"].genealogy_history == history.genealogy_history
    mixed, _ = algorithms.eaSimple(population + old, toolbox, 0.9, 0.5, 4, verbose=False)
    assert all(individual.fitness.values == loops.size_fitness(individual) for individual in mixed)
