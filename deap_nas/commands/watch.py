"""``deap-nas watch``: how a search is getting on, from another process, as long as one likes to look."""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deap_nas.errors import SettingsError
from deap_nas.facts.account import pending_in_words
from deap_nas.facts.run_progress import Pulse, take_pulse
from deap_nas.report.terminal import is_terminal
from deap_nas.store import HDF5Store
from deap_nas.store.hdf5.lock import WriterLock

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_watch"]

_DESCRIPTION = """\
Show how a search is getting on, again and again until it has ended or Ctrl-C is pressed. It only reads the file, so it
may run on any machine that sees it. A worker is busy while it evaluates; what is running is taken to be with those who
ended an evaluation last.
"""
#: Time that can be told, about a million years.
_LONGEST_SECONDS = 3e13
#: Eighths of a character's height, and what stands for a bar; where the output knows no Unicode, the second of each.
_LEVELS = ("▁▂▃▄▅▆▇█", "_.-=+*%#")
_BAR = (("█", "░"), ("#", "."))
#: Terminal sequences: another screen without a cursor, and back; to the top left; erase to the end of line, of screen.
#: A line is erased before it is written: after its last column that would take the last character.
_ENTER, _LEAVE, _HOME, _END_LINE, _END_SCREEN = (
    "\x1b[?1049h\x1b[?25l",
    "\x1b[?25h\x1b[?1049l",
    "\x1b[H",
    "\x1b[K",
    "\x1b[J",
)


def add_watch(commands: _SubParsersAction[argparse.ArgumentParser], file: argparse.ArgumentParser) -> None:
    """Add the subcommand; ``file`` is the parent parser with the population file."""
    parser = commands.add_parser(
        "watch", parents=[file], help="show how a search is getting on, live", description=_DESCRIPTION
    )
    parser.add_argument(
        "--interval", type=float, default=2.0, metavar="SECONDS", help="between two looks at the file (default: 2)"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=10.0,
        metavar="N",
        help="over which rate and workers are averaged (default: 10)",
    )
    parser.add_argument("--once", action="store_true", help="look once, and end")
    parser.set_defaults(run=_watch)


def _watch(options: argparse.Namespace) -> None:
    for name in ("interval", "minutes"):
        if not 0 < getattr(options, name) < math.inf:
            raise SettingsError(f"--{name} must be positive, found {getattr(options, name)}")
    if options.once:
        print("\n".join(_look(options)[0]))
        return
    lines: list[str] = []
    with suppress(KeyboardInterrupt), _screen() as show:
        has_ended = False
        while not has_ended:
            lines, has_ended = _look(options)
            show(lines)
            if not has_ended:
                time.sleep(options.interval)
    if is_terminal(sys.stdout):  # the other screen is gone
        print("\n".join(lines))


class _Screen:
    """Shows lines in place of those before on a terminal, and below those before elsewhere."""

    def __init__(self, is_terminal: bool) -> None:
        self._is_terminal = is_terminal

    def __call__(self, lines: list[str]) -> None:
        if self._is_terminal:
            n_rows = shutil.get_terminal_size().lines
            if len(lines) >= n_rows:  # one more would move the first out of sight
                lines = [line for line in lines if line][: max(1, n_rows - 1)]
            ending = "\n" if n_rows > 1 else ""
            below = _END_SCREEN if ending else ""
            sys.stdout.write(_HOME + "".join(f"{_END_LINE}{line}{ending}" for line in lines) + below)
        else:
            sys.stdout.write("\n".join(lines) + "\n\n")
        sys.stdout.flush()


@contextmanager
def _screen() -> Iterator[_Screen]:
    has_screen = is_terminal(sys.stdout)
    if has_screen:
        sys.stdout.write(_ENTER)
    try:
        yield _Screen(has_screen)
    finally:
        if has_screen:
            sys.stdout.write(_LEAVE)
            sys.stdout.flush()


def _look(options: argparse.Namespace) -> tuple[list[str], bool]:
    """Lines to be shown, and whether the search has ended."""
    is_running = WriterLock.is_held(options.file)
    with HDF5Store.read(options.file) as store:
        pulse = take_pulse(store, minutes=options.minutes, is_running=is_running)
    size = shutil.get_terminal_size()
    lines = _in_lines(pulse, options.file, minutes=options.minutes, is_running=is_running, columns=size.columns)
    lines += _worker_lines(pulse, columns=size.columns, n_lines=max(3, size.lines - len(lines) - 1))
    is_complete = pulse.n_total is not None and pulse.n_evaluated >= pulse.n_total
    room = size.columns if is_terminal(sys.stdout) else None
    return [_safe(line)[:room] for line in lines], is_complete and not is_running


def _in_lines(pulse: Pulse, path: Path, *, minutes: float, is_running: bool, columns: int) -> list[str]:
    """Everything but the single workers."""
    state = "is running" if is_running else "is not running"
    done = f"{pulse.n_evaluated:,}"
    if pulse.n_total:
        share = min(1.0, pulse.n_evaluated / pulse.n_total)
        done = f"{_bar(share, min(30, columns // 4))} {100 * share:.1f} %, {done} of {pulse.n_total:,}"
    left = pulse.seconds_left if is_running else None
    ending = "" if left is None else f", {timedelta(seconds=round(left))} left"
    failures = ", ".join(f"{count:,} {name}" for name, count in pulse.failures.items())
    lines = [
        f"{path.name} {state}, {time.strftime('%H:%M:%S')}",
        "",
        f"evaluated   {done}, {pending_in_words(pulse.n_pending, pulse.n_running)}",
        f"rate        {3600 * pulse.rate:,.{0 if pulse.rate > 0.03 else 1}f} an hour{ending}",
        f"failures    {failures or 'none'}",
    ]
    best = pulse.best
    if best is None:
        lines.append("best        none: no evaluation has succeeded")
    else:
        size = f", {best['n_parameters']:,} parameters" if best["n_parameters"] >= 0 else ""
        lines += [
            f"fitness     best {best['fitness'][0]:.4f}, median {pulse.median:.4f}",
            f"            {_sparkline(pulse.course, max(1, min(60, columns - 13)))}",
            f"best        individual {best['id']}{size}",
        ]
    if pulse.busy:
        mean = sum(pulse.busy.values()) / len(pulse.busy)
        lines.append(f"workers     {len(pulse.busy)}, busy {100 * mean:.0f} % of {_span(pulse.seconds, minutes)}")
    return lines


def _span(seconds: float, minutes: float) -> str:
    """The time over which a pulse is averaged, in words; of a run that is shorter than it might be, its own."""
    if 60 * minutes - seconds > 1:
        return f"the {timedelta(seconds=round(min(seconds, _LONGEST_SECONDS)))} since the first evaluation began"
    return "the last minute" if minutes == 1 else f"the last {minutes:g} minutes"


def _worker_lines(pulse: Pulse, *, columns: int, n_lines: int) -> list[str]:
    """How busy each worker is, in as many columns as there is room for."""
    hosts = {host for host, _ in pulse.busy}
    names = {worker: str(worker[1]) if len(hosts) == 1 else f"{worker[0]} {worker[1]}" for worker in pulse.busy}
    width = max(map(len, names.values()), default=0)
    cells = [
        f"  {names[worker]:>{width}} {_bar(share, 10)} {100 * share:3.0f} %" for worker, share in pulse.busy.items()
    ]
    if not cells:
        return []
    n_beside = max(1, columns // len(cells[0]))
    shown = cells[: n_beside * n_lines]
    lines = ["".join(shown[start : start + n_beside]) for start in range(0, len(shown), n_beside)]
    return lines if len(shown) == len(cells) else [*lines[:-1], f"  and {len(cells) - len(shown) + n_beside} more"]


def _is_plain() -> bool:
    """Whether the output knows no Unicode."""
    return "utf" not in (sys.stdout.encoding or "").lower()


def _bar(share: float, width: int) -> str:
    full, empty = _BAR[_is_plain()]
    n_full = round(share * width)
    return full * n_full + empty * (width - n_full)


def _sparkline(values: np.ndarray, width: int) -> str:
    """Values as heights, the lowest at the bottom; more values than there is width are thinned out."""
    levels = _LEVELS[_is_plain()]
    if len(values) > width:
        values = values[np.linspace(0, len(values) - 1, width).astype(int)]
    low, high = values.min(), values.max()
    heights = (values - low) / (high - low) if high > low else np.zeros(len(values))
    return "".join(levels[min(len(levels) - 1, int(height * len(levels)))] for height in heights)


def _safe(line: str) -> str:
    """A line without anything that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in line)
