"""The plots of a page: empty ones, into which its scripts put the rows of the runs.

All that show individuals share one table, so that a selection in one plot is a selection in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from deap_nas.extras import require

__all__ = ["document_of_plots"]

_HEIGHT = 300
_EXTRA = "page"
#: Columns of the table that all plots of individuals share.
_ROW_COLUMNS = (
    "id", "name", "evaluation", "hours", "compute", "fitness", "parameters", "flops", "predicted", "alive",
    "run_colour", "alive_colour",
)  # fmt: skip
#: What a dot says.
_TIPS = (
    ("individual", "@id of @name"),
    ("fitness", "@fitness{0.0000}"),
    ("parameters", "@parameters{0,0}"),
    ("ended", "evaluation @evaluation, @hours{0.00} h, @compute{0.00e+0} FLOPs"),
    ("population", "@alive"),
)
_MOST_OBJECTIVES = 4
_LINE = "#d55e00"
#: From no work to all of the time: one colour, on any ground.
_WORK = tuple(f"#3182bd{round(255 * share / 10):02x}" for share in range(11))


def document_of_plots(objectives: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Make the plots.

    Args:
        objectives: what the runs' objectives are called; the first is the fitness of most plots.

    Returns:
        A document of Bokeh as JSON, and the name of each of its roots.

    Raises:
        MissingExtraError: Bokeh is not installed.
    """
    document = require("bokeh.document", extra=_EXTRA).Document()
    figures = _Figures(objectives).all()
    for figure in figures.values():
        document.add_root(figure)
    return document.to_json(deferred=False), list(figures)


class _Figures:
    """Makes the plots over one table of individuals."""

    def __init__(self, objectives: Sequence[str]) -> None:
        self._models = require("bokeh.models", extra=_EXTRA)
        self._plotting = require("bokeh.plotting", extra=_EXTRA)
        self._objectives = objectives[:_MOST_OBJECTIVES]
        columns = (*_ROW_COLUMNS, *(f"objective{number}" for number in range(len(self._objectives))))
        self._rows = self._models.ColumnDataSource({name: [] for name in columns}, name="rows")

    def all(self) -> dict[str, Any]:
        """Give them by name."""
        progress = {
            "by-evaluations": self._progress("evaluation", "evaluations"),
            "by-hours": self._progress("hours", "hours in which evaluations ran"),
            "by-compute": self._progress("compute", "FLOPs of all trainings"),
        }
        for figure in list(progress.values())[1:]:
            figure.y_range = progress["by-evaluations"].y_range
        pairs = combinations(range(len(self._objectives)), 2)
        fronts = {f"front-{one}-{other}": self._front(one, other) for one, other in pairs}
        return {
            **progress,
            "population": self._population(),
            **fronts,
            "parameters": self._dots("parameters", "fitness", "parameters", self._objectives[0], x_axis_type="log"),
            "flops": self._dots("flops", "fitness", "FLOPs an image", self._objectives[0], x_axis_type="log"),
            "curves": self._curves(),
            "predicted": self._predicted(),
            "workers": self._workers(),
            "utilisation": self._utilisation(),
        }

    def _figure(self, x: str, y: str, **options: Any) -> Any:
        figure = self._plotting.figure(
            height=_HEIGHT,
            sizing_mode="stretch_width",
            tools="pan,box_zoom,wheel_zoom,box_select,tap,reset,save",
            active_drag="box_zoom",
            x_axis_label=x,
            y_axis_label=y,
            background_fill_alpha=0,
            border_fill_alpha=0,
            outline_line_color=None,
            lod_threshold=3000,
            **options,
        )
        figure.toolbar.logo = None
        figure.toolbar.autohide = True
        return figure

    def _source(self, name: str, *columns: str) -> Any:
        return self._models.ColumnDataSource({column: [] for column in columns}, name=name)

    def _dots(self, x: str, y: str, x_label: str, y_label: str, *, colour: str = "run_colour", **options: Any) -> Any:
        figure = self._figure(x_label, y_label, **options)
        style = {"size": 5, "line_color": None, "fill_color": colour, "fill_alpha": 0.55}
        chosen = {"selection_fill_alpha": 1.0, "selection_line_color": "#888888", "nonselection_fill_alpha": 0.08}
        dots = figure.scatter(x, y, source=self._rows, **style, **chosen)
        figure.add_tools(self._models.HoverTool(renderers=[dots], tooltips=list(_TIPS)))
        return figure

    def _progress(self, x: str, label: str) -> Any:
        figure = self._dots(x, "fitness", label, self._objectives[0])
        source = self._source(f"best-{x}", "xs", "ys", "colour")
        figure.multi_line("xs", "ys", source=source, color="colour", line_width=2.5)
        if x == "compute":
            figure.xaxis.formatter = self._models.BasicTickFormatter(precision=1)
            figure.xaxis.ticker.desired_num_ticks = 4
        return figure

    def _population(self) -> Any:
        figure = self._dots(
            "hours", "fitness", "hours in which evaluations ran", self._objectives[0], colour="alive_colour"
        )
        source = self._source("lineage", "x", "y", "id", "row")
        figure.line("x", "y", source=source, line_color=_LINE, line_width=1.5)
        figure.scatter("x", "y", source=source, size=7, fill_color=_LINE, line_color="white")
        return figure

    def _front(self, one: int, other: int) -> Any:
        names = self._objectives
        figure = self._dots(f"objective{one}", f"objective{other}", names[one], names[other])
        source = self._source(f"front-{one}-{other}", "xs", "ys", "colour")
        figure.multi_line("xs", "ys", source=source, color="colour", line_width=1.5)
        points = self._source(f"front-points-{one}-{other}", "x", "y", "colour")
        figure.scatter("x", "y", source=points, size=8, line_color="colour", fill_color=None, line_width=1.5)
        return figure

    def _curves(self) -> Any:
        figure = self._figure("rung", "mean score")
        source = self._source("curves", "xs", "ys", "colour", "id", "row")
        lines = figure.multi_line("xs", "ys", source=source, color="colour", alpha=0.35, line_width=1.2)
        figure.add_tools(
            self._models.HoverTool(renderers=[lines], tooltips=[("individual", "@id")], line_policy="nearest")
        )
        return figure

    def _predicted(self) -> Any:
        figure = self._dots("predicted", "fitness", "predicted by the surrogate", self._objectives[0])
        figure.add_layout(self._models.Slope(gradient=1, y_intercept=0, line_color="#888888", line_dash="dashed"))
        return figure

    def _workers(self) -> Any:
        figure = self._figure("hours in which evaluations ran", "worker")
        source = self._source("workers", "left", "right", "bottom", "top", "share", "name")
        colour = require("bokeh.transform", extra=_EXTRA).linear_cmap("share", _WORK, 0.0, 1.0)
        bars = figure.quad("left", "right", "top", "bottom", source=source, fill_color=colour, line_color=None)
        tips = [("worker", "@name"), ("from", "@left{0.00} h to @right{0.00} h"), ("evaluating", "@share{0 %}")]
        figure.add_tools(self._models.HoverTool(renderers=[bars], tooltips=tips))
        figure.yaxis.visible = False
        figure.ygrid.visible = False
        return figure

    def _utilisation(self) -> Any:
        figure = self._figure("hours in which evaluations ran", "share of the workers that evaluate", y_range=(0, 1.02))
        lines = self._source("utilisation", "xs", "ys", "colour")
        figure.multi_line("xs", "ys", source=lines, color="colour", line_width=1.5)
        lost = self._source("lost", "x", "y")
        crosses = figure.scatter("x", "y", source=lost, marker="x", size=9, line_color=_LINE, line_width=2)
        tips = [("lost, or ended at its limit", "@x{0.00} h")]
        figure.add_tools(self._models.HoverTool(renderers=[crosses], tooltips=tips))
        return figure
