"""Files that a kill cannot tear: it leaves the old one or the new one."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["append_row", "cut_rows", "replacing", "save_json"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a new file, which takes the place of the old one when the block ends well."""
    partial = path.with_name(f".{path.name}.partial")
    partial.touch()
    mode = partial.stat().st_mode  # some writers would keep the file from everybody else
    yield partial
    partial.chmod(mode)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def save_json(path: Path, fields: Mapping[str, Any]) -> None:
    """Write JSON in the place of the file that is there."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Add a line to a table of comma-separated values; a new one begins with the names of the columns."""
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(row)
        writer.writerow(row.values())


def cut_rows(path: Path, *, after: int) -> None:
    """Drop the rows of a table whose first column is beyond a number, and a last line that a kill has torn."""
    if not path.exists():
        return
    lines = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    kept = lines[:1] + [line for line in lines[1:] if int(line.partition(",")[0]) <= after]
    with replacing(path) as partial:
        partial.write_text("".join(kept), encoding="utf-8")
