# ruff: noqa: N802 - methods are spelled as those of mpi4py
"""Messages between rank 0 and the others over an MPI that is made up."""

import weakref
from types import SimpleNamespace

import pytest

from deap_nas.executors.mpi.messages import MPITransport, RankLink

LARGE = bytes(100_000)


class MPIError(Exception):
    """What mpi4py raises of a rank that has died."""

    def Get_error_class(self):
        return MPI.ERR_PROC_FAILED


MPI = SimpleNamespace(
    BYTE="byte", Exception=MPIError, Status=lambda: None, ERR_PROC_FAILED=54, ERR_PROC_FAILED_PENDING=55
)


class Request:
    """A message on its way."""

    is_done = is_dead = False

    def Test(self):
        if self.is_dead:
            raise MPIError
        return self.is_done


class Comm:
    """A communicator that keeps no request alive; rank 0 may be dead."""

    def __init__(self, *, is_dead=False):
        self.is_dead = is_dead
        self.requests = []
        self.sent = []
        self.aborts = []

    def Isend(self, message, *, dest):
        request = Request()
        self.requests.append(weakref.ref(request))
        return request

    def Send(self, message, *, dest):
        self.sent.append(message[0])

    def Iprobe(self, *, source):
        if self.is_dead:
            raise MPIError("process failure")
        return False

    def Abort(self, status):
        self.aborts.append(status)

    def Get_rank(self):
        return 2

    def Get_group(self):
        return None

    def Get_failed(self):
        return SimpleNamespace(Get_size=lambda: 1, Translate_ranks=lambda ranks, group: [1])

    def Ack_failed(self, number):
        assert number == 1


@pytest.fixture
def survivable(monkeypatch):
    monkeypatch.setenv("OMPI_MCA_mpi_ft_enable", "1")


def test_a_large_message_is_held_until_it_has_been_sent():
    comm = Comm()
    transport = MPITransport(MPI, comm)
    transport.send(1, LARGE)
    transport.send(2, LARGE)
    comm.requests[0]().is_done = True
    transport.send(2, LARGE)
    assert [request() is not None for request in comm.requests] == [False, True, True]


@pytest.mark.usefixtures("survivable")
def test_a_large_message_is_held_also_when_one_before_it_fails_since_its_rank_has_died():
    comm = Comm()
    transport = MPITransport(MPI, comm)
    transport.send(1, LARGE)
    comm.requests[0]().is_dead = True
    transport.send(2, LARGE)
    assert [request() is not None for request in comm.requests] == [False, True]
    assert transport.failed() == {1}
    assert list(transport.failed()) == []


def test_a_failure_that_is_no_death_is_raised():
    comm = Comm()
    transport = MPITransport(MPI, comm)
    transport.send(1, LARGE)
    comm.requests[0]().is_dead = True
    with pytest.raises(MPIError):
        transport.send(2, LARGE)


def test_a_sign_of_life_that_finds_rank_0_dead_says_so_and_ends_the_job(capsys):
    comm = Comm(is_dead=True)
    RankLink(MPI, comm).beat(b"1")
    assert (comm.sent, comm.aborts) == ([b"B1"], [1])
    assert "MPIError: process failure" in capsys.readouterr().err


def test_a_sign_of_life_to_a_rank_0_that_lives_is_sent_and_no_more():
    comm = Comm()
    RankLink(MPI, comm).beat(b"1")
    assert (comm.sent, comm.aborts) == ([b"B1"], [])
