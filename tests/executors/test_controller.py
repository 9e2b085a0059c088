"""The controller against ranks that die, fall silent and come back, in simulated time."""

import pickle
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deap_nas.errors import LostWorkerError, NoWorkerError
from deap_nas.executors.mpi.controller import BEAT, CALL, FUNCTION, NUMBER, RESULT, STOP, Call, Controller


class Ranks:
    """A transport to ranks that exist in memory only, each of which needs some seconds for a call."""

    def __init__(self, n_ranks, *, rng=None):
        self.now = 0.0
        self.rng = rng or random.Random(0)
        self.inbox = []  # (when, rank, message) for rank 0
        self.functions, self.stopped, self.dead, self.asleep = {}, set(), set(), {}
        self.newly_dead = set()
        self.mute = set()  # they give no signs of life
        self.ranks = range(1, n_ranks + 1)
        self.done = Counter()  # how often each call was carried out

    def send(self, rank, message):
        if rank in self.dead:
            return
        kind = message[:1]
        if kind == FUNCTION:
            self.functions[rank] = message[1:]
        elif kind == STOP:
            self.stopped.add(rank)
        else:
            assert kind == CALL
            assert self.functions[rank]
            number, arguments = message[1 : 1 + NUMBER.size], message[1 + NUMBER.size :]
            start = max(self.now, self.asleep.get(rank, 0.0))
            end = start + self.rng.uniform(0.1, 5)
            self.done[arguments] += 1
            beat = start + 1
            while beat < end and rank not in self.mute:
                self.inbox.append((beat, rank, BEAT + number))
                beat += 1
            self.inbox.append((end, rank, RESULT + number + pickle.dumps((True, arguments))))

    def receive(self):
        ready = [entry for entry in self.inbox if entry[0] <= self.now]
        if not ready:
            return None
        entry = min(ready)
        self.inbox.remove(entry)
        return entry[1:]

    def failed(self):
        newly_dead, self.newly_dead = self.newly_dead, set()
        return newly_dead

    def kill(self, rank):
        self.dead.add(rank)
        self.newly_dead.add(rank)
        self.inbox = [entry for entry in self.inbox if entry[1] != rank]

    def put_to_sleep(self, rank, seconds):
        """What the rank would send from now on comes so much later."""
        self.asleep[rank] = self.now + seconds
        self.inbox = [(when + seconds if who == rank else when, who, message) for when, who, message in self.inbox]


def make(n_ranks, *, lease_seconds=3.0, **options):
    ranks = Ranks(n_ranks, **options)
    return ranks, Controller(ranks, ranks.ranks, lease_seconds=lease_seconds, clock=lambda: ranks.now)


def calls(number, **options):
    return [Call(b"1function", b"%d" % n, n, **options) for n in range(number)]


def run(ranks, controller, pending, *, trouble=lambda: None, seconds=400):
    """Let time pass until all calls have ended; gives them in order of their ends."""
    for call in pending:
        controller.submit(call)
    ended = []
    while len(ended) < len(pending) and ranks.now < seconds:
        trouble()
        ended += controller.step()
        ranks.now += 0.25
    return ended


def test_each_call_is_done_once_and_its_result_comes_back():
    ranks, controller = make(4)
    ended = run(ranks, controller, calls(20))
    assert sorted(call.token for call in ended) == list(range(20))
    assert all(call.result() == b"%d" % call.token for call in ended)
    assert set(ranks.done.values()) == {1}
    assert {call.worker for call in ended} == {1, 2, 3, 4}
    controller.stop()
    assert ranks.stopped == {1, 2, 3, 4}


def test_a_rank_that_is_idle_is_never_taken_for_lost():
    ranks, controller = make(1)
    assert len(run(ranks, controller, calls(3))) == 3
    for _ in range(100):
        controller.step()
        ranks.now += 1
    assert controller.silent == frozenset()
    assert controller.n_free == 1


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), n_ranks=st.integers(2, 6), n_calls=st.integers(1, 25))
def test_whatever_befalls_the_ranks_every_call_ends_exactly_once(seed, n_ranks, n_calls):
    rng = random.Random(seed)
    ranks, controller = make(n_ranks, rng=rng)

    def trouble():
        alive = [rank for rank in ranks.ranks if rank not in ranks.dead]
        if rng.random() < 0.05 and len(alive) > 1:
            ranks.kill(rng.choice(alive))
        elif rng.random() < 0.1 and ranks.now < 30:
            ranks.put_to_sleep(rng.choice(alive), rng.uniform(0, 10))

    ended = run(ranks, controller, calls(n_calls), trouble=trouble)
    assert sorted(call.token for call in ended) == list(range(n_calls))
    for call in ended:
        if call.error is None:
            assert call.result() == b"%d" % call.token
        else:
            with pytest.raises((LostWorkerError, NoWorkerError), match=r"lost 3 times|no rank is left"):
                call.result()
    assert controller.n_workers + len(controller.silent) == len(set(ranks.ranks) - ranks.dead)


def test_the_call_of_a_dead_rank_is_done_by_another():
    ranks, controller = make(2)
    ended = run(ranks, controller, calls(2), trouble=lambda: ranks.now == 0.0 and ranks.kill(1))
    assert [call.worker for call in ended] == [2, 2]
    assert controller.n_workers == 1


def test_a_call_that_kills_its_ranks_is_given_up_after_three():
    ranks, controller = make(5)
    (call,) = calls(1)
    (ended,) = run(ranks, controller, [call], trouble=lambda: call.worker in ranks.dead or ranks.kill(call.worker))
    assert len(ranks.dead) == 3
    with pytest.raises(LostWorkerError, match="the worker was lost 3 times"):
        ended.result()


def test_when_nobody_is_left_the_calls_that_wait_end_with_an_error():
    ranks, controller = make(1)
    ended = run(ranks, controller, calls(3), trouble=lambda: ranks.dead or ranks.kill(1))
    assert len(ended) == 3
    with pytest.raises(NoWorkerError, match="no rank is left"):
        ended[0].result()


def test_a_late_answer_is_refused_and_the_rank_works_again():
    ranks, controller = make(2, lease_seconds=2.0)
    pending = calls(12)
    ended = run(ranks, controller, pending, trouble=lambda: ranks.now == 0.25 and ranks.put_to_sleep(1, 20))
    assert sorted(call.token for call in ended) == list(range(12))
    assert ranks.done[b"0"] == 2  # by the sleeper, and by the other
    assert next(call for call in ended if call.token == 0).worker == 2
    assert controller.silent in (frozenset(), frozenset({1}))
    while controller.silent:
        ranks.now += 1
        controller.step()
    (again,) = run(ranks, controller, calls(1), seconds=ranks.now + 100)
    assert again.error is None
    assert controller.n_workers == 2


def test_an_answer_to_another_call_is_not_taken_for_that_of_the_call_that_runs():
    ranks, controller = make(1)
    ranks.inbox.append((0.05, 1, RESULT + NUMBER.pack(0) + pickle.dumps((True, b"not mine"))))
    (call,) = run(ranks, controller, calls(1))
    assert call.result() == b"0"


def test_a_long_call_keeps_its_lease_by_signs_of_life_and_one_without_loses_it():
    ranks, controller = make(2, lease_seconds=1.5)
    ranks.rng.uniform = lambda low, high: 30.0
    ranks.mute = {1}
    assert run(ranks, controller, calls(2), seconds=29) == []
    assert controller.silent == {1}


def test_a_call_goes_to_another_rank_than_the_one_to_be_avoided_if_there_is_one():
    ranks, controller = make(3)
    ended = run(ranks, controller, calls(9, avoid=2))
    assert {call.worker for call in ended} == {1, 3}
    ranks, controller = make(1)
    (ended,) = run(ranks, controller, calls(1, avoid=1))
    assert ended.worker == 1


def test_a_rank_gets_a_function_once_until_it_changes():
    ranks, controller = make(1)
    sent = []
    send = ranks.send
    ranks.send = lambda rank, message: (sent.append(message[:1]), send(rank, message))
    run(ranks, controller, calls(3))
    run(ranks, controller, [Call(b"0other", b"", 9)], seconds=900)
    assert b"".join(sent) == b"FCCCFC"


def test_a_pause_of_rank_0_ends_no_lease():
    ranks, controller = make(3, lease_seconds=2.0)
    ranks.rng.uniform = lambda low, high: 8.0

    def trouble():
        if ranks.now in (3.0, 60.0):
            ranks.now += 50  # as a scheduler that suspends the job does; messages have waited meanwhile

    ended = run(ranks, controller, calls(9), trouble=trouble)
    assert [call.n_losses for call in ended] == [0] * 9
    assert set(ranks.done.values()) == {1}


def test_a_pause_of_rank_0_does_not_lengthen_the_lease_of_a_call_that_begins_after_it():
    ranks, controller = make(2, lease_seconds=2.0)
    ranks.rng.uniform = lambda low, high: 30.0
    ranks.mute = {1}
    ranks.now = 3600.0
    assert run(ranks, controller, calls(2), seconds=3603) == []
    assert controller.silent == {1}


def test_signs_of_life_of_ranks_that_were_given_up_let_the_calls_that_wait_go_on_waiting():
    ranks, controller = make(2, lease_seconds=2.0)
    ranks.rng.uniform = lambda low, high: 100.0  # fifty leases

    def cut_off():
        for rank in ranks.ranks if ranks.now == 1.0 else ():
            ranks.put_to_sleep(rank, 5)

    ended = run(ranks, controller, calls(3), trouble=cut_off)
    assert [call.error for call in ended] == [None] * 3


def test_when_the_last_ranks_stay_silent_the_calls_that_wait_are_given_up():
    ranks, controller = make(2, lease_seconds=2.0)
    ended = run(ranks, controller, calls(3), trouble=lambda: [ranks.put_to_sleep(rank, 1) for rank in (1, 2)])
    assert ended
    assert ranks.now < 60
    with pytest.raises(NoWorkerError, match="no rank is left"):
        ended[-1].result()
