"""ASGI middleware against too much: bodies that are too large or too slow, and clients that ask too often."""

import asyncio
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kb.errors import ConfigError, describe
from web.problems import problem

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

BODY_TIMEOUT_S = 30.0
"""A body that has not come by then gets 408."""
# Read and thrown away before a 413, so that a client that is still sending gets to read it; then the line is cut.
_DRAINED_BYTES = 64 * 1024 * 1024
_DRAIN_S = 10.0
_LONGEST_NUMBER = 20
_MOST_CLIENTS = 50_000
_IPV6_CLIENT_BITS = 64
_READS = ("GET", "HEAD", "OPTIONS")


class BodyLimit:
    """Takes in the whole body before the app sees it; 413 where it is too large, 408 where it is too slow."""

    def __init__(self, app: ASGIApp, most_bytes: int, timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = _announced(headers)
        if length > self._most_bytes:
            if headers.get("expect", "").lower() != "100-continue" and length <= _DRAINED_BYTES:
                await _drain(receive)
            await self._refuse(413, scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await _read(receive, self._most_bytes)
        except TimeoutError:
            await self._refuse(408, scope, receive, send)
            return
        except ClientDisconnect:
            return
        if body is None:
            await self._refuse(413, scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _refuse(self, status: int, scope: Scope, receive: Receive, send: Send) -> None:
        close = {"Connection": "close"}
        if status == 413:
            detail = describe(
                expected=f"a body of at most {self._most_bytes} bytes", got="a larger one", remedy="send less at once"
            )
            response = problem(413, "too-large", detail, headers=close)
        else:
            detail = describe(
                expected=f"the whole body within {self._timeout_s:g} s", got="a part of it", remedy="send it again"
            )
            response = problem(408, "too-slow", detail, headers=close)
        await response(scope, receive, send)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """429 with Retry-After for a client that asks more often than `per_minute`, counted as a bucket of that size.

    Counted is what costs work: the REST API, and everything but reading on the other routes. Clients are told apart by
    the address of the connection (an IPv6 network of 64 bits is one client); X-Forwarded-For is believed only from
    trusted proxies, and only as far as these have written it.
    """

    def __init__(
        self,
        app: ASGIApp,
        per_minute: int,
        trusted_proxies: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._per_minute = per_minute
        self._trusted = networks(trusted_proxies)
        self._clock = clock
        # Only used from the event loop. The client that was quiet longest is forgotten first.
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and self._per_minute and _is_counted(scope):
            wait_s = self._take(client_of(scope, self._trusted))
            if wait_s:
                detail = describe(
                    expected=f"at most {self._per_minute} requests a minute",
                    got="more",
                    remedy=f"wait {wait_s} s",
                )
                refusal = problem(429, "too-many-requests", detail, headers={"Retry-After": str(wait_s)})
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _take(self, client: str) -> int:
        """Take one token of the client's bucket and return 0, or return the seconds until there is one."""
        now = self._clock()
        bucket = self._buckets.setdefault(client, _Bucket(tokens=self._per_minute, filled_at=now))
        self._buckets.move_to_end(client)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        per_second = self._per_minute / 60
        bucket.tokens = min(self._per_minute, bucket.tokens + (now - bucket.filled_at) * per_second)
        bucket.filled_at = now
        if bucket.tokens < 1:
            return math.ceil((1 - bucket.tokens) / per_second)
        bucket.tokens -= 1
        return 0


def client_of(scope: Scope, trusted: Sequence[Network]) -> str:
    """Return who is at the other end: the nearest address of the chain that is no trusted proxy."""
    peer = scope.get("client")
    client = peer[0] if peer else ""
    address = _address(client)
    if address is None or not _is_in(address, trusted):
        return _name(address, client)
    forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
    for hop in reversed(forwarded.split(",")):
        found = _address(hop)
        if found is None:
            break
        address = found
        if not _is_in(found, trusted):
            break
    return _name(address, client)


def networks(addresses: Sequence[str]) -> tuple[Network, ...]:
    """Return addresses and networks (`10.0.0.0/8`) as networks; ConfigError where one is neither."""
    try:
        return tuple(ipaddress.ip_network(each) for each in addresses)
    except ValueError as error:
        raise ConfigError(
            describe(
                expected="web.trusted_proxies as addresses or networks such as 10.0.0.0/8",
                got=str(error),
                remedy="mend it",
            )
        ) from error


def _is_counted(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith("/api/") or scope["method"] not in _READS


def _address(words: str) -> Address | None:
    try:
        address = ipaddress.ip_address(words.strip())
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_in(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def _name(address: Address | None, words: str) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), _IPV6_CLIENT_BITS), strict=False))
    return words if address is None else str(address)


def _announced(headers: Headers) -> int:
    """Return the length that the client says its body has, 0 where it doesn't say."""
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdecimal() and len(length) < _LONGEST_NUMBER else 0


async def _read(receive: Receive, most_bytes: int) -> bytes | None:
    """Return the whole body, None after one that is larger; ClientDisconnect where the client left in the middle."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > most_bytes:
            if message.get("more_body", False):
                await _drain(receive)
            return None
        if not message.get("more_body", False):
            return bytes(body)


async def _drain(receive: Receive) -> None:
    left = _DRAINED_BYTES
    try:
        async with asyncio.timeout(_DRAIN_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
