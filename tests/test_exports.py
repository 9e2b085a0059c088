import ast
import inspect
import re
from importlib import import_module

import pytest

import deap_nas
from tests.sources import FILES, PACKAGES, imports_of, tree_of

#: Names that outside checks and users' scripts call.
PINNED = {
    "deap_nas": {
        "Cost",
        "Evaluation",
        "FlatSpace",
        "Genotype",
        "HierarchicalSpace",
        "CellSpace",
        "ForestSurrogate",
        "GPSurrogate",
        "HillClimbing",
        "LSTMSurrogate",
        "Preselect",
        "NetworkTemplate",
        "ProgressiveSearch",
        "Status",
        "canonical_key",
        "cost",
        "cxMotif",
        "eaAsync",
        "initDiversified",
        "initTrivial",
        "mpi_executor",
        "mutEdge",
        "selInverseDensity",
        "selTournamentFraction",
    },
    "deap_nas.assembly": {"build_network"},
    "deap_nas.training": {"AccuracyFitness"},
}
#: Their parameters, as far as they are pinned.
SIGNATURES = {
    "HierarchicalSpace": "(*, motifs=(6, 1), nodes=(4, 5), operations=PAPER_OPERATIONS, merge='concat')",
    "FlatSpace": "(*, nodes=11, operations=PAPER_OPERATIONS, merge='concat')",
    "initTrivial": "(icls, space)",
    "initDiversified": "(icls, space, *, n_mutations=1000, rng=random)",
    "mutEdge": "(individual, space, *, rng=random)",
    "cxMotif": "(ind1, ind2, space, *, rng=random)",
    "selTournamentFraction": "(individuals, k, *, fraction=0.05, rng=random)",
    "cost": "(space, genotype, template)",
    "canonical_key": "(space, genotype)",
    "eaAsync": "(population, toolbox, executor, *, n_evaluations, store=None, stats=None, halloffame=None, rng=random)",
    "mpi_executor": "(comm=None)",
}


def load(module):
    """Import a module, or skip the test when a package that it needs is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        return pytest.skip(str(error))


def exported_by(module):
    """The module's ``__all__``, empty where it has nothing but a docstring, or None."""
    statements = tree_of(module).body[1:]
    if not statements:
        return []
    for node in statements:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return None


def ruffs_order(name):
    """Constants, then classes, then the rest, each with numbers in natural order."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


@pytest.mark.parametrize("module", FILES)
def test_all_is_there_and_sorted(module):
    names = exported_by(module)
    assert names is not None
    assert names == sorted(set(names), key=ruffs_order)


@pytest.mark.parametrize("module", FILES)
def test_every_exported_name_can_be_imported(module):
    loaded = load(module)
    assert [name for name in exported_by(module) if not hasattr(loaded, name)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_exports_all_that_it_imports_from_its_own_modules(package):
    imported = {what for name, what in imports_of(package) if name.startswith("deap_nas.") and what != "require"}
    assert {name for name in imported if not name.startswith("_")} <= set(exported_by(package))


@pytest.mark.parametrize("module", [module for module in FILES if module not in PACKAGES])
def test_a_module_exports_every_public_function_and_class_it_defines(module):
    defined = {node.name for node in tree_of(module).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    assert {name for name in defined if not name.startswith("_")} <= set(exported_by(module))


@pytest.mark.parametrize("package", [package for package in PINNED if package in FILES])
def test_pinned_names_are_exported(package):
    assert PINNED[package] <= set(exported_by(package))


def parameters_of(signature):
    """(name, default as text, whether it is keyword-only) of each parameter of a signature's text."""
    arguments = ast.parse(f"def pinned{signature}: ...").body[0].args
    positional = [(argument.arg, None, False) for argument in arguments.args]
    n_plain = len(positional) - len(arguments.defaults)
    for place, default in enumerate(arguments.defaults):
        positional[n_plain + place] = (positional[n_plain + place][0], ast.unparse(default), False)
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return positional + [(key.arg, None if value is None else ast.unparse(value), True) for key, value in keywords]


@pytest.mark.parametrize("name", SIGNATURES)
def test_pinned_parameters_have_their_place_and_default(name):
    found = inspect.signature(getattr(deap_nas, name)).parameters
    pinned = parameters_of(SIGNATURES[name])
    positional = [n for n, parameter in found.items() if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    assert positional == [parameter for parameter, _, is_keyword_only in pinned if not is_keyword_only]
    for parameter, default, is_keyword_only in pinned:
        assert (found[parameter].kind is inspect.Parameter.KEYWORD_ONLY) == is_keyword_only
        if default is None:
            assert found[parameter].default is inspect.Parameter.empty
        else:
            names = {"random": __import__("random"), "PAPER_OPERATIONS": deap_nas.PAPER_OPERATIONS}
            assert found[parameter].default == eval(default, names)


def test_pinned_attributes_are_there():
    for space in (deap_nas.HierarchicalSpace(), deap_nas.FlatSpace()):
        for name in ("n_genes", "low", "up", "validate", "lower", "to_dict", "from_dict"):
            assert hasattr(space, name)
    for name in ("small_cifar", "large_cifar", "imagenet"):
        assert callable(getattr(deap_nas.NetworkTemplate, name))
    assert {"n_parameters", "flops"} <= set(deap_nas.Cost.__dataclass_fields__)
    assert isinstance(deap_nas.Genotype(), list)


def test_the_version_is_text():
    assert isinstance(deap_nas.__version__, str)
