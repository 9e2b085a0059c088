# ruff: noqa: N802 - methods are spelled as those of mpi4py
"""Messages between rank 0 and the others over an MPI that is made up."""

import weakref
from types import SimpleNamespace

import pytest

from deap_nas.evaluators.links import MPITransport

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
    """A communicator that keeps no request alive."""

    def __init__(self):
        self.requests = []

    def Isend(self, message, *, dest):
        request = Request()
        self.requests.append(weakref.ref(request))
        return request

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
