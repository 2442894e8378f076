"""The server: uvicorn with one worker, that cuts slow request heads and leaves within seconds when it is told to."""

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.config import WebConfig
from kb.errors import ConfigError, describe

GRACE_S = 8
"""Requests in flight get this long to finish after SIGTERM; with the rest of the way out it stays below 10 s."""
_KEEP_ALIVE_S = 15
_BACKLOG = 2048
# Streams that stay open as long as a page does: waiting for them would always use up the grace.
_ENDLESS = "/gradio_api/heartbeat/"


class HeadTimeoutProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection whose request head is not there in time, counted from its beginning.

    The first request's head is waited for from the moment of connecting; between requests, the keep-alive timeout
    counts until the first byte comes.
    """

    head_timeout_s = 10.0
    _head_timer: asyncio.TimerHandle | None = None
    _is_first = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Stop waiting where this completes a head; begin where it is the beginning of one."""
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        """Look whether the next head has begun already."""
        super().on_response_complete()
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _watch_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._is_first = False
        is_waiting = self.conn.their_state is h11.IDLE and (self._is_first or bool(self.conn.trailing_data[0]))
        if not is_waiting or self.transport.is_closing():
            self._stop_waiting()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_timeout_s, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            scope: Any = getattr(connection, "scope", None)
            if scope is not None and scope["path"].startswith(_ENDLESS):
                connection.transport.close()
        await super().shutdown(sockets)


def listen(web: WebConfig) -> socket.socket:
    """Return a socket that listens at the configured address; port 0 takes a free one.

    Raises:
        ConfigError: the address is taken, or not one of this machine.
    """
    try:
        family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
        return socket.create_server((web.host, web.port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            describe(
                expected="a free address of this machine",
                got=f"{web.host}:{web.port}: {getattr(error, 'strerror', None) or error}",
                remedy="stop what listens there, or choose another --host or --port",
            )
        ) from error


def make_server(app: ASGIApp, web: WebConfig) -> uvicorn.Server:
    """Return the server, to be run with a socket of `listen`."""
    protocol = type("Protocol", (HeadTimeoutProtocol,), {"head_timeout_s": web.header_timeout_s})
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="on",
        # Addresses are told by `web.limits`, which believes only the configured proxies.
        proxy_headers=False,
        server_header=False,
        # Its lines would hold what customers type: the search words of /api/v1/suggest.
        access_log=False,
        log_level="warning",
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    return _Server(config)


def serve(app: ASGIApp, web: WebConfig, listener: socket.socket | None = None) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished, then this returns.

    Args:
        app: from `web.app.create_app`.
        web: address and limits.
        listener: from `listen`, where the caller wants to know early that the address is free.

    Raises:
        ConfigError: the address is taken, or not one of this machine.
    """
    sockets = [listener or listen(web)]
    server = make_server(app, web)
    with _returning(server):
        server.run(sockets)


@contextmanager
def _returning(server: uvicorn.Server) -> Iterator[None]:
    """Let uvicorn return to its caller: when it is done, it sends itself the signal again, which would end us here."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(_: int, __: FrameType | None) -> None:
        server.should_exit = True

    handlers = {each: signal.signal(each, leave) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
