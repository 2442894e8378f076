"""One HTML file that shows a report: no request to anywhere, light and dark, readable on a phone.

    report mapping ──▶ sections (bot.report_sections) and figures (bot.report_plots) ──▶ one page ──▶ part file, renamed

The page says by its Content-Security-Policy that nothing may be fetched and that no script runs besides its own two,
plotly's and `assets/report.js`.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from bot.report_plots import PALETTE
from bot.report_sections import facts, sections
from kb.errors import InputError, describe

TITLE = "Evaluation"


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report as HTML; a file of that name is replaced at once, or stays as it is.

    Args:
        path: of the file; its folder must exist.
        report: all keys are optional. `title`, `about` (name → text), `titles` (topic → what it is about); the keys of
            `intent_report` or `retrieval_report`; those of `bot.diagnosis.diagnose` and `curves`; `comparison`
            (`bot.comparison.compare_seeds`) and `seeds` (`mean_over_seeds`); and `training`, one run or a list of them
            as in `bot.report_plots.training`.

    Raises:
        InputError: the file can't be written there.
        OSError: the disk is full, or the like.
    """
    check_target(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # A lone surrogate of a question in JSON is not UTF-8, and no reason to tell nothing.
        part.write_bytes(page(report).encode("utf-8", "replace"))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def check_target(path: Path) -> None:
    """Check, before anything is measured, that a report can be written there.

    Raises:
        InputError: it is a folder, or in none, or in one that can't be written to.
    """
    if path.is_dir():
        raise _refused(path, "a folder of that name")
    if not path.parent.is_dir():
        raise _refused(path, f"no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise _refused(path, f"no right to write into {path.parent}")


def page(report: Mapping[str, Any]) -> str:
    """Return the HTML of a report; see `write_report` for its keys."""
    title = str(report.get("title") or TITLE)
    found = sections(report)
    links = "".join(f'<li><a href="#{each.name}">{escape(each.heading)}</a></li>' for each in found)
    body = "\n".join(
        f'<section id="{each.name}" aria-labelledby="{each.name}-h"><h2 id="{each.name}-h">{escape(each.heading)}</h2>'
        f"{each.html}</section>"
        for each in found
    )
    figures = {name: figure for each in found for name, figure in each.figures.items()}
    # Plotly is most of the file: a report without a plot goes without.
    scripts = [_script(get_plotlyjs()), _script(_asset("report.js"))] if figures else [_script(_asset("report.js"))]
    allowed = " ".join(f"'sha256-{digest}'" for _, digest in scripts)
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
            f"style-src 'unsafe-inline'; script-src {allowed}; base-uri 'none'; form-action 'none'\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">',
            f"<title>{escape(title)}</title>",
            f"<style>{_colours()}\n{_asset('report.css')}</style></head>",
            f'<body><header class="top"><h1><bdi>{escape(title)}</bdi></h1>{facts(report)}',
            f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>',
            f"<main>{body}</main>",
            _data("figures", figures),
            _data("colours", dict(PALETTE.values())),
            *(text for text, _ in scripts),
            "</body></html>\n",
        )
    )


def _refused(path: Path, got: str) -> InputError:
    return InputError(describe(expected=f"to write the report {path}", got=got, remedy="name another file"))


def _asset(name: str) -> str:
    return (files("bot") / "assets" / name).read_text(encoding="utf-8")


def _colours() -> str:
    light, dark = ("".join(f"--{name}:{pair[at]};" for name, pair in PALETTE.items()) for at in (0, 1))
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{dark}}}}}"
    )


def _script(source: str) -> tuple[str, str]:
    """Return a script element, and the hash by which the policy lets it run."""
    # A reader of HTML turns carriage returns into line ends before it hashes.
    text = source.replace("\r\n", "\n").replace("\r", "\n")
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"<script>{text}</script>", digest


def _data(name: str, document: Any) -> str:
    """Return JSON for the page's script; no text in it can end the element or open a comment."""
    text = json.dumps(document, ensure_ascii=True, separators=(",", ":"))
    return f'<script type="application/json" id="{name}">{text.replace("<", chr(92) + "u003c")}</script>'
