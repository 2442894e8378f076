import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from fakes import make_client, make_service
from sqlalchemy import Engine
from starlette.types import Message, Receive, Scope, Send

from bot.config import Config, WebConfig
from kb.errors import ConfigError
from web.limits import BodyLimit, RateLimit, client_of, networks

PROXY, CLIENT, FORGED = "10.0.0.1", "203.0.113.9", "198.51.100.7"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive()).get("body", b"") if scope["method"] == "POST" else b""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def request(app: Any, chunks: Sequence[bytes | None] = (b"",), **fields: Any) -> list[Message]:
    """What an app sends to a request whose body comes in chunks; None is a client that leaves."""
    sent: list[Message] = []
    incoming = iter(chunks)

    async def receive() -> Message:
        chunk = next(incoming, b"")
        if chunk is None:
            return {"type": "http.disconnect"}
        if chunk == b"wait":
            await asyncio.Event().wait()
        return {"type": "http.request", "body": chunk, "more_body": chunk != b""}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/api/v1/chat", "headers": [], "client": (CLIENT, 5)} | fields
    asyncio.run(app(scope, receive, send))
    return sent


def status(sent: list[Message]) -> int:
    return int(sent[0]["status"])


def test_a_body_up_to_the_limit_reaches_the_app_whole() -> None:
    assert request(BodyLimit(echo, 10), [b"abcde", b"fghij", b""])[1]["body"] == b"abcdefghij"


def test_a_body_that_turns_out_too_large_is_413() -> None:
    assert status(request(BodyLimit(echo, 10), [b"abcde", b"fghijk", b"l" * 100, b""])) == 413


def test_a_body_that_is_announced_too_large_is_413_without_reading_it_where_the_client_waits_for_a_word() -> None:
    headers = [(b"content-length", b"11"), (b"expect", b"100-continue")]
    assert status(request(BodyLimit(echo, 10), [b"wait"], headers=headers)) == 413


def test_a_body_that_does_not_come_is_408() -> None:
    assert status(request(BodyLimit(echo, 10, timeout_s=0.01), [b"abc", b"wait"])) == 408


def test_a_client_that_leaves_in_the_middle_of_its_body_is_not_served() -> None:
    assert request(BodyLimit(echo, 10), [b"abc", None]) == []


def test_over_the_limit_is_429_and_tells_when_to_go_on() -> None:
    clock = Clock()
    limit = RateLimit(echo, per_minute=30, clock=clock)
    assert [status(request(limit)) for _ in range(31)] == [200] * 30 + [429]
    headers = dict(request(limit)[0]["headers"])
    assert headers[b"retry-after"] == b"2"
    assert headers[b"content-type"] == b"application/problem+json"
    clock.now = 2.0
    assert [status(request(limit)) for _ in range(2)] == [200, 429]


def test_clients_are_counted_apart() -> None:
    limit = RateLimit(echo, per_minute=1, clock=Clock())
    assert status(request(limit)) == 200
    assert status(request(limit, client=(FORGED, 5))) == 200
    assert status(request(limit)) == 429


def test_a_forged_forwarded_for_does_not_evade_the_limit() -> None:
    limit = RateLimit(echo, per_minute=1, clock=Clock())
    answers = [request(limit, headers=[(b"x-forwarded-for", f"198.51.100.{n}".encode())]) for n in range(3)]
    assert [status(each) for each in answers] == [200, 429, 429]


def test_an_ipv6_network_is_one_client() -> None:
    limit = RateLimit(echo, per_minute=1, clock=Clock())
    assert status(request(limit, client=("2001:db8:1:2::1", 5))) == 200
    assert status(request(limit, client=("2001:db8:1:2:ffff::2", 5))) == 429
    assert status(request(limit, client=("2001:db8:1:3::1", 5))) == 200


def test_reading_pages_and_asking_after_health_is_not_counted() -> None:
    limit = RateLimit(echo, per_minute=1, clock=Clock())
    answers = [request(limit, method="GET", path=path) for path in ("/", "/livez", "/readyz", "/chat-assets/chat.css")]
    assert [status(each) for each in answers] == [200] * 4
    assert [status(request(limit, path="/gradio_api/component_server")) for _ in range(2)] == [200, 429]


def test_no_limit_is_no_limit() -> None:
    limit = RateLimit(echo, per_minute=0)
    assert {status(request(limit)) for _ in range(300)} == {200}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (CLIENT, [FORGED], CLIENT),
        (PROXY, [CLIENT], CLIENT),
        (PROXY, [f"{FORGED}, {CLIENT}"], CLIENT),
        (PROXY, [FORGED, f"{CLIENT}, 10.0.0.2"], CLIENT),
        (PROXY, [f"{FORGED}, nonsense"], PROXY),
        (PROXY, [f"{FORGED}, nonsense, 10.0.0.2"], "10.0.0.2"),
        (PROXY, [], PROXY),
        (f"::ffff:{PROXY}", [CLIENT], CLIENT),
        ("testclient", [FORGED], "testclient"),
    ],
)
def test_only_what_trusted_proxies_wrote_is_believed(peer: str, forwarded: list[str], client: str) -> None:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    scope = {"type": "http", "client": (peer, 5), "headers": headers}
    assert client_of(scope, networks(["10.0.0.0/8"])) == client


def test_a_trusted_proxy_that_is_no_address_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"web\.trusted_proxies"):
        networks(["proxy.local"])


def test_the_app_keeps_its_configured_limits(sqlite_engine: Engine) -> None:
    web = WebConfig(requests_per_minute=2, max_body_bytes=1_000, max_message_length=5)
    client = make_client(make_service(sqlite_engine, web=web), Config(web=web))

    def chat(message: str) -> int:
        headers = {"X-Forwarded-For": message[:3]}
        return client.post("/api/v1/chat", json={"message": message}, headers=headers).status_code

    assert [chat("a" * 2_000), chat("a" * 6), chat("a")] == [413, 422, 429]


def test_a_5_mb_body_in_pieces_of_unknown_length_is_413(sqlite_engine: Engine) -> None:
    client = make_client(make_service(sqlite_engine))

    def pieces() -> Any:
        yield from (b"a" * 50_000 for _ in range(100))

    refused = client.post("/api/v1/chat", content=pieces())
    assert (refused.status_code, refused.json()["type"]) == (413, "urn:frontdesk:too-large")
