import sys

import pytest

from deap_nas import mpi_executor
from deap_nas.errors import MissingExtraError, NASError
from deap_nas.executors import ProcessExecutor, SerialExecutor
from deap_nas.extras import check_installed, require

LAUNCHER_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")


@pytest.fixture
def missing(monkeypatch):
    """Function that makes a package look as if it were not installed."""

    def hide(package):
        loaded = [name for name in sys.modules if name.startswith(f"{package}.")]
        for name in [package, *loaded]:
            monkeypatch.setitem(sys.modules, name, None)

    return hide


@pytest.fixture
def _no_launcher(monkeypatch):
    for name in LAUNCHER_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def use_mpi():
    """Enter the executor's block; gives what it yields."""
    with mpi_executor() as executor:
        return executor


def test_an_installed_package_is_given():
    assert require("json.decoder", extra="any") is sys.modules["json.decoder"]
    check_installed("json", extra="any")


def test_a_missing_package_gives_one_line_with_the_remedy():
    line = r"^no_such_package is not installed; install it with: pip install 'deap-nas\[some\]'$"
    for module in ("no_such_package", "no_such_package.part"):
        with pytest.raises(MissingExtraError, match=line):
            require(module, extra="some")
    with pytest.raises(MissingExtraError, match=line):
        check_installed("no_such_package", extra="some")


def test_a_missing_extra_is_an_import_error_of_the_package():
    assert issubclass(MissingExtraError, ImportError)
    assert issubclass(MissingExtraError, NASError)


def test_a_hidden_package_counts_as_missing(missing):
    missing("json")
    with pytest.raises(MissingExtraError, match="json is not installed"):
        require("json", extra="any")
    with pytest.raises(MissingExtraError, match="json is not installed"):
        check_installed("json", extra="any")


def test_an_installed_package_that_misses_another_says_which(tmp_path, monkeypatch):
    (tmp_path / "package_for_this_test.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'") as caught:
        require("package_for_this_test", extra="any")
    assert not isinstance(caught.value, MissingExtraError)


def test_checking_imports_nothing(tmp_path, monkeypatch):
    (tmp_path / "unimported_for_this_test.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(tmp_path)
    check_installed("unimported_for_this_test", extra="any")
    assert "unimported_for_this_test" not in sys.modules


def test_processes_without_pebble_say_so(missing):
    missing("pebble")
    with pytest.raises(MissingExtraError, match=r"pebble is not installed; .*deap-nas\[processes\]"):
        ProcessExecutor(1)


@pytest.mark.usefixtures("_no_launcher")
@pytest.mark.parametrize("name", LAUNCHER_VARIABLES)
def test_several_ranks_without_mpi4py_say_so(missing, monkeypatch, name):
    missing("mpi4py")
    monkeypatch.setenv(name, "4")
    with pytest.raises(MissingExtraError, match=r"mpi4py is not installed; .*deap-nas\[mpi\]"):
        use_mpi()


@pytest.mark.usefixtures("_no_launcher")
@pytest.mark.parametrize("n_ranks", [None, "1"])
def test_one_process_without_mpi4py_is_served_by_a_serial_executor(missing, monkeypatch, n_ranks):
    missing("mpi4py")
    if n_ranks is not None:
        monkeypatch.setenv(LAUNCHER_VARIABLES[0], n_ranks)
    assert isinstance(use_mpi(), SerialExecutor)
