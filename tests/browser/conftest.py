"""The chat page on a real server with a real SQLite log, in a headless Chromium."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import uvicorn
from chat_pages import Chat, Site
from fakes_chat import PAIRS, WordAnswerer
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from bot.config import Branding, Config, WebConfig
from kb.database import connect, migrate
from kb.log import ConversationLog
from kb.types import QAPair
from web.app import create_app
from web.service import Answerer, ChatService

PATIENCE_MS = 15_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs Chromium."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium; where there is none, a failure on CI and a skip elsewhere.

    Not for the whole session: while Playwright runs, other tests of this thread can't run an event loop of their own.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        reason = "needs Chromium: install the package chromium"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        # As root, as in a container, Chromium starts without its sandbox only.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve an app on a free port of this machine while inside."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=20)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Start a server with these pairs or this bot, branding and limits; it ends with the test."""
    ends: list[Callable[[], Any]] = []

    def start(
        pairs: Sequence[QAPair] | None = None,
        branding: Branding | None = None,
        answerer: Answerer | None = None,
        **limits: Any,
    ) -> Site:
        engine = connect(tmp_path / "frontdesk.db")
        migrate(engine)
        web = WebConfig(**{"max_message_length": 200, "requests_per_minute": 0} | limits)
        service = ChatService(answerer or WordAnswerer(pairs or PAIRS), ConversationLog(engine), web)
        server = serving(create_app(service, Config(branding=branding or Branding(), web=web)))
        url = server.__enter__()
        ends.extend((engine.dispose, lambda: server.__exit__(None, None, None)))
        return Site(url=url, engine=engine, service=service)

    yield start
    for end in reversed(ends):
        end()


@pytest.fixture
def site(serve: Callable[..., Site]) -> Site:
    """A server with the usual pairs."""
    return serve()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Chat]]:
    """Open a page in a browser of its own; keywords go to Playwright's new_context."""
    contexts: list[BrowserContext] = []

    def start(url: str, **options: Any) -> Chat:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        chat = Chat(context.new_page())
        context.on("request", lambda request: chat.requests.append(request.url))
        chat.page.on("pageerror", lambda error: chat.errors.append(str(error)))
        chat.page.on("console", lambda said: chat.refused.append(said.text) if "Policy" in said.text else None)
        return chat.open(url)

    yield start
    for context in contexts:
        context.close()
