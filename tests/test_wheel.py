"""The package as its users get it: built as a wheel, installed where no checkout is, and run from there."""

import shutil
import subprocess
import sys
import sysconfig
import venv

import pytest

from tests.launch import HIER_EVO, ROOT, TINY, environment
from tests.sources import FILES

#: Where what the package needs is installed. The package is not found there, but through a line that this Python reads.
THIRD_PARTIES = sysconfig.get_path("purelib")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Folder of the programs of an environment in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    shutil.copytree(ROOT / "deap_nas", source / "deap_nas", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("deap_nas-*.whl")
    venv.create(folder / "venv", symlinks=True)
    pip("--python", folder / "venv" / "bin" / "python", "install", "--no-deps", wheel)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (packages / "third_parties.pth").write_text(f"{THIRD_PARTIES}\n")
    return folder / "venv" / "bin"


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, env=variables())


def variables():
    """Those of programs that find no checkout."""
    return {name: value for name, value in environment().items() if name != "PYTHONPATH"}


def run(*command, cwd):
    """Run a program as one who has no checkout does."""
    options = {"capture_output": True, "text": True, "timeout": 200}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=variables(), check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_wheel_holds_all_modules_and_the_stub(installed, tmp_path):
    code = "import deap_nas, pathlib; print(pathlib.Path(deap_nas.__file__).parent)"
    (folder,) = run(installed / "python", "-c", code, cwd=tmp_path).splitlines()
    assert folder.startswith(str(installed.parent))
    expected = {str(file.relative_to(ROOT)) for file in FILES.values()}
    expected |= {"deap_nas/py.typed", "deap_nas/__init__.pyi"}
    expected |= {str(file.relative_to(ROOT)) for file in (ROOT / "deap_nas/page/static").iterdir()}
    command = ["find", "deap_nas", "-type", "f", "-not", "-name", "*.pyc"]
    assert set(run(*command, cwd=f"{folder}/..").splitlines()) == expected


def test_the_demo_runs_small_and_its_file_is_sound(installed, tmp_path):
    shutil.copy(HIER_EVO, tmp_path)
    arguments = ("--dataset=digits", *TINY, "--output=runs/demo.h5")
    run("mpirun", "-n", 3, installed / "python", "hier_evo.py", *arguments, cwd=tmp_path)
    assert "sound" in run(installed / "deap-nas", "check", "runs/demo.h5", cwd=tmp_path)
    assert "5 (5 OK), 0 pending" in run(installed / "deap-nas", "info", "runs/demo.h5", cwd=tmp_path)
    assert list((tmp_path / "runs").glob("demo-id*.png"))
