"""The section of the HTML report on disturbed questions."""

from collections.abc import Mapping
from typing import Any

from bot.report_tables import Column, Section, number, table

_FLIPS = [
    Column(key="question", heading="Question", kind="question"),
    Column(key="disturbed", heading="Disturbed", kind="question"),
    Column(key="edits", heading="Edits", kind="count"),
    Column(key="right", heading="Right", kind="topic"),
    Column(key="found", heading="Found", kind="topic"),
]


def robustness(report: Mapping[str, Any]) -> Section | None:
    """Return what each kind and share of slips costs, the questions that were lost, and those that were flipped."""
    if "by_kind" not in report:
        return None
    rows = [{"what": f"All kinds, {share} of the characters"} | row for share, row in report["by_share"].items()]
    rows += [{"what": f"{kind.capitalize()}, {report['share']}"} | row for kind, row in report["by_kind"].items()]
    columns = [
        Column(key="what", heading="Disturbed by"),
        Column(key="accuracy", heading="Accuracy", kind="measure"),
        Column(key="drop", heading="Drop", kind="measure"),
        Column(key="interval", heading="95 % interval", kind="interval"),
    ]
    html = "<p>The same questions, undisturbed and disturbed; the drop is resampled in pairs, question by question.</p>"
    html += table("Disturbances", columns, rows, stacked=True)
    titles = report.get("titles")
    if report["examples"]:
        html += f"<h3>Right before, wrong after: the first {len(report['examples'])}</h3>"
        html += table("Lost", [*_FLIPS[:2], _FLIPS[3]], report["examples"], titles=titles, stacked=True)
    if "attack" in report:
        html += _attack(report["attack"], titles)
    return Section(name="robustness", heading="Disturbed questions", html=html)


def _attack(found: Mapping[str, Any], titles: Mapping[str, str] | None) -> str:
    shares = "; ".join(f"{edits} edits at most: {number(share)}" for edits, share in found["flipped"].items())
    html = f"<h3>Flipped by a search for small edits</h3><p>Of {found['n']} right answers, by {shares}.</p>"
    return html + (
        table("Flipped", _FLIPS, found["examples"], titles=titles, stacked=True) if found["examples"] else ""
    )
