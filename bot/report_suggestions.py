"""The section of the HTML report on suggestions: every strategy, and what more diversity gives and costs."""

from collections.abc import Mapping
from typing import Any

from bot import report_plots as plots
from bot.report_details import figure_of
from bot.report_tables import Column, Section, interval, number, signed, table

_MEASURES = {"alpha_ndcg_at_5": "α-nDCG@5", "s_recall_at_5": "S-recall@5", "ild_at_5": "ILD@5"}
_ALONE = {"untrained_relevance_only": "similarity alone, nothing learned", "relevance_only": "relevance alone"}


def suggestions(report: Mapping[str, Any]) -> Section | None:
    """Return the figures of all strategies, the selector's own share, and its trade-off over diversity."""
    if "trade_off" not in report:
        return None
    curves = report["trade_off"]["chosen_on"]
    rows = [{"name": text} | report[name] for name, text in _ALONE.items()]
    rows += [{"name": name} | report[name] for name in curves]
    columns = [Column(key="name", heading="Strategy"), Column(key="diversity", heading="Diversity", kind="measure")]
    columns += [Column(key=key, heading=heading, kind="measure") for key, heading in _MEASURES.items()]
    html = f"<p>{_share(report)}</p>{table('Strategies', columns, rows, stacked=True)}"
    figures = {
        "trade": plots.trade_off(curves, "ild_at_5", "alpha_ndcg_at_5", ("ILD@5", "α-nDCG@5")),
        "diversity": plots.trade_off(_over_diversity(report), "diversity", "value", ("Diversity", "Measure")),
    }
    text = "On the requests that everything was chosen by, from diversity 0, where all agree, to 1. "
    drawn = figure_of("trade", "What more diversity costs", text, figures)
    text = f"{report['strategy']}, the default selector, on the {report['split']} requests; nothing was chosen by this."
    drawn += figure_of("diversity", "Measures over diversity", text, figures)
    html += f'<div class="plots">{drawn}</div>'
    return Section(name="suggestions", heading="Suggestions", html=html, figures=figures)


def _share(report: Mapping[str, Any]) -> str:
    """Return what the selector adds to relevance alone, in a sentence."""
    told = (
        f"{heading} {signed(report['gain'][key]['difference'])} {interval(report['gain'][key]['interval'], signed)}"
        for key, heading in _MEASURES.items()
    )
    how = f"{report['strategy']} at diversity {number(float(report['diversity']))}"
    return f"The default selector, {how}, beside relevance alone, with paired 95 % intervals: {'; '.join(told)}."


def _over_diversity(report: Mapping[str, Any]) -> dict[str, list[dict[str, float]]]:
    points = report["trade_off"]["measured"][report["strategy"]]
    return {
        heading: [{"diversity": each["diversity"], "value": each[key]} for each in points]
        for key, heading in _MEASURES.items()
    }
