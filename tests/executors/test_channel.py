import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from deap_nas.executors import ProcessExecutor, SerialExecutor
from deap_nas.executors.channel import FutureChannel, open_channel
from tests.toolboxes import double, raise_value_error


@pytest.mark.parametrize(
    "make",
    [
        SerialExecutor,
        lambda: ThreadPoolExecutor(3),
        lambda: ProcessExecutor(2),
        lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")),
    ],
    ids=["serial", "threads", "processes", "standard processes"],
)
def test_every_argument_comes_back_once_with_its_result(make):
    with make() as executor:
        channel, results = open_channel(executor, double), {}
        for number in range(20):
            channel.submit(number)
        while len(results) < 20:
            for argument, end in channel.wait():
                assert argument not in results
                results[argument] = end.result()
        channel.close()
    assert results == {number: 2 * number for number in range(20)}


def test_an_exception_is_the_call_s_own_end():
    with SerialExecutor() as executor:
        channel = FutureChannel(executor, raise_value_error)
        channel.submit("bad")
        ((argument, end),) = channel.wait()
    assert argument == "bad"
    with pytest.raises(ValueError, match="bad"):
        end.result()


def test_closing_cancels_what_has_not_begun():
    begun, go_on = threading.Event(), threading.Event()

    def work(number):
        begun.set()
        go_on.wait(10)
        done.append(number)

    done = []
    with ThreadPoolExecutor(1) as executor:
        channel = FutureChannel(executor, work)
        for number in range(5):
            channel.submit(number)
        begun.wait(10)
        channel.close()
        go_on.set()
    assert done == [0]
