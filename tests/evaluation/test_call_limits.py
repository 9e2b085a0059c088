import math
import time
from threading import Event

import pytest

from deap_nas.errors import SettingsError
from deap_nas.evaluation.call_limits import Limits
from deap_nas.executors.mpi.heartbeat import Pulse


def test_limits_leave_to_others_what_they_leave_open():
    others = Limits(timeout_seconds=1.0, memory_bytes=2, lease_seconds=3.0)
    assert Limits().over(others) == others
    assert Limits(timeout_seconds=5.0, lease_seconds=math.inf).over(others) == Limits(5.0, 2, math.inf)


def test_a_lease_without_end_is_none_and_has_signs_of_life_all_the_same():
    assert Limits(lease_seconds=math.inf).lease() is None
    assert Limits(lease_seconds=math.inf).beat_seconds == 7.5
    assert Limits(lease_seconds=8.0).beat_seconds == 1.0


@pytest.mark.parametrize("number", [0, -1, math.nan])
def test_a_limit_is_positive(number):
    with pytest.raises(SettingsError, match="timeout_seconds must be positive"):
        Limits(timeout_seconds=number)


def test_a_pulse_that_is_told_to_be_quicker_is_so_at_once():
    came = Event()
    with Pulse(lambda number: came.set(), 60.0) as pulse:
        time.sleep(0.05)  # it waits
        pulse.every(0.02)
        pulse.begin(b"1")
        assert came.wait(20)
        pulse.end()
