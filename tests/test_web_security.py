import asyncio
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from fakes import make_client, make_service
from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.datastructures import Headers
from starlette.types import Message

from bot.config import Config, WebConfig
from kb.database import connect, migrate
from kb.errors import ConfigError
from web.app import create_app

EVIL = "https://evil.example"
SHOP = "https://shop.example"
HOST = "help.shop.example"
OURS = (
    "/api/v1/chat",
    "/api/v1/suggest",
    "/api/v1/nothing",
    "/livez",
    "/readyz",
    "/openapi.json",
    "/chat-assets/chat.css",
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The whole application with the chat page, asked under a host name of the internet."""
    engine = connect(tmp_path_factory.mktemp("web") / "frontdesk.db")
    migrate(engine)
    config = Config(web=WebConfig(requests_per_minute=0))
    yield create_app(make_service(engine, web=config.web), config)
    engine.dispose()


def head(app: FastAPI, method: str, path: str, **headers: str) -> tuple[int, Headers]:
    """Status and headers of a response; what follows, an endless stream perhaps, is not waited for."""
    heads: list[Message] = []

    async def ask() -> None:
        begun = asyncio.Event()

        incoming = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Message:
            for message in incoming:
                return message
            await asyncio.Event().wait()
            raise AssertionError("waits until it is cancelled")

        async def send(message: Message) -> None:
            heads.append(message)
            begun.set()

        given = {"host": HOST} | {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("203.0.113.9", 5),
            "server": (HOST, 443),
            "state": {},
        }
        task = asyncio.create_task(app(scope, receive, send))
        waiting = asyncio.create_task(begun.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        for each in (task, waiting):
            each.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)

    asyncio.run(ask())
    return heads[0]["status"], Headers(raw=heads[0]["headers"])


def addresses(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and address of the application, Gradio's included."""
    found = [("GET", path) for path in OURS] + [("POST", path) for path in OURS]

    def walk(routes: Sequence[Any]) -> None:
        for route in routes:
            inner = getattr(route, "original_router", None) or getattr(route, "app", None)
            if hasattr(inner, "routes"):
                walk(inner.routes)
            elif hasattr(route, "methods"):
                address = re.sub(r"\{[^}]*\}", "x", route.path)
                found.extend((method, address) for method in sorted(route.methods or {"GET"}))

    walk(app.routes)
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("origin", [EVIL, "null", f"https://{HOST}.evil.example", SHOP])
def test_no_route_lets_a_foreign_origin_read_it(app: FastAPI, origin: str) -> None:
    asked = addresses(app)
    assert sum(path.startswith("/gradio_api") for _, path in asked) > 20
    allowed = [
        (method, path)
        for method, path in asked
        if "access-control-allow-origin" in head(app, method, path, origin=origin)[1]
    ]
    assert allowed == []


@pytest.mark.parametrize("origin", [EVIL, "null"])
def test_no_preflight_of_a_foreign_origin_succeeds(app: FastAPI, origin: str) -> None:
    for _, path in addresses(app):
        asked = {"origin": origin, "access_control_request_method": "POST"}
        status, headers = head(app, "OPTIONS", path, **asked)
        assert status >= 400
        assert "access-control-allow-origin" not in headers


def test_every_route_has_the_headers_that_keep_a_browser_in_bounds(app: FastAPI) -> None:
    for method, path in addresses(app):
        headers = head(app, method, path)[1]
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "same-origin", path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["x-frame-options"] == "DENY", path


def test_the_page_may_load_from_its_own_server_alone(app: FastAPI) -> None:
    status, headers = head(app, "GET", "/")
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert not re.search(r"https?:|\*", policy)


def test_what_the_api_returns_loads_nothing_and_is_not_kept(app: FastAPI) -> None:
    headers = head(app, "GET", "/api/v1/suggest")[1]
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["cache-control"] == "no-store"


def test_the_documents_of_the_api_load_nothing_from_elsewhere(app: FastAPI) -> None:
    assert [head(app, "GET", path)[0] for path in ("/docs", "/redoc")] == [404, 404]


def test_a_listed_origin_may_call_the_api_and_reads_refusals_too(sqlite_engine: Engine) -> None:
    web = WebConfig(allowed_origins=(SHOP,), requests_per_minute=1)
    client = make_client(make_service(sqlite_engine, web=web), Config(web=web), headers={"Origin": SHOP})
    body = {"message": "Where is my order?"}
    answers = [client.post("/api/v1/chat", json=body) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 429]
    assert [each.headers["access-control-allow-origin"] for each in answers] == [SHOP, SHOP]
    evil = client.post("/api/v1/chat", json=body, headers={"Origin": EVIL})
    assert "access-control-allow-origin" not in evil.headers


@pytest.mark.parametrize("origin", ["*", "null", "shop.example", "https://*.example", "https://shop.example/page"])
def test_an_allowed_origin_that_is_none_is_refused(sqlite_engine: Engine, origin: str) -> None:
    config = Config(web=WebConfig(allowed_origins=(origin,)))
    with pytest.raises(ConfigError, match=r"web\.allowed_origins"):
        create_app(make_service(sqlite_engine), config, page=False)
