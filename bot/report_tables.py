"""Sections and tables of the HTML report: every text from data is escaped, and isolated from its neighbours."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

Kind = Literal["text", "question", "topic", "count", "measure", "share", "change", "signed", "interval"]
Order = Literal["", "ascending", "descending"]
NONE = "–"


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column: the key of its values in the rows, its heading, and how a value is shown.

    `measure` has three decimals, `share` is one with a bar for its size, `signed` has a sign, `change` has one
    and a colour, `interval` is a pair.
    """

    key: str
    heading: str
    kind: Kind = "text"
    order: Order = ""
    """How the rows are ordered by it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of the page: its anchor, its heading, its HTML, and the figures drawn in it."""

    name: str
    heading: str
    html: str
    figures: Mapping[str, Any] = field(default_factory=dict)


def table(
    name: str,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    *,
    titles: Mapping[str, str] | None = None,
    stacked: bool = False,
) -> str:
    """Return a table that scrolls in a frame of its own; the first cell of a row is its heading.

    Args:
        name: what screen readers call it.
        columns: from left to right.
        rows: in the order to be shown; values that are missing or none become a dash.
        titles: what a topic is about, by its name; shown under it.
        stacked: where the page is narrow, a row becomes a list of its cells; else it scrolls sideways.
    """
    heads = "".join(map(_head, columns))
    body = "\n".join(_row(columns, row, titles or {}) for row in rows)
    kind = ' class="stacked"' if stacked else ""
    return (
        f'<div class="frame" role="region" tabindex="0" aria-label="{escape(name)}">'
        f'<table role="table"{kind}><caption class="unseen">{escape(name)}</caption>'
        f'<thead role="rowgroup"><tr role="row">{heads}</tr></thead>\n'
        f'<tbody role="rowgroup">{body}</tbody></table></div>'
    )


def number(value: float) -> str:
    """Return a figure for people: three decimals, thousands parted where it is whole or large."""
    if isinstance(value, int) or abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def signed(value: float) -> str:
    """Return a change with its sign, three decimals, and a minus that is as wide as the plus."""
    text = f"{value:+.3f}".replace("-", "−")
    return text[1:] if text[1:] == "0.000" else text


def interval(pair: Sequence[float], show: Any = number) -> str:
    """Return lower and upper end in brackets."""
    return f"[{show(float(pair[0]))}, {show(float(pair[1]))}]"


def _class(kind: Kind) -> str:
    return "change" if kind == "signed" else kind


def _head(column: Column) -> str:
    order = f' aria-sort="{column.order}"' if column.order else ""
    return f'<th scope="col" role="columnheader" class="{_class(column.kind)}"{order}>{escape(column.heading)}</th>'


def _row(columns: Sequence[Column], row: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    first, *others = (_cell(each, row.get(each.key), titles, head=at == 0) for at, each in enumerate(columns))
    return f'<tr role="row">{first}{"".join(others)}</tr>'


def _breaking(name: str) -> str:
    """Return a name that may break after its hyphens, underscores and the like, rather than inside a word."""
    return re.sub(r"([_/.:-])(?=\w)", r"\1<wbr>", escape(name))


def _cell(column: Column, value: Any, titles: Mapping[str, str], *, head: bool) -> str:
    shown, order, style = _shown(column.kind, value, titles)
    tag, role = ('th scope="row"', "rowheader") if head else ("td", "cell")
    return (
        f'<{tag} role="{role}" class="{_class(column.kind)}" data-order="{escape(order)}" '
        f'data-heading="{escape(column.heading)}"{style}>{shown}</{tag[:2]}>'
    )


def _shown(kind: Kind, value: Any, titles: Mapping[str, str]) -> tuple[str, str, str]:
    """Return the HTML of a value, what it is ordered by, and a style attribute."""
    if value is None or value == "":
        return NONE, "", ""
    if kind in ("text", "question"):
        return f'<bdi dir="auto">{escape(str(value))}</bdi>', str(value), ""
    if kind == "topic":
        title = titles.get(str(value), "")
        about = f'<small dir="auto">{escape(title)}</small>' if title else ""
        return f'<bdi dir="auto">{_breaking(str(value))}</bdi>{about}', str(value), ""
    if kind == "interval":
        return interval(value, signed), str(value[0]), ""
    if kind == "signed":
        return signed(float(value)), str(value), ""
    if kind == "change":
        tone = "better" if value > 0 else "worse" if value < 0 else "same"
        return f'<span class="{tone}">{signed(float(value))}</span>', str(value), ""
    style = f' style="--share:{float(value):.4f}"' if kind == "share" else ""
    return number(int(value) if kind == "count" else float(value)), str(value), style
