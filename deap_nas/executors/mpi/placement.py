"""Which GPU each rank uses, and who shares its cores: by what every rank sees, before anything imports torch.

Ranks that see the same GPUs of a host take turns at them. So one mask for all ranks of a host, a mask for each rank,
more ranks than GPUs, fewer, and none at all come out right. The logic is tested with made-up hosts; nothing of it has
been run on a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Seat", "gpu_of", "in_words", "n_neighbours", "visible_gpus"]


@dataclass(frozen=True)
class Seat:
    """Where a rank sits, and what it sees there."""

    host: str
    #: Process id.
    process: int
    #: Names of the GPUs that the rank may use.
    gpus: tuple[str, ...] = ()
    #: Numbers of the cores that it may use; a launcher may have bound it to some of them.
    cores: frozenset[int] = frozenset()


def visible_gpus(environment: Mapping[str, str], *, devices: Path = Path("/dev")) -> tuple[str, ...]:
    """Name the NVIDIA GPUs that this process may use, without asking the driver.

    Args:
        environment: whose ``CUDA_VISIBLE_DEVICES`` counts if it is set, be it empty; what follows an entry of ``-1``
            does not, as CUDA has it.
        devices: folder of the device files, which are counted otherwise.
    """
    mask = environment.get("CUDA_VISIBLE_DEVICES")
    if mask is None:
        numbers = (re.fullmatch(r"nvidia(\d+)", path.name) for path in devices.glob("nvidia*"))
        return tuple(map(str, sorted(int(match[1]) for match in numbers if match)))
    names = [name.strip() for name in mask.split(",")]
    end = next((place for place, name in enumerate(names) if name in ("", "-1")), len(names))
    return tuple(names[:end])


def gpu_of(rank: int, seats: Sequence[Seat]) -> str | None:
    """Name the GPU that a worker rank shall use; None when it sees none.

    Args:
        rank: from 1; rank 0 is the controller and needs none.
        seats: of all ranks.
    """
    mine = seats[rank]
    peers = [n for n in range(1, len(seats)) if (seats[n].host, seats[n].gpus) == (mine.host, mine.gpus)]
    return mine.gpus[peers.index(rank) % len(mine.gpus)] if mine.gpus else None


def n_neighbours(rank: int, seats: Sequence[Seat]) -> int:
    """Count the worker ranks that may use a core that this one may use, itself included.

    Args:
        rank: from 1; rank 0 is the controller and computes little.
        seats: of all ranks.
    """
    mine = seats[rank]
    return sum(seat.host == mine.host and not mine.cores.isdisjoint(seat.cores) for seat in seats[1:])


def in_words(seats: Sequence[Seat]) -> str:
    """Say which ranks train where, one line a host."""
    lines = []
    for host in dict.fromkeys(seat.host for seat in seats[1:]):
        ranks = [rank for rank in range(1, len(seats)) if seats[rank].host == host]
        gpus: dict[str | None, list[int]] = {}
        for rank in ranks:
            gpus.setdefault(gpu_of(rank, seats), []).append(rank)
        places = (f"{_spans(found)} on {'CPU' if gpu is None else f'GPU {gpu}'}" for gpu, found in gpus.items())
        lines.append(f"{host}: " + ", ".join(places))
    return "\n".join(lines)


def _spans(numbers: Sequence[int]) -> str:
    """Ranks in words: ``"rank 3"``, ``"ranks 1-4, 7"``."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number])
    text = ", ".join("-".join(map(str, span)) for span in spans)
    return f"rank{'s' if len(numbers) > 1 else ''} {text}"
