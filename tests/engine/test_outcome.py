import time
from concurrent.futures import BrokenExecutor, Future

import pytest

from deap_nas import Genotype, Status
from deap_nas.engine.outcome import outcome
from deap_nas.errors import ExecutorError, StorageError
from deap_nas.evaluation import Job


def outcome_of(error, *, is_first, is_last_try):
    end = Future()
    end.set_exception(error)
    return outcome(end, Job(3, Genotype([1]), 77, parent=1), is_first=is_first, is_last_try=is_last_try)


@pytest.mark.parametrize(("is_first", "is_last_try"), [(True, False), (False, True)])
def test_a_worker_found_dead_is_lost_while_there_is_another_try_or_something_has_succeeded(is_first, is_last_try):
    evaluation = outcome_of(BrokenExecutor("all gone"), is_first=is_first, is_last_try=is_last_try)
    assert (evaluation.status, evaluation.error) == (Status.LOST, "BrokenExecutor: all gone")
    assert (evaluation.id, evaluation.parent) == (3, 1)


def test_workers_that_never_start_end_the_search():
    with pytest.raises(ExecutorError, match="no worker could be started"):
        outcome_of(BrokenExecutor("all gone"), is_first=True, is_last_try=True)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_full_disk_ends_the_search_at_any_time(is_first):
    with pytest.raises(StorageError, match="no room"):
        outcome_of(StorageError("no room"), is_first=is_first, is_last_try=True)


def test_a_worker_lost_after_the_clock_was_put_back_did_not_end_before_it_was_submitted():
    end = Future()
    end.set_exception(BrokenExecutor("gone"))
    job = Job(3, Genotype([1]), 77, submitted=time.time() + 3600)
    evaluation = outcome(end, job, is_first=False, is_last_try=True)
    assert evaluation.submitted == evaluation.started == evaluation.finished == job.submitted


@pytest.mark.parametrize("error", [TimeoutError(), TimeoutError(110, "Connection timed out")])
def test_a_time_limit_of_another_executor_is_told_as_it_says_it(error):
    evaluation = outcome_of(error, is_first=True, is_last_try=True)
    assert evaluation.status is Status.TIMED_OUT
    assert evaluation.error == (str(error) or "ended at its time limit")
