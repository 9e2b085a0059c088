"""Waits until whoever has started it is gone or closes its input, then ends what is left of a cluster in a folder."""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path


def processes_of(conf):
    """Those that know a cluster by its configuration."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # of another user, or gone
            if f"SLURM_CONF={conf}".encode() in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    sys.stdin.read()
    while left := list(processes_of(folder / "slurm.conf")):
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)
