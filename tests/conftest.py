"""Settings of all tests."""

import os
import subprocess

import pytest
from hypothesis import HealthCheck, settings

from tests.marks import MARKS

#: Before torch is imported: networks this small gain nothing from more, and another number gives other last digits.
os.environ["OMP_NUM_THREADS"] = "1"

settings.register_profile(
    "default", deadline=None, max_examples=50, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_collection_modifyitems(config, items):
    """Mark tests as the table says, and let those with a mark begin first, so that parallel processes end together."""
    unused = {start for starts in MARKS.values() for start in starts}
    for item in items:
        for mark, starts in MARKS.items():
            found = {start for start in starts if item.nodeid.startswith(start)}
            unused -= found
            if found:
                item.add_marker(mark)
    if unused and not config.option.file_or_dir:
        raise pytest.UsageError(f"tests/marks.py speaks of tests that are not there: {', '.join(sorted(unused))}")
    items.sort(key=lambda item: not any(map(item.get_closest_marker, MARKS)))


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a disk of 256 KiB; see ``enlarge``."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
