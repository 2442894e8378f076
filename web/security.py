"""Headers that keep a browser from doing more than it must, and who from outside may call: nobody, unless listed."""

import re
from collections.abc import Sequence

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.config import WebConfig
from kb.errors import ConfigError, describe
from web.limits import BodyLimit, RateLimit
from web.problems import UnexpectedErrors

# Gradio's page configures itself in inline scripts, and makes functions of its components' code: hence both 'unsafe-'
# for scripts. Whatever is loaded or called comes from this server alone.
PAGE_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
DATA_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_DATA_PATHS = ("/api/", "/livez", "/readyz", "/openapi.json")
_ORIGIN = re.compile(r"https?://[^\s/?#@*]+")


def add_security(app: FastAPI, web: WebConfig) -> None:
    """Put limits, origins and headers around everything the app serves, the mounted chat page included.

    Raises:
        ConfigError: an allowed origin or a trusted proxy is not one.
    """
    # The last one added is the outermost: every answer, a refusal too, gets its headers.
    app.add_middleware(UnexpectedErrors)
    app.add_middleware(BodyLimit, most_bytes=web.max_body_bytes)
    app.add_middleware(RateLimit, per_minute=web.requests_per_minute, trusted_proxies=web.trusted_proxies)
    # Also where no origin is allowed: Gradio reflects any origin unless the app around it has this middleware.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=_origins(web.allowed_origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Content-Type", "Idempotency-Key"],
        expose_headers=["Retry-After"],
    )
    app.add_middleware(SecurityHeaders)


class SecurityHeaders:
    """ASGI middleware: sets the headers on every response, whoever made it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_data = scope["path"].startswith(_DATA_PATHS)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_EVERYWHERE)
                headers["Content-Security-Policy"] = DATA_POLICY if is_data else PAGE_POLICY
                if is_data:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, with_headers)


def _origins(origins: Sequence[str]) -> list[str]:
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ConfigError(
                describe(
                    expected="web.allowed_origins such as https://shop.example",
                    got=repr(origin),
                    remedy="write scheme and host, without path, star or null",
                )
            )
    return list(origins)
