import pytest

from deap_nas.executors.mpi.placement import Seat, gpu_of, in_words, n_neighbours, visible_gpus


def seats(*hosts):
    """Rank 0 on a host without GPUs, then the workers of each (host, how many, GPUs)."""
    workers = [Seat(host, 100 + n, tuple(gpus)) for host, count, gpus in hosts for n in range(count)]
    return [Seat("login", 1), *workers]


def gpus(found):
    return [gpu_of(rank, found) for rank in range(1, len(found))]


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("0,1,2", ("0", "1", "2")),
        (" 3 , 5", ("3", "5")),
        ("", ()),
        ("-1", ()),
        ("1,-1,2", ("1",)),
        ("GPU-8932f937,MIG-1/2", ("GPU-8932f937", "MIG-1/2")),
    ],
)
def test_a_mask_counts_as_cuda_reads_it(mask, expected):
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": mask}) == expected


def test_without_a_mask_the_device_files_count(tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidia10", "nvidia-uvm", "nvidiactl", "null"):
        (tmp_path / name).touch()
    assert visible_gpus({}, devices=tmp_path) == ("0", "1", "10")
    assert visible_gpus({}, devices=tmp_path / "none") == ()


def test_ranks_of_a_host_take_turns_at_its_gpus():
    assert gpus(seats(("a", 4, "0123"))) == ["0", "1", "2", "3"]
    assert gpus(seats(("a", 5, "01"))) == ["0", "1", "0", "1", "0"]
    assert gpus(seats(("a", 2, "0123"))) == ["0", "1"]
    assert gpus(seats(("a", 2, "01"), ("b", 3, "01"))) == ["0", "1", "0", "1", "0"]


def test_a_mask_for_each_rank_is_its_own_gpu():
    assert gpus(seats(("a", 1, "0"), ("a", 1, "1"), ("a", 1, "2"))) == ["0", "1", "2"]
    # each task sees its own GPU as number 0
    assert gpus(seats(("a", 4, "0"))) == ["0"] * 4


def test_without_gpus_there_is_none_and_the_controller_takes_no_turn():
    assert gpus(seats(("a", 3, ""))) == [None] * 3
    found = [Seat("a", 1, ("0", "1")), Seat("a", 2, ("0", "1")), Seat("a", 3, ("0", "1"))]
    assert gpus(found) == ["0", "1"]


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (("0-7", "0-7", "0-7"), [3, 3, 3]),  # to nothing
        (("0-1", "2-3", "4-5"), [1, 1, 1]),  # each to cores of its own
        (("0-3", "0-3", "4-7"), [2, 2, 1]),  # to sockets
    ],
)
def test_cores_are_shared_with_those_who_may_use_them(bound, expected):
    def cores(span):
        first, last = map(int, span.split("-"))
        return frozenset(range(first, last + 1))

    workers = [Seat("a", number, (), cores(span)) for number, span in enumerate(bound)]
    found = [Seat("a", 99, (), cores("0-7")), *workers, Seat("b", 1, (), cores("0-7"))]
    assert [n_neighbours(rank, found) for rank in range(1, 4)] == expected


def test_in_words_has_a_line_for_each_host():
    assert in_words(seats(("a", 4, "01"), ("b", 3, ""), ("c", 1, "7"))) == (
        "a: ranks 1, 3 on GPU 0, ranks 2, 4 on GPU 1\nb: ranks 5-7 on CPU\nc: rank 8 on GPU 7"
    )
