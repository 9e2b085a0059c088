"""The layout of a population file: how a new one is laid out, and what is checked before one is read.

Works on files that it is given, and follows no link out of them; opening them is the business of
:mod:`deap_nas.store.hdf5.access`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from deap_nas.errors import NASError
from deap_nas.evaluation import Stage, Status
from deap_nas.search_space import SearchSpace
from deap_nas.store.conduct import Conduct
from deap_nas.store.hdf5.growing_table import Column, create_table
from deap_nas.store.hdf5.rows import ROW_FIELDS, error_columns, individual_columns, submission_columns
from deap_nas.store.hdf5.state_slots import RANDOM_COLUMNS, STRATEGY_COLUMNS, StateSlots
from deap_nas.store.provenance import provenance
from deap_nas.store.recorded_spaces import readable_space

__all__ = ["check_layout", "column_names", "complete", "json_attribute", "lay_out", "space_of"]

_FORMAT = "deap_nas population"
_FORMAT_VERSION = 1
#: Tables of a file, and the columns that each file has.
_TABLES = {
    "individuals": ROW_FIELDS,
    "submissions": ("id", "parent", "genes"),
    "errors": ("id", "text"),
    "parents": ("parent", "id"),
    "removals": ("removed", "id"),
    "stages": (*Stage._fields, "id"),
}
#: Columns of individuals, tables and slots that older files lack.
_LATER = ("threads", "compute", "parents", "removals", "stages", *(column.name for column in STRATEGY_COLUMNS))

#: Attributes that hold JSON, and what each is.
_JSON: Mapping[str, type] = {"space": dict, "settings": dict, "provenance": list, "sources": list}
_OPTIONAL = ("sources",)
_LONGEST_JSON = 2**24
#: Columns and bytes that a row of a dataset may have.
_WIDEST = 2**16
#: A dataset may claim this many times the bytes that it takes in the file, the most that gzip can do, and a little.
_MOST_COMPRESSED = 1100
_SLACK_BYTES = 2**22


def lay_out(
    file: Any,
    *,
    space: SearchSpace,
    settings: Mapping[str, Any],
    seed: int,
    weights: Sequence[float],
    n_repeats: int,
    n_rungs: int,
    compression: str | None = None,
) -> None:
    """Write the attributes and the empty tables of a new file."""
    file.attrs["format"] = _FORMAT
    file.attrs["format_version"] = _FORMAT_VERSION
    file.attrs["space"] = json.dumps(space.to_dict())
    file.attrs["settings"] = json.dumps(dict(settings))
    file.attrs["seed"] = seed
    file.attrs["weights"] = list(map(float, weights))
    file.attrs["provenance"] = json.dumps([provenance()])
    for name, columns in _tables(space, len(weights), n_repeats, n_rungs).items():
        create_table(file.create_group(name), columns, compression=compression)
    file["individuals/status"].attrs["names"] = json.dumps({status.name: int(status) for status in Status})
    StateSlots.lay_out(file.create_group("rng"))
    Conduct.lay_out(file)


def complete(file: Any) -> None:
    """Make what an older file lacks, in one that is prepared to be written."""
    for name, columns in _LINKS.items():
        if name not in file:
            create_table(file.create_group(name), columns)
    StateSlots.lay_out(file["rng"])
    Conduct.lay_out(file)


#: Tables of what belongs to a submission.
_LINKS = {
    "parents": (Column("parent", "i8"), Column("id", "i8")),
    "removals": (Column("removed", "i8"), Column("id", "i8")),
    "stages": (*(Column(name, "f8" if name == "predicted" else "i8") for name in Stage._fields), Column("id", "i8")),
}


def _tables(space: SearchSpace, n_objectives: int, n_repeats: int, n_rungs: int) -> dict[str, tuple[Column, ...]]:
    columns = individual_columns(space, n_objectives, n_repeats, n_rungs), submission_columns(space), error_columns()
    return {**dict(zip(_TABLES, columns, strict=False)), **_LINKS}


def column_names(file: Any) -> dict[str, tuple[str, ...]]:
    """Names of the columns of each table of a file; only one whose evaluations may end at rungs has curves."""
    curve = ("curve",) if "curve" in file["individuals"] else ()
    return {**_TABLES, "individuals": (*ROW_FIELDS, *_LATER, *curve)}


def json_attribute(file: Any, name: str) -> Any:
    """Value of an attribute that holds JSON; an empty list where an optional one is absent.

    Raises:
        ValueError: it is no JSON, is too long or too deep, or is no object or list where that is expected.
    """
    if name in _OPTIONAL and name not in file.attrs:
        return []
    text = file.attrs[name]
    if not isinstance(text, str) or len(text) > _LONGEST_JSON:
        raise ValueError(f"is damaged: its {name} is no text of at most {_LONGEST_JSON:,} characters")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is damaged: its {name} is no JSON: {error}") from error
    if not isinstance(value, _JSON[name]):
        raise ValueError(f"is damaged: its {name} is no JSON {'object' if _JSON[name] is dict else 'list'}")
    return value


def check_layout(file: Any) -> None:
    """Check that an open file is a population file that can be read without harm.

    Raises:
        ValueError: it is not; the message goes on after the name of the file.
    """
    if str(file.attrs.get("format")) != _FORMAT:
        raise ValueError("is an HDF5 file, but no population file")
    version = file.attrs.get("format_version")
    if not isinstance(version, np.integer) or version != _FORMAT_VERSION:
        raise ValueError(
            f"has format version {version}, this package reads version {_FORMAT_VERSION}: use a matching deap_nas"
        )
    # each check relies on those before it
    problem = next((found for check in (_missing, _dangers, _misfits) for found in check(file)), "")
    if problem:
        raise ValueError(f"is damaged: {problem}")


def _missing(file: Any) -> Iterator[str]:
    attributes = [name for name in ("space", "settings", "seed", "weights", "provenance") if name not in file.attrs]
    parts = ("individuals/id", "submissions/id", "errors/id", "rng/count")
    parts_there = [name for name in parts if type(file.get(name, getlink=True)).__name__ == "HardLink"]
    missing = [*attributes, *(name for name in parts if name not in parts_there)]
    if missing:
        yield f"it lacks {', '.join(missing)}"


def _dangers(file: Any) -> Iterator[str]:
    """Everything in the file that leads out of it, or that is not what it claims to be."""
    link = file.visititems_links(lambda name, link: None if type(link).__name__ == "HardLink" else name)
    if link is not None:
        yield f"{link} is a link to elsewhere"
    danger = file.visititems(lambda name, item: _danger(name, item) or None)
    if danger is not None:
        yield danger


def _danger(name: str, item: Any) -> str:
    """What speaks against touching an object of the file; empty if nothing does."""
    if not hasattr(item, "is_virtual"):  # a group
        return ""
    if item.is_virtual or item.external:
        return f"{name} lies in another file"
    if item.dtype.kind not in "iufSb" or item.dtype.itemsize > _WIDEST:
        return f"{name} holds neither numbers nor short texts, but {item.dtype}"
    claimed = prod(item.shape or (0,)) * item.dtype.itemsize
    if claimed > _MOST_COMPRESSED * item.id.get_storage_size() + _SLACK_BYTES:
        return f"{name} claims to have the shape {item.shape}, and the file holds less"
    return ""


def _misfits(file: Any) -> Iterator[str]:
    """Everything in the file that is of another form than its search space asks for."""
    for name, kinds in (("seed", "iu"), ("weights", "f")):
        value = np.asarray(file.attrs[name])
        if value.dtype.kind not in kinds or value.ndim != (name == "weights") or not 0 < value.size < _WIDEST:
            yield f"its {name} is {value.dtype} of the shape {value.shape}"
    yield from (f"its attribute {name} is no plain value" for name, value in file.attrs.items() if not _is_plain(value))
    fields, _, _, sources = (json_attribute(file, name) for name in _JSON)
    group = file["individuals"]
    is_ragged = _is_group(group.get("genes"))
    names = ("scores", "curve") if is_ragged else ("scores", "curve", "genes")
    widths = {name: group[name].shape[1:] for name in names if name in group}
    if not {"genes", "scores"} <= set(group) or any(len(w) != 1 or w[0] > _WIDEST for w in widths.values()):
        yield "its genes, scores or curves are no tables"
    (n_repeats,), curves = widths["scores"], [width for name, width in widths.items() if name == "curve"]
    n_rungs = curves[0][0] - 1 if curves else 0
    if curves and n_rungs < 1:
        yield "its curves are of no rung"
    for source in sources:
        types = {name: type(value) for name, value in source.items()} if isinstance(source, dict) else {}
        if not types.items() >= {"first_id": int, "seed": int, "settings": dict}.items():
            yield "its sources are not those of a merged file"
    space, n_objectives = space_of(file, fields), len(file.attrs["weights"])
    slots = (*RANDOM_COLUMNS, *STRATEGY_COLUMNS)
    for table, columns in {**_tables(space, n_objectives, n_repeats, n_rungs), "rng": slots}.items():
        if table in file or table not in _LATER:
            found = ((column, _misfit(file[table], column)) for column in columns)
            yield from (f"{table}/{column.name} {misfit}" for column, misfit in found if misfit)
    yield from _misfits_of_strategy(file["rng"])
    if (file["individuals/status"][:] >= len(Status)).any():
        yield "individuals/status has numbers that are no status"
    yield from ("rng is no pair" for column in slots if len(file["rng"].get(column.name, "ab")) != 2)


def _misfits_of_strategy(group: Any) -> Iterator[str]:
    """Everything that is wrong with the slots of a strategy's state, where there are any."""
    state, sizes = group.get("strategy"), group.get("strategy_bytes")
    if (state is None) != (sizes is None):
        yield "rng has a part of a strategy's state"
    elif state is not None and (_is_group(state) or state.dtype != np.uint8 or state.ndim != 2 or len(state) != 2):
        yield "rng/strategy is of another form"
    elif state is not None and not ((sizes[:] >= 0) & (sizes[:] <= min(state.shape[1], _LONGEST_JSON))).all():
        yield "rng/strategy is shorter than it says"


def _is_plain(value: Any) -> bool:
    """Whether an attribute can be copied into another file: numbers or texts."""
    array = np.asarray(value)
    return array.dtype.kind in "iufbSU" or all(isinstance(entry, str) for entry in array.flat)


def _is_group(item: Any) -> bool:
    return item is not None and not hasattr(item, "is_virtual")


def _misfit(group: Any, column: Column) -> str:
    """How a dataset differs from what its column should be; empty if it does not."""
    dataset = group.get(column.name)
    if dataset is None and column.name in _LATER:
        return ""
    if column.is_ragged:
        return _misfit_of_rows(dataset, column)
    if not hasattr(dataset, "is_virtual"):
        return "is missing"
    tail = () if column.width is None else (column.width,)
    if dataset.dtype.kind != np.dtype(column.dtype).kind or dataset.shape[1:] != tail or not dataset.shape:
        return f"is {dataset.dtype} of the shape {dataset.shape}"
    return ""


def _misfit_of_rows(group: Any, column: Column) -> str:
    """How the two datasets of a ragged column differ from what they should be."""
    if not _is_group(group):
        return "is missing, or has rows of one length"
    parts = (Column("offsets", "i8"), Column("values", column.dtype))
    found = next((f"{part.name} {misfit}" for part in parts if (misfit := _misfit(group, part))), "")
    if found:
        return f"is of another form: its {found}"
    ends = group["offsets"][:]
    return "has rows that end before they begin" if (np.diff(ends, prepend=0) < 0).any() else ""


def space_of(file: Any, fields: dict[str, Any]) -> SearchSpace:
    """Make the search space that a file describes, as :mod:`deap_nas.store.recorded_spaces` does.

    Raises:
        ValueError: it cannot be made, or has other genes than the individuals.
    """
    genes = file["individuals/genes"]
    is_ragged = _is_group(genes)
    n_genes = None if is_ragged else genes.shape[1]
    dtype = genes["values"].dtype if is_ragged and "values" in genes else getattr(genes, "dtype", np.dtype("u1"))
    try:
        space = readable_space(fields, n_genes, dtype)
    except (NASError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"is damaged: its search space cannot be made: {error}") from error
    if space.n_genes != n_genes:
        raise ValueError(f"is damaged: its search space has {space.n_genes} genes, its individuals {n_genes}")
    return space
