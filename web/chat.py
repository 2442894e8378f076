"""The chat page: one Gradio component with a view of our own, talking to the shared ChatService.

Gradio serves the page and carries its calls; the markup, the style and the script are in `web/assets`, so that the page
looks like the organisation's and not like a demonstration. Nothing is fetched from anywhere but this server.
"""

import base64
import os
from typing import Any

import gradio as gr
from fastapi import FastAPI, Response
from fastapi.staticfiles import StaticFiles

from bot.config import Branding, WebConfig
from web.chat_actions import chat_actions
from web.chat_theme import ASSETS, gradio_theme, head, logo_url
from web.service import ChatService

ASSETS_PATH = "/chat-assets"
# In this order they make one script: a later file uses what an earlier one declares.
SCRIPTS = ("chat_dom.js", "chat_turn.js", "chat_vote.js", "chat_composer.js", "chat_dialogs.js", "chat_page.js")
# The page's calls run on the server's worker threads and not through Gradio's queue, so that nobody waits behind a slow
# answer. The queue stays empty; it is bounded all the same, for it can be reached from outside.
CONCURRENCY = 16
MAX_QUEUE = 64

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")


def build_page(service: ChatService, branding: Branding, web: WebConfig | None = None) -> gr.Blocks:
    """Return the page's Gradio blocks; `mount_page` serves them with head and theme.

    Raises:
        ConfigError: the branding has a colour or a logo that can't be used.
    """
    limits = web or WebConfig()
    boot = {"branding": _branding(branding), "limits": {"max_message_length": limits.max_message_length}}
    with gr.Blocks(title=branding.name, analytics_enabled=False, fill_width=True, fill_height=True) as page:
        gr.HTML(
            html_template=(ASSETS / "chat.html").read_text(encoding="utf-8"),
            js_on_load="\n".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS),
            server_functions=chat_actions(service),
            apply_default_css=False,
            elem_classes="fd-frame",
            boot=boot,
        )
    page.queue(max_size=MAX_QUEUE, default_concurrency_limit=CONCURRENCY, api_open=False)
    return page


def mount_page(app: FastAPI, service: ChatService, branding: Branding, web: WebConfig | None = None) -> FastAPI:
    """Serve the chat page at "/" of `app`, and its fonts beside it; mount it last, since it takes what is left over.

    Raises:
        ConfigError: the branding has a colour or a logo that can't be used.
    """
    add_assets(app, branding)
    gr.mount_gradio_app(
        app,
        build_page(service, branding, web),
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=1,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        theme=gradio_theme(branding),
        head=head(branding),
    )
    return app


def add_assets(app: FastAPI, branding: Branding) -> None:
    """Serve the fonts, and what browsers ask for by themselves, which Gradio would answer with its own logo."""
    app.mount(ASSETS_PATH, StaticFiles(directory=ASSETS), name="chat-assets")
    logo = logo_url(branding)
    kind, content = logo.removeprefix("data:").split(";base64,", 1)
    icon = base64.b64decode(content)
    manifest = {
        "name": branding.name,
        "display": "standalone",
        "start_url": "./",
        "icons": [{"src": logo, "type": kind, "sizes": "any"}],
    }

    @app.get("/favicon.ico", include_in_schema=False)
    def favicon() -> Response:
        return Response(icon, media_type=kind, headers={"Cache-Control": "max-age=3600"})

    @app.get("/manifest.json", include_in_schema=False)
    def app_manifest() -> dict[str, Any]:
        return manifest


def _branding(branding: Branding) -> dict[str, Any]:
    return {
        "name": branding.name,
        "tagline": branding.tagline,
        "greeting": branding.greeting,
        "contact": branding.contact,
        "starters": list(branding.starters),
        "logo": logo_url(branding),
    }
