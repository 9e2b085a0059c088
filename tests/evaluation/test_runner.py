import errno
import io
import logging
import os
import pickle
import socket
import sys
import time
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from deap_nas import Evaluation, Genotype, Status
from deap_nas.errors import StorageError
from deap_nas.evaluation import Job, JobFitness, Runner, WorkerFilter
from deap_nas.evaluation import runner as run
from tests import toolboxes
from tests.toolboxes import SeedFitness, WrongFitness, gene_sum, make_toolbox

JOB = Job(3, Genotype([1, 2, 3]), 77, parent=1, submitted=5.0)


def test_a_finite_fitness_is_ok_and_carries_the_jobs_numbers():
    before = time.time()
    evaluation = Runner(gene_sum)(JOB)
    assert evaluation == Evaluation((6.0,), Status.OK, id=3, parent=1)
    assert evaluation.submitted == 5.0
    assert before <= evaluation.started <= evaluation.finished <= time.time() + 1  # of two clocks
    assert evaluation.host == socket.gethostname()


def test_the_threads_are_those_of_torch_and_without_it_unknown(monkeypatch):
    assert Runner(gene_sum)(JOB).threads == torch.get_num_threads()
    monkeypatch.delitem(sys.modules, "torch")
    assert Runner(gene_sum)(JOB).threads == 0


@pytest.mark.parametrize(
    ("evaluate", "status", "error"),
    [
        (toolboxes.raises_error, Status.FAILED, "ZeroDivisionError: a bug in the fitness"),
        (toolboxes.raises_not_viable, Status.NOT_VIABLE, "no path"),
        (toolboxes.raises_diverged, Status.DIVERGED, "loss is nan"),
        (toolboxes.raises_memory_error, Status.OUT_OF_MEMORY, "MemoryError"),
        (toolboxes.raises_allocation_error, Status.OUT_OF_MEMORY, "can't allocate memory"),
        (toolboxes.gives_nan, Status.DIVERGED, "nan"),
        (toolboxes.gives_inf, Status.DIVERGED, "inf"),
        (toolboxes.gives_no_tuple, Status.FAILED, "one for each weight of the fitness, such as (0.9,) for one; it ret"),
        (WrongFitness(), Status.FAILED, "must return a deap_nas.Evaluation, such as Evaluation(values=(0.9,)), it ret"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_whatever_happens_becomes_a_status(evaluate, status, error):
    evaluation = Runner(evaluate)(JOB)
    assert evaluation.status is status
    assert evaluation.values == ()
    assert error in evaluation.error
    assert (evaluation.id, evaluation.parent) == (3, 1)


def test_a_devices_out_of_memory_error_is_told_by_its_name():
    class OutOfMemoryError(RuntimeError):
        """As torch.cuda names it."""

    def evaluate(genotype):
        raise OutOfMemoryError("CUDA out of memory")

    assert Runner(evaluate)(JOB).status is Status.OUT_OF_MEMORY


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    ],
)
def test_memory_that_ran_out_inside_cuda_is_told_by_its_words(words):
    def evaluate(genotype):
        raise RuntimeError(words)

    assert Runner(evaluate)(JOB).status is Status.OUT_OF_MEMORY


def test_the_error_of_a_failure_holds_its_traceback():
    evaluation = Runner(toolboxes.raises_error)(JOB)
    assert "Traceback (most recent call last)" in evaluation.error
    assert "raises_error" in evaluation.error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE])
def test_a_disk_that_fails_is_no_failure_of_the_genotype_wherever_it_is_met(number):
    def evaluate(genotype):
        try:
            raise OSError(number, os.strerror(number), "/somewhere/file")
        except OSError as error:
            raise RuntimeError("while compiling") from error

    with pytest.raises(StorageError, match=r"met a disk that fails: .*/somewhere/file.*; resume the run when"):
        Runner(evaluate)(JOB)


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "no such file"), OSError("no number")])
def test_another_error_of_files_is_a_failure(error):
    def evaluate(genotype):
        raise error

    assert Runner(evaluate)(JOB).status is Status.FAILED


def test_an_error_that_is_its_own_cause_is_told_as_it_is():
    def evaluate(genotype):
        error = ValueError("round and round")
        raise error from error

    assert Runner(evaluate)(JOB).status is Status.FAILED


def test_a_clock_that_is_put_back_meanwhile_changes_no_duration(monkeypatch):
    now = time.time()

    def evaluate(genotype):
        monkeypatch.setattr(run, "time", SimpleNamespace(time=lambda: now - 3600, monotonic=time.monotonic))
        return gene_sum(genotype)

    evaluation = Runner(evaluate)(JOB)
    late = Runner(gene_sum)(replace(JOB, submitted=now))
    assert now <= evaluation.started <= evaluation.finished < now + 100
    assert now == late.started <= late.finished < now + 100


def test_fitness_that_quits_is_a_failure():
    evaluation = Runner(lambda genotype: sys.exit("enough"))(Job(0, Genotype([0]), 0))
    assert evaluation.status is Status.FAILED
    assert "SystemExit: enough" in evaluation.error


@pytest.mark.parametrize("error", [KeyboardInterrupt])
def test_what_ends_the_process_is_let_through(error):
    def evaluate(genotype):
        raise error

    with pytest.raises(error):
        Runner(evaluate)(JOB)


@pytest.mark.parametrize("values", [[6], (6,), np.array([6.0]), (np.float32(6),)])
def test_values_become_plain_floats(values):
    evaluation = Runner(lambda genotype: values)(JOB)
    assert evaluation.values == (6.0,)
    assert type(evaluation.values[0]) is float


def test_a_detailed_fitness_receives_the_seed_and_its_details_arrive():
    evaluation = Runner(SeedFitness())(JOB)
    assert evaluation == Evaluation(
        (77.0,), scores=(77.0,), error="Genotype", n_parameters=12, flops=34, id=3, parent=1
    )


def test_a_detailed_fitness_is_found_behind_a_toolbox():
    assert Runner(make_toolbox(SeedFitness()).evaluate)(JOB).scores == (77.0,)
    assert Runner(partial(partial(SeedFitness())))(JOB).scores == (77.0,)


def test_defaults_of_a_toolbox_reach_the_fitness():
    def scaled(genotype, factor):
        return (factor * sum(genotype),)

    class Scaled(SeedFitness):
        def evaluate(self, genotype, factor=1, *, seed):
            return Evaluation((float(factor * sum(genotype)),))

    assert Runner(partial(scaled, factor=3))(JOB).values == (18.0,)
    assert Runner(partial(Scaled(), factor=3))(JOB).values == (18.0,)


def test_the_worker_is_its_number_and_without_one_its_process(monkeypatch):
    monkeypatch.setattr(run, "_worker", -1)
    assert Runner(gene_sum)(JOB).worker == os.getpid()
    run.set_worker(5)
    assert Runner(gene_sum)(JOB).worker == 5


def test_log_records_tell_the_worker_and_the_host_whatever_their_logger(monkeypatch):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(host)s %(worker)d %(message)s"))
    handler.addFilter(WorkerFilter())
    monkeypatch.setattr(run, "_worker", -1)
    for number, name in ((-1, "deap_nas.one"), (3, "another")):
        run.set_worker(number)
        record = logging.getLogger(name).makeRecord(name, logging.INFO, "file", 1, "text", (), None)
        assert handler.handle(record)
    assert stream.getvalue() == f"{socket.gethostname()} -1 text\n{socket.gethostname()} 3 text\n"


def test_a_runner_pickles_with_its_fitness():
    runner = pickle.loads(pickle.dumps(Runner(make_toolbox(SeedFitness()).evaluate)))
    assert runner(JOB) == Runner(SeedFitness())(JOB)


class ParentFitness:
    """Wants to know the parent."""

    def __call__(self, factor, genotype):
        raise NotImplementedError  # without a job there is no parent

    def evaluate_job(self, factor, job):
        return Evaluation((factor * job.parent,))


def test_a_fitness_may_ask_for_the_whole_job_also_behind_a_toolbox():
    toolbox = make_toolbox(gene_sum)
    assert isinstance(ParentFitness(), JobFitness)
    toolbox.register("evaluate", ParentFitness(), 2)
    assert Runner(toolbox.evaluate)(JOB).values == (2,)
