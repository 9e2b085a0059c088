"""A page as one HTML document, and a policy under which nothing but its own scripts runs or loads."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from deap_nas.extras import require
from deap_nas.page.figures import document_of_plots

__all__ = ["document_of", "list_document", "list_policy", "page_policy", "waiting_document"]

#: In the order in which they need each other.
_SCRIPTS = ("elements", "runs", "drawing", "plots", "table", "individual", "sections", "asking", "live", "main")
_LIST_SCRIPTS = ("elements", "asking", "list")
_FOOTER = "Made by deap_nas. All that is shown is in this file: it needs no network."
_LIVE_FOOTER = "Served by deap-nas serve. deap-nas report makes a page to keep."

#: Of each plot, what stands above it.
_CAPTIONS = {
    "by-evaluations": "By evaluations",
    "by-hours": "By time, without the pauses of the run",
    "by-compute": "By floating-point operations of all trainings",
    "population": "Everyone by time, alive and dead, and the line of the best",
    "parameters": "Fitness and trainable parameters",
    "flops": "Fitness and floating-point operations of the network for one image",
    "curves": "Curves: the mean score at each rung that an evaluation reached",
    "predicted": "What the surrogate predicted, and what was measured",
    "workers": "Workers over time, one line each: the darker, the more of the time they evaluated",
    "utilisation": "Share of all workers that evaluate; a cross is an evaluation that was lost or ended at its limit",
}
#: Sections in order: id, title, what it is, and its plots.
_SECTIONS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("found", "What was found", "", ()),
    (
        "progress",
        "Fitness and the best so far",
        "A dot is an individual, a line the best so far. Point at a dot to know which it is, click to open it. What is "
        "chosen in one plot, by a click or by the tool that draws a box, is chosen in all of them and in the table.",
        ("by-evaluations", "by-hours", "by-compute"),
    ),
    ("population", "The population over time", "", ("population",)),
    (
        "objectives",
        "Objectives against each other",
        "Rings are the Pareto front, a line joins them where there are two objectives.",
        ("front-",),
    ),
    ("changes", "Operations and changes", "", ()),
    ("size", "Sizes, and curves of early stopping", "", ("parameters", "flops", "curves")),
    ("surrogate", "What the search foretold", "", ("predicted",)),
    ("workers", "Workers over time", "", ("workers", "utilisation")),
    ("failures", "Failures", "", ()),
    ("individuals", "Individuals", "", ()),
    ("facts", "Settings, seed and provenance", "", ()),
)


class _Section(NamedTuple):
    id: str
    title: str
    text: str
    #: Name and caption of each plot.
    figures: list[tuple[str, str]]


def document_of(content: str, *, title: str, objectives: Sequence[str], live: str = "", has_list: bool = False) -> str:
    """Make the document.

    Args:
        content: of the runs, as :func:`~deap_nas.page.packing.compressed` gives it.
        title: of the page.
        objectives: names of the runs' objectives.
        live: which runs a page that lives asks its server for, as the query of an address; empty for one that is kept.
        has_list: whether its server also shows a list of runs.

    Raises:
        MissingExtraError: Bokeh or Jinja2 is not installed.
    """
    markup = require("markupsafe", extra="page").Markup
    plots, names = document_of_plots(objectives)
    return _rendered(
        "page.html",
        title=title,
        policy=page_policy(is_live=bool(live)),
        sections=[_section(*section, names=names) for section in _SECTIONS],
        plots=markup(_json({"document": plots, "elements": [f"plot-{name}" for name in names]})),
        content=markup(content),
        scripts=list(map(markup, _page_scripts())),
        live=live,
        has_list=has_list,
        footer=_LIVE_FOOTER if live else _FOOTER,
    )


def page_policy(*, is_live: bool) -> str:
    """Give the policy of such a document, a Content-Security-Policy.

    Args:
        is_live: whether it asks its server for news.

    Raises:
        MissingExtraError: Bokeh is not installed.
    """
    return _policy(_page_scripts(), is_live=is_live)


def list_document(content: Any, *, title: str) -> str:
    """Make the document that lists the runs of a folder, and lives.

    Args:
        content: what is known of the runs, as JSON can hold it; see :mod:`~deap_nas.page.run_list`.
        title: of the page.

    Raises:
        MissingExtraError: Jinja2 is not installed.
    """
    markup = require("markupsafe", extra="page").Markup
    script = markup(_own_script(_LIST_SCRIPTS))
    return _rendered("list.html", title=title, policy=list_policy(), content=markup(_json(content)), script=script)


def list_policy() -> str:
    """Give the policy of such a document, a Content-Security-Policy."""
    return _policy((_own_script(_LIST_SCRIPTS),), is_live=True)


def waiting_document(*, title: str, text: str) -> str:
    """Make the document that stands in for a page that cannot be shown yet: a title, and a text that says why.

    Raises:
        MissingExtraError: Jinja2 is not installed.
    """
    return _rendered("waiting.html", title=title, policy=_policy((), is_live=True), text=text)


def _rendered(name: str, **fields: Any) -> str:
    """A document by its template, every text escaped."""
    markup = require("markupsafe", extra="page").Markup
    environment = require("jinja2", extra="page").Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    html: str = environment.from_string(_static(name)).render(style=markup(_static("page.css")), **fields)
    return html


def _section(section: str, title: str, text: str, plots: Sequence[str], *, names: Sequence[str]) -> _Section:
    own = [name for plot in plots for name in names if name == plot or (plot.endswith("-") and name.startswith(plot))]
    return _Section(section, title, text, [(name, _CAPTIONS.get(name, "")) for name in own])


def _json(content: Any) -> str:
    """JSON without a letter that could end the element in which it stands."""
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


def _policy(scripts: Sequence[str], *, is_live: bool) -> str:
    """Only these scripts run, nothing is loaded, and nothing is sent but questions to the page's own server."""
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts]
    own = "'self'" if is_live else "'none'"
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(hashes) or "'none'",
        "style-src": "'unsafe-inline'",  # styles can draw, not run; Bokeh sets its own
        "img-src": "data: blob:",
        "connect-src": own,
        "base-uri": "'none'",
        "form-action": own,
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _page_scripts() -> tuple[str, str]:
    return _bokeh_script(), _own_script(_SCRIPTS)


@cache
def _bokeh_script() -> str:
    package = Path(require("bokeh", extra="page").__file__ or "")
    return (package.parent / "server/static/js/bokeh.min.js").read_text(encoding="utf-8")


@cache
def _own_script(names: Sequence[str]) -> str:
    """Some scripts as one, whose names nobody else sees."""
    parts = "\n".join(_static(f"{name}.js") for name in names)
    return f'(() => {{\n"use strict";\n{parts}}})();'


def _static(name: str) -> str:
    return (resources.files("deap_nas.page") / "static" / name).read_text(encoding="utf-8")
