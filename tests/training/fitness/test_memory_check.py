import re
from dataclasses import replace

import pytest
import torch

from deap_nas import FlatSpace, Genotype, NetworkTemplate, cost
from deap_nas.errors import SettingsError
from deap_nas.evaluation import Job, Status
from deap_nas.evaluation.runner import Runner
from deap_nas.template import plan_network, training_memory
from deap_nas.training import SEARCH, AccuracyFitness, Augmentation, EarlyStopping
from deap_nas.training.fitness.memory_check import check_memory_bytes, lack_of_memory
from deap_nas.training.training_switches import PLAIN

SPACE, GENES = FlatSpace(nodes=3), Genotype([3, 4, 1])
TEMPLATE = NetworkTemplate.small_cifar(channels=2, image_channels=1, image_size=8)
NEEDED = training_memory(SPACE, GENES, TEMPLATE, batch_size=32)
CPU = torch.device("cpu")


def lack(memory_bytes, *, device=CPU, repeats=2, together=False, **switches):
    return lack_of_memory(
        plan_network(SPACE, GENES, TEMPLATE),
        batch_size=32,
        repeats=repeats,
        together=together,
        device=device,
        memory_bytes=memory_bytes,
        switches=replace(PLAIN, **switches),
    )


def make_fitness(**changes):
    recipe = replace(SEARCH, steps=1, batch_size=32)
    return AccuracyFitness(SPACE, **({"template": TEMPLATE, "recipe": recipe, "repeats": 1, "device": "cpu"} | changes))


def test_a_lack_of_one_byte_is_told_with_what_is_needed_and_what_is_there():
    assert lack(NEEDED.total) == ""
    text = lack(NEEDED.total - 1)
    assert f"needs {NEEDED.total:,} bytes of memory by estimate, and {NEEDED.total - 1:,} are there" in text
    assert "choose a smaller batch" in text


def test_without_a_limit_a_cpu_lacks_nothing_and_a_gpu_has_what_it_has(monkeypatch):
    assert lack(None) == ""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (0, {"cuda:1": 1000}[str(device)]))
    assert "and 1,000 are there" in lack(None, device=torch.device("cuda:1"))


def test_stacked_repeats_need_their_memory_at_once_and_half_precision_keeps_half():
    stacked = 3 * NEEDED.total
    assert lack(stacked, repeats=3, stacked=True) == ""
    assert lack(stacked - 1, repeats=3, stacked=True)
    half = NEEDED.activations // 2 + NEEDED.parameters
    assert lack(half, precision="bfloat16") == ""
    assert lack(half - 1, precision="bfloat16")


def test_repeats_that_wait_at_a_rung_need_their_parameters_while_another_trains():
    needed = NEEDED.activations + 3 * NEEDED.parameters
    assert lack(needed, repeats=3, together=True) == ""
    assert lack(needed - 1, repeats=3, together=True)
    assert lack(3 * NEEDED.total, repeats=3, together=True, stacked=True) == ""
    assert lack(3 * NEEDED.total - 1, repeats=3, together=True, stacked=True)


@pytest.mark.parametrize(("stopping", "status"), [(None, Status.OK), (EarlyStopping(), Status.OUT_OF_MEMORY)])
def test_with_rungs_all_repeats_count(stopping, status):
    fitness = make_fitness(memory_bytes=NEEDED.total, repeats=2, stopping=stopping)
    assert fitness.evaluate(GENES, seed=1).status is status


def test_nothing_is_said_of_a_compiled_training():
    assert lack(1, compile=True) == ""


@pytest.mark.parametrize("limit", [0, 8e9, "8GB"])
def test_a_limit_that_is_no_positive_integer_is_refused(limit):
    assert check_memory_bytes(None) is None
    assert check_memory_bytes(7) == 7
    with pytest.raises(
        SettingsError, match="memory_bytes must be an integer of at least 1, found " + re.escape(repr(limit))
    ):
        check_memory_bytes(limit)


@pytest.mark.parametrize(
    ("fail", "message"),
    [
        (lambda: torch.empty(1 << 50), "can't allocate memory"),
        (lambda: _raise(torch.OutOfMemoryError("CUDA out of memory")), "CUDA out of memory"),
    ],
    ids=["host", "device"],
)
def test_a_training_that_runs_out_of_memory_is_recorded_as_that(fail, message, monkeypatch):
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", lambda *_, **__: fail())
    evaluation = Runner(make_fitness())(Job(0, GENES, 1))
    assert evaluation.status is Status.OUT_OF_MEMORY
    assert message in evaluation.error


def _raise(error):
    raise error


def test_a_training_that_needs_too_much_is_recorded_and_not_started(monkeypatch):
    fitness = make_fitness(memory_bytes=NEEDED.total - 1)
    monkeypatch.setattr(AccuracyFitness, "candidate", None)  # calling it would raise
    evaluation = fitness.evaluate(GENES, seed=1)
    assert evaluation.status is Status.OUT_OF_MEMORY
    assert f"{NEEDED.total - 1:,} are there" in evaluation.error
    assert evaluation.n_parameters == cost(SPACE, GENES, fitness.template).n_parameters
    assert (evaluation.values, evaluation.scores) == ((), ())
    assert fitness(GENES) == fitness.worst_values


def test_a_training_that_needs_no_more_than_there_is_takes_place():
    assert make_fitness(memory_bytes=NEEDED.total).evaluate(GENES, seed=1).status is Status.OK


def test_of_images_that_are_cropped_the_crops_count():
    needed = training_memory(SPACE, GENES, replace(TEMPLATE, image_size=6), batch_size=32).total
    fitness = make_fitness(memory_bytes=needed)
    fitness.augmentation = Augmentation(crop=6)
    assert fitness.evaluate(GENES, seed=1).status is Status.OK
    fitness.memory_bytes = needed - 1
    assert fitness.evaluate(GENES, seed=1).status is Status.OUT_OF_MEMORY


def test_a_limit_of_memory_is_described_where_it_is_given():
    assert "memory_bytes" not in make_fitness().to_dict()
    fields = make_fitness(memory_bytes=12345).to_dict()
    assert fields["memory_bytes"] == 12345
    assert AccuracyFitness.from_dict(fields, device="cpu").memory_bytes == 12345
    with pytest.raises(SettingsError, match="memory_bytes must be an integer"):
        make_fitness(memory_bytes=-1)
