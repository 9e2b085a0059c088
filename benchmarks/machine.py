"""What every benchmark prints first: the command, the machine, the versions."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version


def describe(*packages):
    """Print the command, the machine, and the versions of Python and some packages."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:  # not Linux
        pass
    print("command ", " ".join([os.path.basename(sys.executable), *sys.argv]))
    print("machine ", f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}")
    print(
        "versions", f"Python {platform.python_version()},", ", ".join(f"{name} {_version(name)}" for name in packages)
    )
    print()


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
