"""Sections of the HTML report, each made of the keys that it shows, and left out where the report has none of them."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from bot.report_details import confidence, confusions, topics, training, worst
from bot.report_robustness import robustness
from bot.report_suggestions import suggestions
from bot.report_tables import Column, Section, number, table

Report = Mapping[str, Any]

MEASURES: Mapping[str, tuple[str, str]] = {
    "in_scope_accuracy": ("In-scope accuracy", "in scope: the first pair is right, refused or not"),
    "p_at_1": ("P@1", "the first pair is right"),
    "auroc": ("AUROC", "a question in scope is surer than one out of scope"),
    "best_mcc": ("Best MCC", "at the threshold that fits these questions best"),
    "mcc_at_threshold": ("MCC at the threshold", "at the threshold chosen in advance"),
    "accuracy": ("Accuracy", "undisturbed: the first pair is right"),
    "accuracy_disturbed": ("Accuracy, disturbed", "with slips of all kinds"),
    "drop": ("Drop", "what the slips cost"),
    "oos_recall": ("Out of scope refused", "share of the questions out of scope"),
    "oos_recall_disturbed": ("Out of scope refused, disturbed", "with slips of all kinds"),
    "in_scope_answered": ("In scope answered", "share of the questions in scope"),
    "mrr": ("MRR", "mean of 1 / rank of the first right pair"),
    "hit_at_20": ("Hit@20", "a right pair is among the first 20"),
    "map": ("MAP", "mean average precision of the ranking"),
    "alpha_ndcg_at_5": ("α-nDCG@5", "what the five serve, the sooner the better, each again for half"),
    "s_recall_at_5": ("S-recall@5", "share of the facets that one of the five serves"),
    "ild_at_5": ("ILD@5", "mean distance between two of the five"),
    "err_ia_at_5": ("ERR-IA@5", "as α-nDCG, for who reads on only until served"),
    "catalogue_coverage": ("Catalogue coverage", "share of the bank that was suggested at all"),
    "gini": ("Gini", "how unevenly the bank was suggested; 0 is evenly"),
    "latency_ms.p50": ("Time of an answer, p50, ms", ""),
    "latency_ms.p95": ("Time of an answer, p95, ms", ""),
}
"""What is told of a measure: its name, and what it says. Other numbers of a report are shown under their keys."""

_FACTS = ("n", "n_in_scope", "threshold", "n_topics", "share", "n_oos", "n_served", "diversity")
_WAYS = {"embeddings_alone": "Embeddings alone", "bm25_alone": "BM25 alone"}


def sections(report: Report) -> list[Section]:
    """Return the sections that a report has something for, in the order of the page."""
    makers = (
        _headline,
        suggestions,
        _comparison,
        _ways,
        _seeds,
        robustness,
        confidence,
        training,
        confusions,
        topics,
        worst,
    )
    return [section for section in (make(report) for make in makers) if section is not None]


def facts(report: Report) -> str:
    """Return what was measured, and how long an answer took."""
    rows = {str(name): str(value) for name, value in report.get("about", {}).items()}
    if "n" in report:
        inside = report.get("n_in_scope")
        parts = f" ({inside:,} in scope, {report['n'] - inside:,} out of scope)" if inside is not None else ""
        rows["Questions"] = f"{report['n']:,}{parts}"
    if "threshold" in report:
        rows["Threshold"] = number(float(report["threshold"]))
    if "latency_ms" in report:
        rows["Time of an answer"] = (
            f"p50 {report['latency_ms']['p50']:.1f} ms, p95 {report['latency_ms']['p95']:.1f} ms"
        )
    entries = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows.items())
    return f'<dl class="facts">{entries}</dl>' if entries else ""


def _headline(report: Report) -> Section | None:
    found = {
        name: float(value)
        for name, value in report.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    order = _ordered(found)
    if not order:
        return None
    intervals = report.get("intervals", {})
    cards = "".join(_card(name, found[name], intervals.get(name)) for name in order)
    return Section(
        name="measures",
        heading="Measures",
        html=f'<p>With 95 % intervals from 1,000 resamples of the questions.</p><ul class="cards">{cards}</ul>',
    )


def _ordered(names: Iterable[str]) -> list[str]:
    """Return the figures worth a place, in the order of `MEASURES`, and then those that it does not know."""
    found = [name for name in names if name not in _FACTS]
    if "in_scope_accuracy" in found:
        # With one right pair each, P@1 says the same as accuracy, and MAP the same as MRR.
        found = [name for name in found if name not in ("p_at_1", "map")]
    known = list(MEASURES)
    return sorted(found, key=lambda name: known.index(name) if name in MEASURES else len(known))


def _card(name: str, value: float, ends: Sequence[float] | None) -> str:
    heading, hint = MEASURES.get(name, (name, ""))
    whisker = span = ""
    if ends is not None:
        span = f'<span class="range">95 %: {number(float(ends[0]))} to {number(float(ends[1]))}</span>'
        low, middle, high = (min(max(each, 0.0), 1.0) for each in (ends[0], value, ends[1]))
        style = f"--low:{low:.4f};--high:{high:.4f};--value:{middle:.4f}"
        whisker = f'<span class="whisker" style="{style}" aria-hidden="true"><i></i><em></em></span>'
    return (
        f'<li class="card"><b>{escape(heading)}</b><span class="value">{number(value)}</span>{span}{whisker}'
        f"<small>{escape(hint)}</small></li>"
    )


def _comparison(report: Report) -> Section | None:
    told = report.get("comparison")
    if not told:
        return None
    rows = [
        {"measure": MEASURES.get(name, (name, ""))[0], "reading": _reading(row["interval"])} | row
        for name, row in told["measures"].items()
    ]
    columns = [
        Column(key="measure", heading="Measure"),
        Column(key="before", heading="Before", kind="measure"),
        Column(key="after", heading="After", kind="measure"),
        Column(key="difference", heading="Difference", kind="signed"),
        Column(key="interval", heading="95 % interval", kind="interval"),
        Column(key="reading", heading="Reading"),
    ]
    examples = [
        Column(key="question", heading="Question", kind="question"),
        Column(key="gold", heading="Gold", kind="topic"),
        Column(key="before", heading="Before", kind="topic"),
        Column(key="after", heading="After", kind="topic"),
    ]
    html = "<p>The same questions before and after; the difference is resampled in pairs, question by question. "
    html += "With several seeds, a question counts by its mean over them.</p>"
    html += table("Differences", columns, rows, stacked=True)
    titles = report.get("titles")
    for kind, heading in (("losses", "Right before, wrong after"), ("wins", "Wrong before, right after")):
        if told[kind]:
            html += f"<h3>{heading}: {_of(len(told[kind]), told[f'n_{kind}'])}</h3>"
            html += table(heading, examples, told[kind], titles=titles, stacked=True)
    changed = [row for row in told["per_topic"] if row["difference"]]
    if changed:
        heading = f"Topics that changed: {len(changed):,} of {len(told['per_topic']):,}"
        html += f"<h3>{heading}</h3>" + table(heading, _changes(), changed, titles=titles)
    return Section(name="comparison", heading="Before and after", html=html)


def _changes() -> list[Column]:
    return [
        Column(key="topic", heading="Topic", kind="topic"),
        Column(key="n", heading="Questions", kind="count"),
        Column(key="before", heading="Before", kind="measure"),
        Column(key="after", heading="After", kind="measure"),
        Column(key="difference", heading="Difference", kind="change", order="ascending"),
    ]


def _reading(ends: Sequence[float]) -> str:
    return "better" if ends[0] > 0 else "worse" if ends[1] < 0 else "no difference shown"


def _of(shown: int, total: int) -> str:
    return f"{total:,}" if shown == total else f"{shown:,} of {total:,}"


def _ways(report: Report) -> Section | None:
    rows = [
        {"way": heading, "gain": report[name]["fusion_minus_this_p_at_1"][0]}
        | report[name]
        | {"interval": report[name]["fusion_minus_this_p_at_1"][1:]}
        for name, heading in _WAYS.items()
        if name in report
    ]
    if not rows:
        return None
    measures = [Column(key=name, heading=MEASURES[name][0], kind="measure") for name in ("p_at_1", "mrr", "hit_at_20")]
    columns = [
        Column(key="way", heading="Retriever"),
        *measures,
        Column(key="gain", heading="P@1 gained by fusion", kind="signed"),
        Column(key="interval", heading="95 % interval", kind="interval"),
    ]
    return Section(
        name="retrievers",
        heading="Each retriever alone",
        html=table("Retrievers", columns, rows, stacked=True),
    )


def _seeds(report: Report) -> Section | None:
    told = report.get("seeds")
    if not told:
        return None
    size = max(len(each["values"]) for each in told.values())
    rows = [
        {"figure": MEASURES.get(name, (name, ""))[0], "mean": told[name]["mean"], "sd": told[name]["sd"]}
        | {f"seed-{at}": value for at, value in enumerate(told[name]["values"], start=1)}
        for name in _ordered(told)
    ]
    columns = [
        Column(key="figure", heading="Figure"),
        Column(key="mean", heading="Mean", kind="measure"),
        Column(key="sd", heading="Std. dev.", kind="measure"),
        *(Column(key=f"seed-{at}", heading=f"Seed {at}", kind="measure") for at in range(1, size + 1)),
    ]
    return Section(name="seeds", heading="Seeds", html=table("Figures by seed", columns, rows))
