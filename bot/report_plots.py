"""Plots of the HTML report, as plotly figures in the colours of the light page; the page replaces them when it is dark.

Plotly takes texts for a small markup of its own, so that every text from data is escaped here too.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

PALETTE: Mapping[str, tuple[str, str]] = {
    "page": ("#fbfbf9", "#131514"),
    "surface": ("#ffffff", "#1b1e1d"),
    "text": ("#1b1d1c", "#eceeec"),
    "dim": ("#5a605d", "#a0a7a3"),
    "line": ("#e5e6e2", "#2f3533"),
    "hover": ("#f1f2ee", "#242827"),
    "right": ("#1f6f5c", "#58bfa2"),
    "wrong": ("#bd4f2a", "#f2926b"),
    "outside": ("#6a64a8", "#aaa3ec"),
    "bar": ("#dcebe6", "#24443b"),
}
"""Name of a colour: on the light page, on the dark page. Text on `page` and `surface` has a contrast of 4.5 or more."""

_LIGHT = {name: light for name, (light, _) in PALETTE.items()}
_LINES = ("right", "outside", "wrong", "dim")
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif'
_ROOM = (-0.02, 1.02)
"""Of an axis from 0 to 1, so that marks at its ends are whole."""
_LABEL = 26
"""Characters of a topic beside the matrix."""

Figure = dict[str, Any]


def histogram(confidence: Mapping[str, Any]) -> Figure:
    """Return how confident the bot was: counts (b,) of `right`, `wrong` and `out_of_scope` between `edges` (b + 1,)."""
    edges = confidence["edges"]
    centres = [(low + high) / 2 for low, high in pairwise(edges)]
    kinds = (("right", "right", "Right"), ("wrong", "wrong", "Wrong"), ("out_of_scope", "outside", "Out of scope"))
    figure = go.Figure(
        [
            go.Bar(
                x=centres,
                y=confidence[key],
                name=name,
                width=[0.92 * (high - low) for low, high in pairwise(edges)],
                marker={"color": _LIGHT[colour], "line": {"width": 0}},
                hovertemplate=f"{name}: %{{y}}<extra></extra>",
            )
            for key, colour, name in kinds
            if any(confidence[key])
        ]
    )
    figure.update_layout(barmode="stack")
    tallest = max(map(sum, zip(*(confidence[key] for key, _, _ in kinds), strict=True)))
    threshold = confidence.get("threshold")
    if threshold is not None:
        figure.add_scatter(
            x=[threshold, threshold],
            y=[0, tallest],
            mode="lines",
            name=f"Threshold {threshold:.2f}",
            line={"color": _LIGHT["text"], "width": 1.5, "dash": "dot"},
            hoverinfo="skip",
        )
    return _finished(figure, x="Confidence", y="Questions", x_range=(0, 1), y_range=(0, 1.05 * max(tallest, 1)))


def reliability(sets: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Return accuracy over confidence, by name of the questions: `confidence`, `accuracy`, `low`, `high`, `count`."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name="ideal",
        line={"color": _LIGHT["dim"], "width": 1, "dash": "dash"},
        hoverinfo="skip",
    )
    for colour, (name, bins) in zip(_cycle(len(sets)), sets.items(), strict=True):
        up = [high - share for high, share in zip(bins["high"], bins["accuracy"], strict=True)]
        down = [share - low for low, share in zip(bins["low"], bins["accuracy"], strict=True)]
        figure.add_scatter(
            x=bins["confidence"],
            y=bins["accuracy"],
            customdata=bins["count"],
            mode="lines+markers",
            name=_plain(name),
            line={"color": _LIGHT[colour], "width": 2},
            marker={"color": _LIGHT[colour], "size": 7},
            error_y={"type": "data", "array": up, "arrayminus": down, "thickness": 1, "width": 0},
            hovertemplate="confidence %{x:.2f}, right %{y:.2f}, %{customdata} questions<extra></extra>",
        )
    return _finished(figure, x="Mean confidence of the bin", y="Share right", x_range=_ROOM, y_range=_ROOM)


def risk_coverage(sets: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Return the share of wrong answers over the share answered, by name: `coverage`, `risk`, `threshold`."""
    figure = go.Figure()
    for colour, (name, curve) in zip(_cycle(len(sets)), sets.items(), strict=True):
        figure.add_scatter(
            x=curve["coverage"],
            y=curve["risk"],
            customdata=curve.get("threshold"),
            mode="lines",
            name=_plain(name),
            line={"color": _LIGHT[colour], "width": 2},
            hovertemplate="answered %{x:.1%}, wrong %{y:.1%}, threshold %{customdata:.2f}<extra></extra>",
        )
    figure.update_yaxes(rangemode="tozero", tickformat=".0%")
    figure.update_xaxes(tickformat=".0%")
    return _finished(figure, x="Answered", y="Wrong among answered", x_range=(0, 1.01))


def trade_off(curves: Mapping[str, Sequence[Mapping[str, float]]], x: str, y: str, axes: tuple[str, str]) -> Figure:
    """Return one measure over another for rising diversity, a line for each name; points have `diversity`, x and y."""
    figure = go.Figure()
    dashes = ("solid", "dash", "dot")
    for at, (colour, (name, points)) in enumerate(zip(_cycle(len(curves)), curves.items(), strict=True)):
        figure.add_scatter(
            x=[each[x] for each in points],
            y=[each[y] for each in points],
            customdata=[each["diversity"] for each in points],
            mode="lines+markers",
            name=_plain(name),
            line={"color": _LIGHT[colour], "width": 2, "dash": dashes[at // len(_LINES) % len(dashes)]},
            marker={"color": _LIGHT[colour], "size": 4},
            hovertemplate=f"{_plain(name)}, diversity %{{customdata:.2f}}: %{{x:.3f}}, %{{y:.3f}}<extra></extra>",
        )
    return _finished(figure, x=axes[0], y=axes[1], height=420)


def confusion_matrix(matrix: Mapping[str, Any]) -> Figure:
    """Return a heat map of `counts` (r, c + 1): rows are `gold` (r,), columns `predicted` (c,), and last all others.

    Colour is the square root of the share of the row's questions, so that a few confusions of many can be seen.
    """
    topics = matrix["gold"]
    columns = [*matrix["predicted"], "others"]
    colours, texts, hovers = [], [], []
    for row, counts in enumerate(matrix["counts"]):
        total = max(sum(counts), 1)
        colours.append(
            [(1 if columns[at] == topics[row] else -1) * (count / total) ** 0.5 for at, count in enumerate(counts)]
        )
        texts.append([str(count) if count else "" for count in counts])
        gold = _plain(topics[row])
        hovers.append(
            [f"{gold} → {_plain(name)}: {count} of {total}" for name, count in zip(columns, counts, strict=True)]
        )
    figure = go.Figure(
        go.Heatmap(
            z=colours,
            text=texts,
            customdata=hovers,
            texttemplate="%{text}",
            hovertemplate="%{customdata}<extra></extra>",
            zmin=-1,
            zmax=1,
            showscale=False,
            xgap=2,
            ygap=2,
            colorscale=[[0, _LIGHT["wrong"]], [0.5, _LIGHT["hover"]], [1, _LIGHT["right"]]],
        )
    )
    figure.update_xaxes(tickvals=list(range(len(columns))), ticktext=[_plain(each, _LABEL) for each in columns])
    figure.update_yaxes(tickvals=list(range(len(topics))), ticktext=[_plain(each, _LABEL) for each in topics])
    figure.update_xaxes(tickangle=-90, showgrid=False, zeroline=False)
    figure.update_yaxes(autorange="reversed", showgrid=False, zeroline=False)
    return _finished(figure, x="Predicted", y="Gold", height=220 + 30 * len(topics))


def training(runs: Sequence[Mapping[str, Any]]) -> Figure:
    """Return loss and, under it, the validation metric over steps, a line for each run.

    A run has `step` and `loss` (s,), and may have `validation_step` and `validation` (v,), `validation_name`, `name`.
    """
    figure = go.Figure()
    for at, (colour, run) in enumerate(zip(_cycle(len(runs)), runs, strict=True), start=1):
        name = _plain(str(run.get("name") or f"run {at}"))
        line = {"color": _LIGHT[colour], "width": 2}
        figure.add_scatter(x=run["step"], y=run["loss"], name=name, mode="lines", line=line, yaxis="y")
        if run.get("validation"):
            figure.add_scatter(
                x=run["validation_step"],
                y=run["validation"],
                name=name,
                mode="lines+markers",
                line=line,
                yaxis="y2",
                showlegend=False,
            )
    figure.update_traces(hovertemplate="step %{x}: %{y:.4f}<extra></extra>")
    figure.update_layout(showlegend=len(runs) > 1)
    checked = [run for run in runs if run.get("validation")]
    finished = _finished(figure, x="Step", y="Loss")
    if checked:
        layout = finished["layout"]
        second = {"text": _plain(str(checked[0].get("validation_name") or "validation"))}
        layout["yaxis2"] = layout["yaxis"] | {
            "domain": [0, 0.44],
            "anchor": "x",
            "title": layout["yaxis"]["title"] | second,
        }
        layout["yaxis"]["domain"] = [0.56, 1]
        layout["xaxis"]["anchor"] = "y2"
    return finished


def _cycle(size: int) -> list[str]:
    return [_LINES[at % len(_LINES)] for at in range(size)]


def _plain(text: str, limit: int = 80) -> str:
    """Return a text that plotly shows as it is, cut where it is long."""
    flat = " ".join(text.split())
    return escape(flat if len(flat) <= limit else flat[: limit - 1] + "…", quote=False)


def _finished(
    figure: go.Figure,
    *,
    x: str,
    y: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    height: int = 340,
) -> Figure:
    """Return the figure as JSON data, with the axes and the look that all share."""
    axis = {
        "color": _LIGHT["dim"],
        "gridcolor": _LIGHT["line"],
        "linecolor": _LIGHT["line"],
        "zeroline": False,
        "fixedrange": True,
        "automargin": True,
    }
    figure.update_xaxes(**axis, title={"text": x, "standoff": 8}, range=x_range)
    figure.update_yaxes(**axis, title={"text": y, "standoff": 8})
    if x_range:
        figure.update_xaxes(tick0=0, dtick=0.25)
    if y_range:
        figure.update_yaxes(range=y_range)
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 8, "r": 20, "t": 36 if len(figure.data) > 1 else 8, "b": 8},
        paper_bgcolor=_LIGHT["surface"],
        plot_bgcolor=_LIGHT["surface"],
        font={"family": _FONT, "size": 12, "color": _LIGHT["text"]},
        hoverlabel={"bgcolor": _LIGHT["surface"], "bordercolor": _LIGHT["line"], "font": {"color": _LIGHT["text"]}},
        legend={
            "orientation": "h",
            "traceorder": "normal",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        dragmode=False,
        hovermode="closest",
    )
    plain: Figure = json.loads(str(figure.to_json()))
    return plain
