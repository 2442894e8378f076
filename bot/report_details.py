"""Sections of the HTML report on single outcomes: confidence, training, confusions, topics, worst questions."""

from collections.abc import Iterable, Mapping
from html import escape
from itertools import pairwise
from typing import Any

from bot import report_plots as plots
from bot.report_tables import Column, Order, Section, number, table

Report = Mapping[str, Any]

_TENTHS = range(1, 11)


def confidence(report: Report) -> Section | None:
    """Return how confidences are spread, whether they can be trusted, and what answering more would cost."""
    parts, figures = [], {}
    if report.get("confidence"):
        figures["confidence"] = plots.histogram(report["confidence"])
        text = "A question in scope is right where its first pair is, answered or refused."
        parts.append(figure_of("confidence", "How sure the bot was", text, figures, _bars(report["confidence"])))
    if report.get("reliability"):
        figures["reliability"] = plots.reliability(report["reliability"])
        text = "Bins of equal mass with 95 % intervals; on the dashed line it means what it says. "
        text += _sums(report, "reliability", "ece")
        parts.append(figure_of("reliability", "Can the confidence be trusted?", text, figures, _bins(report)))
    if report.get("risk_coverage"):
        figures["risk"] = plots.risk_coverage(report["risk_coverage"])
        text = "Out of scope, every answer counts as wrong. " if len(report["risk_coverage"]) > 1 else ""
        text += _sums(report, "risk_coverage", "aurc")
        parts.append(figure_of("risk", "What answering more would cost", text, figures, _risks(report)))
    if not parts:
        return None
    html = f'<div class="plots">{"".join(parts)}</div>'
    return Section(name="confidence", heading="Confidence", html=html, figures=figures)


def training(report: Report) -> Section | None:
    """Return loss and validation metric over the steps."""
    told = report.get("training")
    if not told:
        return None
    figures = {"training": plots.training([told] if isinstance(told, Mapping) else told)}
    text = "Loss, and the metric on validation questions where it was measured."
    html = f'<div class="plots">{figure_of("training", "Training curve", text, figures)}</div>'
    return Section(name="training", heading="Training", html=html, figures=figures)


def confusions(report: Report) -> Section | None:
    """Return which topics are taken for which others: heat map of the most confused, and the most frequent pairs."""
    matrix, rows = report.get("confusion_matrix") or {"gold": []}, report.get("confusions") or []
    if not rows:
        return None
    html, figures = "", {}
    if matrix["gold"]:
        figures = {"matrix": plots.confusion_matrix(matrix)}
        text = "On the diagonal questions are right, in the other cells they are taken for the topic of the column. "
        text += "The stronger the colour, the larger the share of the row."
        html = figure_of("matrix", "The topics confused most", text, figures)
    columns = [
        Column(key="gold", heading="Gold", kind="topic"),
        Column(key="predicted", heading="Taken for", kind="topic"),
        Column(key="count", heading="Questions", kind="count", order="descending"),
        Column(key="share", heading="Share of gold", kind="share"),
    ]
    name = "The most frequent confusions"
    html += f"<h3>{name}</h3>" + table(name, columns, rows, titles=report.get("titles"), stacked=True)
    return Section(name="confusions", heading="Confusions of topics", html=html, figures=figures)


def topics(report: Report) -> Section | None:
    """Return the measures of each topic, the worst first."""
    rows = report.get("per_topic") or []
    if not rows:
        return None
    columns = [
        Column(key="topic", heading="Topic", kind="topic"),
        Column(key="n", heading="Questions", kind="count"),
        Column(key="recall", heading="Accuracy", kind="share"),
        Column(key="precision", heading="Precision", kind="share"),
        Column(key="f1", heading="F1", kind="share", order="ascending"),
        Column(key="answered", heading="Answered", kind="share"),
        Column(key="confused_with", heading="Most taken for", kind="topic"),
        Column(key="confused_count", heading="Times", kind="count"),
    ]
    total = report.get("n_topics", len(rows))
    shown = f"{total:,} topics" if total == len(rows) else f"The {len(rows):,} worst of {total:,} topics"
    text = f"{shown}, lowest F1 first. Accuracy is the recall of the topic's questions, refused or not."
    if any(row["oos_answered"] for row in rows):
        columns.append(Column(key="oos_answered", heading="Out of scope", kind="count"))
        text += " Out of scope counts the questions of that kind that were answered with the topic."
    html = f"<p>{text}</p>" + table("Measures by topic", columns, rows, titles=report.get("titles"))
    return Section(name="topics", heading="Topics", html=html)


def worst(report: Report) -> Section | None:
    """Return the surest wrong answers, and questions in scope that were refused."""
    told = report.get("worst") or {}
    html = ""
    for kind, heading in (("wrong", "Answered wrongly, surest first"), ("refused", "In scope, yet refused")):
        if told.get(kind):
            sure: Order = "descending" if kind == "wrong" else ""
            rank: Order = "" if kind == "wrong" else "ascending"
            columns = [
                Column(key="question", heading="Question", kind="question"),
                Column(key="gold", heading="Gold", kind="topic"),
                Column(key="predicted", heading="Predicted", kind="topic"),
                Column(key="confidence", heading="Confidence", kind="measure", order=sure),
                Column(key="rank", heading="Rank of gold", kind="count", order=rank),
            ]
            found = table(heading, columns, told[kind], titles=report.get("titles"), stacked=True)
            html += f"<h3>{heading}</h3>{found}"
    return Section(name="worst", heading="Worst questions", html=html) if html else None


def figure_of(name: str, heading: str, text: str, figures: Mapping[str, plots.Figure], numbers: str = "") -> str:
    """Return the place of a figure, with its heading and text, and a table of its numbers where there is one."""
    height = figures[name]["layout"]["height"]
    details = f"<details><summary>The numbers</summary>{numbers}</details>" if numbers else ""
    return (
        f"<figure><figcaption><b>{escape(heading)}</b>{escape(text)}</figcaption>"
        f'<div class="plot" data-figure="{name}" style="--height:{height}px" role="img" aria-label="{escape(heading)}">'
        f"</div>{details}</figure>"
    )


def _sums(report: Report, key: str, name: str) -> str:
    found = (f"{asked} {number(float(each[name]))}" for asked, each in report[key].items() if name in each)
    return f"{name.upper()}: {', '.join(found)}."


def _bars(found: Mapping[str, Any]) -> str:
    edges = found["edges"]
    keys = {"right": "Right", "wrong": "Wrong", "out_of_scope": "Out of scope"}
    columns = [Column(key="low", heading="From", kind="measure"), Column(key="high", heading="To", kind="measure")]
    columns += [Column(key=key, heading=heading, kind="count") for key, heading in keys.items()]
    rows = [
        {"low": low, "high": high} | {key: found[key][at] for key in keys}
        for at, (low, high) in enumerate(pairwise(edges))
    ]
    return table("Questions by confidence", columns, rows)


def _bins(report: Report) -> str:
    keys = {"confidence": "Confidence", "accuracy": "Right", "low": "95 % from", "high": "To"}
    columns = [Column(key="name", heading="Questions")]
    columns += [Column(key=key, heading=heading, kind="measure") for key, heading in keys.items()]
    columns.append(Column(key="count", heading="Number", kind="count"))
    rows = [row for name, each in report["reliability"].items() for row in _transposed(name, each, [*keys, "count"])]
    return table("Bins of the reliability diagram", columns, rows)


def _risks(report: Report) -> str:
    keys = {"coverage": "Answered", "risk": "Wrong among them", "threshold": "Threshold"}
    columns = [Column(key="name", heading="Questions")]
    columns += [Column(key=key, heading=heading, kind="measure") for key, heading in keys.items()]
    rows = []
    for name, each in report["risk_coverage"].items():
        points = _transposed(name, each, keys)
        reached = [[at for at, point in enumerate(points) if point["coverage"] >= mark / 10] for mark in _TENTHS]
        rows += [points[at] for at in dict.fromkeys(found[0] for found in reached if found)]
    return table("Risk at every tenth of coverage", columns, rows)


def _transposed(name: str, arrays: Mapping[str, Any], keys: Iterable[str]) -> list[dict[str, Any]]:
    names = list(keys)
    columns = (arrays[key] for key in names)
    return [{"name": name} | dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
