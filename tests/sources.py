"""The package's source files, for the tests of its architecture."""

import ast
from functools import cache
from pathlib import Path

import deap_nas

ROOT = Path(deap_nas.__file__).parent
#: Functions of the package and of the standard library that import, or look for, the module they are given.
_IMPORTING = ("require", "check_installed", "import_module", "find_spec")


def module_name(file):
    """Dotted name of a source file's module."""
    parts = ("deap_nas", *file.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


#: Source file of each module.
FILES = {module_name(file): file for file in sorted(ROOT.rglob("*.py"))}
#: Modules that are packages.
PACKAGES = [name for name, file in FILES.items() if file.name == "__init__.py"]


def part_of(module):
    """Folder or file of the package that a module belongs to; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


@cache
def tree_of(module):
    """Parsed source of a module, with what its stub says where it has one."""
    stub = FILES[module].with_suffix(".pyi")
    files = (FILES[module], stub) if stub.exists() else (FILES[module],)
    return ast.parse("\n".join(file.read_text(encoding="utf-8") for file in files))


@cache
def imports_of(module):
    """(module, name) for everything that a module imports at run time, wherever in the file; the name may be empty."""
    return tuple(found for node in _running_nodes(tree_of(module)) for found in _imported_by(node))


def uses_of(module):
    """Top-level names of the packages that a module imports or asks for."""
    return {name.partition(".")[0] for name, _ in imports_of(module)}


def _running_nodes(node):
    """The node and all below it but those under ``if TYPE_CHECKING:``."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for statement in child.orelse:
                yield from _running_nodes(statement)
        else:
            yield from _running_nodes(child)


def _imported_by(node):
    if isinstance(node, ast.Import):
        yield from ((alias.name, "") for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = f"deap_nas.{node.module}" if node.level else node.module  # only the stub of the package is relative
        yield from ((module, alias.name) for alias in node.names)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in _IMPORTING and isinstance(node.args[0].value, str):
            yield (node.args[0].value, "")
