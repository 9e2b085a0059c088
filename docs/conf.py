"""Settings of Sphinx. The build needs no network: the names of other projects come from the files in inventories/."""

from functools import cache, reduce
from importlib import import_module

from sphinx.util import logging

import deap_nas

project = "deap_nas"
author = "The deap_nas developers"
project_copyright = f"2026, {author}"
version = release = deap_nas.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"deap_nas {release}"
html_copy_source = False
myst_heading_anchors = 3

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True

intersphinx_mapping = {
    "deap": ("https://deap.readthedocs.io/en/master", "inventories/deap.txt"),
    "python": ("https://docs.python.org/3", "inventories/python.txt"),
}

nitpicky = True
nitpick_ignore_regex = [
    (r"py:class", r"deap_nas\..*\._\w+"),  # type variables and private bases
    (r"py:class", r"(np|numpy|torch)\..*|Figure"),  # large projects, too few names of each to keep an inventory
    (r"py:class", r"NDArray"),  # of numpy, likewise
    (r"py:class", r"deap_nas\.template\.(value_shapes\.Value|steps\.StepWriter)"),  # what a layout is made of
    (
        r"py:class",
        r"deap_nas\.training\.weights\.(weight_sources\.WeightsOfOne|inheritance\.Inheritance)",
    ),  # inside a fitness
    (r"py:class", r"Candidate"),  # its module imports torch, so the package does not export it
]

#: Packages whose exported names the reference must have.
PACKAGES = (
    "deap_nas",
    "deap_nas.algorithms",
    "deap_nas.strategies",
    "deap_nas.surrogates",
    "deap_nas.search_space",
    "deap_nas.operators",
    "deap_nas.graph",
    "deap_nas.template",
    "deap_nas.evaluation",
    "deap_nas.executors",
    "deap_nas.store",
    "deap_nas.assembly",
    "deap_nas.training",
    "deap_nas.report",
    "deap_nas.errors",
    "deap_nas.testing",
)
#: Where an annotation names the module that defines a class, and its documentation the one that exports it.
ELSEWHERE = {
    "concurrent.futures._base.Executor": "concurrent.futures.Executor",
    "concurrent.futures._base.Future": "concurrent.futures.Future",
}


@cache
def object_at(path):
    """Object with a dotted path; None where there is none."""
    parts = path.split(".")
    for n_module_parts in range(len(parts), 0, -1):
        try:
            module = import_module(".".join(parts[:n_module_parts]))
            return reduce(getattr, parts[n_module_parts:], module)
        except (ImportError, AttributeError):
            continue
    return None


def documented(env):
    """Path in the reference of each documented object, by the object's identity."""
    return {id(object_at(path)): path for path in env.domains["py"].objects if object_at(path) is not None}


def resolve_alias(app, env, node, contnode):
    """Find a name of ours that the reference has under another path: an object has several, the reference one."""
    target = node.get("reftarget", "")
    node["reftarget"] = ELSEWHERE.get(target, target)
    paths = documented(env)
    for prefix in ("", *(f"{package}." for package in PACKAGES)):
        owner, _, member = (prefix + target).rpartition(".")
        known = paths.get(id(object_at(prefix + target)))
        if known is None and owner and id(object_at(owner)) in paths:
            known = f"{paths[id(object_at(owner))]}.{member}"
        if known is not None:
            domain = env.domains["py"]
            return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], known, node, contnode)
    return None


def check_complete(_app, env):
    """Warn of exported names that the reference lacks."""
    paths = documented(env)
    for package in PACKAGES:
        module = import_module(package)
        for name in module.__all__:
            if id(getattr(module, name)) not in paths:
                logging.getLogger(__name__).warning("%s.%s is missing from api.rst", package, name)


def keep_colons(_app, what, _name, _object, _options, lines):
    """Keep Napoleon from taking the words before a colon in an attribute's comment for a type."""
    if what == "attribute":
        lines[:0] = ["..", ""]  # an empty comment goes first, which holds no colon


def setup(app):
    app.connect("missing-reference", resolve_alias, priority=400)  # before intersphinx
    app.connect("env-check-consistency", check_complete)
    app.connect("autodoc-process-docstring", keep_colons, priority=400)  # before napoleon
