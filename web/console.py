"""The operators' console: Gradio pages under one path, behind the log-in of `web.auth`."""

import html
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request

from bot.config import Config
from kb.audit import AuditEntry, check, entries
from web.auth import CONSOLE, LOG_OUT, OPERATOR, operator_of
from web.chat_theme import ASSETS
from web.desk import Desk
from web.knowledge_actions import knowledge_actions
from web.playground import add_playground, mount_operators_page
from web.review_actions import review_actions

SCRIPTS = ("review.js",)
"""Of the review tab, in the order in which they make one script."""
_PAGE = 50


def mount_console(app: FastAPI, desk: Desk, config: Config) -> None:
    """Serve the console; mount it before the chat page, which takes what is left over."""
    with gr.Blocks(title=f"{config.branding.name}: console", analytics_enabled=False, fill_width=True) as page:
        who = gr.HTML(apply_default_css=False, elem_classes="fc-who")
        page.load(_who, None, who, queue=False, api_visibility="private")
        with gr.Tab("Review"):
            gr.HTML(
                html_template=(ASSETS / "review.html").read_text(encoding="utf-8"),
                js_on_load="\n".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS),
                server_functions=[*review_actions(desk), *knowledge_actions(desk)],
                apply_default_css=False,
            )
        with gr.Tab("Playground"):
            add_playground(page, desk.bot_now, config)
        with gr.Tab("Audit") as tab:
            _add_audit(tab, desk)
    mount_operators_page(app, page, CONSOLE, config)


def _who(request: gr.Request) -> str:
    """Return who is logged in, and the way out."""
    operator = operator_of(_starlette(request))
    return (
        f"<span>{html.escape(operator.operator_id)}</span> <small>{operator.role}</small>"
        f'<form method="post" action="{LOG_OUT}"><button>Log out</button></form>'
    )


def _add_audit(tab: gr.Tab, desk: Desk) -> None:
    """Put the audit into a tab: the newest entries, older ones on demand, and whether the chain is whole."""
    before = gr.State(None)
    with gr.Row():
        newest, older, verify = (
            gr.Button(name, size="md", scale=0, min_width=100) for name in ("Newest", "Older", "Verify")
        )
    checked = gr.HTML(apply_default_css=False, elem_classes="fp-result")
    shown = gr.HTML(apply_default_css=False, elem_classes="fp-result")

    def page_of(last: int | None) -> tuple[str, int | None]:
        found = entries(desk.engine, before=last, limit=_PAGE)
        return _audit_html(found), found[-1].audit_id if found else last

    def verified() -> str:
        found = check(desk.engine)
        if found.broken_at is not None:
            return f'<p class="fp-note" role="alert">Entry {found.broken_at} was changed, or one before it removed.</p>'
        return f'<p class="fp-note" role="status">{found.entries} entries, all as they were written.</p>'

    quick: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    gr.on([tab.select, newest.click], lambda: page_of(None), None, [shown, before], **quick)
    older.click(page_of, before, [shown, before], **quick)
    verify.click(verified, None, checked, **quick)


def _audit_html(found: list[AuditEntry]) -> str:
    if not found:
        return '<p class="fp-note" role="status">Nothing was done before.</p>'
    header = "".join(f'<th scope="col">{name}</th>' for name in ("When (UTC)", "Who", "What", "To what", "Details"))
    rows = "".join(
        f"<tr><td>{each.at:%Y-%m-%d %H:%M:%S}</td><td>{html.escape(each.operator_id or 'command line')}</td>"
        f"<td>{html.escape(each.action)}</td><td>{html.escape(each.subject)}</td>"
        f"<td>{html.escape(', '.join(f'{name}: {value}' for name, value in each.details.items()))}</td></tr>"
        for each in found
    )
    table = f'<table class="fc-audit"><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<div class="fp-scroll" role="region" aria-label="Audit">{table}</div>'


def _starlette(request: gr.Request) -> Request:
    """Return the request that Gradio wraps, with who is logged in."""
    found: Request = request.request
    assert OPERATOR in found.scope, "the console was reached without its guard"
    return found
