import os
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from tests.sources import FILES, PACKAGES, imports_of, part_of, uses_of

#: The package's parts from the ground up. A part imports from the floors below its own only, and from itself.
FLOORS = (
    {"errors"},
    {"dna", "extras", "files", "genotype", "output"},
    {"graph", "evaluation"},
    {"deap_protocols", "executors"},
    {"evaluators"},
    {"template"},
    {"search_space"},
    {"surrogates"},
    {"operators", "genotype_file"},
    {"store"},
    {"needs"},
    {"history", "strategies"},
    {"engine"},
    {"algorithms", "assembly"},
    {"training"},
    {"facts"},
    {"report"},
    {"page"},
    {"commands", "command_line"},
    {"cli", "testing"},
)
FLOOR_OF = {part: number for number, parts in enumerate(FLOORS) for part in parts}
#: Parts that the package itself imports: they need nothing but DEAP and NumPy.
CORE = set().union(*FLOORS[:13], {"algorithms"})
OPTIONAL = (
    "torch",
    "torchvision",
    "sklearn",
    "scipy",
    "threadpoolctl",
    "safetensors",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "mpi4py",
    "h5py",
    "matplotlib",
    "igraph",
    "pebble",
    "tqdm",
    "PIL",
    "pandas",
    "pyarrow",
    "bokeh",
    "jinja2",
    "markupsafe",
    "tornado",
)
MODULES = [name for name in FILES if part_of(name)]


def imported_parts(module):
    """Parts of the package that a module imports, its own excepted; "" is the package itself."""
    names = {f"{name}.{what}" if f"{name}.{what}" in FILES else name for name, what in imports_of(module)}
    return {part_of(name) for name in names if name.partition(".")[0] == "deap_nas"} - {part_of(module)}


def loaded_by(script):
    """Names of the modules that are there after a script has run in a process of its own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    script = f"import sys; {script}; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment).stdout
    return set(output.decode().split())


@pytest.mark.parametrize("module", MODULES)
def test_a_module_belongs_to_a_floor_and_imports_from_lower_floors_only(module):
    part = part_of(module)
    assert part in FLOOR_OF, f"{module}: give the new part {part} its floor in FLOORS"
    lower = set().union(*FLOORS[: FLOOR_OF[part]])
    if part == "cli":
        lower.add("")  # for the version
    assert imported_parts(module) <= lower


def test_the_package_itself_imports_the_core_only():
    assert imported_parts("deap_nas") <= CORE


@pytest.mark.parametrize("module", [module for module in MODULES if part_of(module) in {"evaluation", "executors"}])
def test_evaluation_and_executors_know_nothing_of_networks(module):
    assert imported_parts(module) <= {"errors", "evaluation", "extras", "genotype", "output"}


@pytest.mark.parametrize("module", [module for module in MODULES if part_of(module) == "assembly"])
def test_assembly_knows_nothing_of_the_search(module):
    assert imported_parts(module) <= {"errors", "extras", "files", "genotype", "graph", "search_space", "template"}


def test_no_module_imports_another_in_a_circle():
    graph = {}
    for module in FILES:
        names = {f"{name}.{what}" if f"{name}.{what}" in FILES else name for name, what in imports_of(module)}
        graph[module] = (names & set(FILES)) - {"deap_nas"}
    TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize("module", [module for module in FILES if module not in PACKAGES and module.count(".") >= 2])
def test_a_module_imports_from_its_neighbours_and_not_from_their_package(module):
    package = module.rpartition(".")[0]
    from_package = {what for name, what in imports_of(module) if name == package}
    assert all(f"{package}.{what}" in FILES for what in from_package)


@pytest.mark.parametrize(
    ("name", "users"), [("mpi4py", {"deap_nas.executors.mpi.entering"}), ("h5py", {"deap_nas.store.hdf5.access"})]
)
def test_one_file_alone_uses(name, users):
    assert {module for module in FILES if name in uses_of(module)} == users & set(FILES)


def test_torch_is_used_in_assembly_training_surrogates_and_the_contracts_of_layers_only():
    users = {part_of(module) for module in FILES if {"torch", "torchvision"} & uses_of(module)}
    assert users <= {"assembly", "surrogates", "training", "testing"}


def test_matplotlib_and_igraph_are_used_for_drawings_only():
    assert {part_of(module) for module in FILES if {"matplotlib", "igraph"} & uses_of(module)} == {"page", "report"}


def test_bokeh_jinja_and_tornado_are_used_in_pages_only():
    assert {part_of(module) for module in FILES if {"bokeh", "jinja2", "tornado"} & uses_of(module)} == {"page"}


@pytest.mark.parametrize(
    "module",
    [
        name
        for name in (
            "deap_nas",
            *(
                f"deap_nas.{part}"
                for part in (
                    "evaluation",
                    "executors",
                    "evaluators",
                    "store",
                    "surrogates",
                    "training",
                    "report",
                    "page",
                    "commands",
                    "cli",
                )
            ),
        )
        if name in FILES
    ],
)
def test_importing_loads_no_optional_package(module):
    assert loaded_by(f"import {module}").isdisjoint(OPTIONAL)


def test_the_package_loads_a_name_when_it_is_asked_for_and_its_exceptions_at_once():
    loaded = loaded_by("import deap_nas; deap_nas.errors.NASError")
    assert {part_of(name) for name in loaded & set(FILES)} == {"", "errors"}
    assert "deap_nas.algorithms" in loaded_by("import deap_nas; deap_nas.eaAsync")


@pytest.mark.parametrize("module", FILES)
def test_only_the_standard_library_and_named_packages_are_used(module):
    known = {"deap_nas", "deap", "lazy_loader", "numpy", *OPTIONAL, *sys.stdlib_module_names}
    assert uses_of(module) <= known
