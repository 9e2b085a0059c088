import ctypes
import subprocess
import sys

import pytest

from deap_nas import FlatSpace, Genotype, NetworkTemplate
from deap_nas.errors import GenotypeError
from deap_nas.training import AccuracyFitness, Recipe, Retraining
from deap_nas.training import tensor_memory as allocation
from tests.launch import environment

#: Page faults of a process that takes and leaves 64 MB twenty times; how many pages these are; whether it gives back.
COUNT = """
import resource, sys
from deap_nas.training.tensor_memory import keep_freed_memory, release_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
bytearray(2**26)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    bytearray(2**26)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
before = resident()
release_freed_memory()
print(before - resident())
"""


def count(word):
    command = [sys.executable, "-c", COUNT, word]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    return map(int, done.stdout.split())


@pytest.mark.skipif(allocation._library() is None, reason="the C library is not glibc")
def test_freed_memory_is_used_again_without_the_kernel_and_given_back_on_demand():
    n_pages = 2**26 // 4096
    n_faults, given_back = count("keep")
    n_faults_before, given_back_before = count("leave")
    assert n_faults < n_pages < 10 * n_pages < n_faults_before
    assert given_back_before < 2**24 < 2**25 < given_back


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    allocation._library.cache_clear()
    try:
        allocation.keep_freed_memory()
        allocation.release_freed_memory()
        assert allocation._library() is None
    finally:
        allocation._library.cache_clear()


SETTINGS = {"template": NetworkTemplate.small_cifar(channels=2), "recipe": Recipe(steps=1, batch_size=32)}


def test_an_evaluation_gives_back_what_it_kept_however_it_ends(monkeypatch):
    released = []
    monkeypatch.setattr("deap_nas.training.fitness.trained.release_freed_memory", lambda: released.append(True))
    fitness = AccuracyFitness(FlatSpace(nodes=3), repeats=1, device="cpu", **SETTINGS)
    fitness.evaluate(Genotype([1, 0, 1]), seed=1)
    with pytest.raises(GenotypeError):
        fitness.evaluate(Genotype([99, 0, 1]), seed=1)
    assert len(released) == 2


def test_a_retraining_gives_back_what_each_run_kept(monkeypatch, tmp_path):
    released = []
    monkeypatch.setattr("deap_nas.training.retraining.retraining.release_freed_memory", lambda: released.append(True))
    Retraining(FlatSpace(nodes=3), [1, 0, 1], dataset="digits", runs=2, device="cpu", **SETTINGS).run(tmp_path)
    assert len(released) == 2
