"""The operators' log-in: a page, a cookie, and a guard in front of everything under one path.

The guard stands before the mounted console and knows nothing of its routes: whatever Gradio serves there, its API,
files and queue too, is closed to whoever has no session. The cookie holds a random token; the database its hash.
"""

import html
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import anyio.to_thread
from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.config import Branding
from kb.errors import StorageError
from kb.operators import Operator, Operators
from web.chat_theme import head
from web.problems import problem, problem_of

CONSOLE = "/operator"
LOG_IN, LOG_OUT = f"{CONSOLE}/login", f"{CONSOLE}/logout"
COOKIE = "frontdesk_operator"
OPERATOR = "frontdesk.operator"
"""Key of the scope that holds who is logged in."""
_CHANGES = ("POST", "PUT", "PATCH", "DELETE")
_FAILED = "Name and password don't fit, or there were too many tries. Wait some minutes, or ask an admin."


class LoginGuard:
    """ASGI middleware: lets nobody without a session see or change anything under `CONSOLE`."""

    def __init__(self, app: ASGIApp, operators: Operators) -> None:
        self._app = app
        self._operators = operators

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not _is_guarded(scope):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["type"] != "http":
            # Gradio needs no WebSocket; one that is opened here is not from its page.
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["method"] in _CHANGES and not is_same_origin(headers, scope):
            await problem(403, "other-origin", "this page can only be used from its own address")(scope, receive, send)
            return
        if scope["path"] == LOG_IN:
            await self._app(scope, receive, send)
            return
        token = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        try:
            operator = await anyio.to_thread.run_sync(self._operator, token) if token else None
        except StorageError as error:
            # Whether somebody is logged in can't be known: nobody is let in.
            await problem_of(error)(scope, receive, send)
            return
        if operator is None:
            await _refusal(headers)(scope, receive, send)
            return
        await self._app({**scope, OPERATOR: operator}, receive, send)

    def _operator(self, token: str) -> Operator | None:
        return self._operators.of_session(token, datetime.now(UTC))


def add_login(app: FastAPI, operators: Operators, branding: Branding) -> None:
    """Put the guard around the app, and add the pages to log in and out."""
    app.add_middleware(LoginGuard, operators=operators)

    @app.get(LOG_IN, include_in_schema=False)
    def form() -> Response:
        return _page(branding, "")

    @app.post(LOG_IN, include_in_schema=False)
    async def log_in(request: Request) -> Response:
        given = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
        name, password = (given.get(field, [""])[0] for field in ("name", "password"))
        token = await anyio.to_thread.run_sync(operators.log_in, name, password, datetime.now(UTC))
        if token is None:
            return _page(branding, _FAILED, status=401)
        response = RedirectResponse(f"{CONSOLE}/", status_code=303)
        is_secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, token, path=CONSOLE, httponly=True, secure=is_secure, samesite="strict")
        return response

    @app.post(LOG_OUT, include_in_schema=False)
    def log_out(request: Request) -> Response:
        operators.log_out(request.cookies.get(COOKIE, ""))
        response = RedirectResponse(LOG_IN, status_code=303)
        response.delete_cookie(COOKIE, path=CONSOLE)
        return response


def operator_of(request: Request) -> Operator:
    """Return who makes a request that the guard let through."""
    operator: Operator = request.scope[OPERATOR]
    return operator


def is_same_origin(headers: Headers, scope: Scope) -> bool:
    """Whether a request comes from a page of this server, or from no page at all."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        return False
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")


def _is_guarded(scope: Scope) -> bool:
    path = scope.get("path", "")
    return scope["type"] in ("http", "websocket") and (path == CONSOLE or path.startswith(f"{CONSOLE}/"))


def _refusal(headers: Headers) -> Response:
    """Return the way to the log-in for who opens a page, and a problem for whatever else calls."""
    if "text/html" in headers.get("accept", ""):
        return RedirectResponse(LOG_IN, status_code=303)
    return problem(401, "not-logged-in", "log in as an operator first")


def _page(branding: Branding, message: str, status: int = 200) -> HTMLResponse:
    told = f'<p class="fl-bad" role="alert">{html.escape(message)}</p>' if message else ""
    name = html.escape(branding.name)
    brand = head(branding, up="../")
    content = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}: log in</title>{brand}'
        f"<style>{_STYLE}</style></head><body><main><form method=post><h1>{name}</h1><p>Operators’ console</p>{told}"
        '<label>Name<input name="name" autocomplete="username" autocapitalize="none" required autofocus></label>'
        '<label>Password<input name="password" type="password" autocomplete="current-password" required></label>'
        "<button>Log in</button></form></main></body></html>"
    )
    return HTMLResponse(content, status_code=status, headers={"Cache-Control": "no-store"})


_STYLE = """
body{margin:0;background:var(--fd-page);color:var(--fd-text);font:16px/1.5 Figtree,system-ui,sans-serif}
main{min-height:100vh;display:grid;place-items:center;padding:1rem;box-sizing:border-box}
form{width:min(22rem,100%);padding:2rem;border:1px solid var(--fd-line);border-radius:16px;background:var(--fd-surface);
box-shadow:var(--fd-shadow);box-sizing:border-box}
h1{margin:0;font-size:1.35rem;font-weight:650}form p{margin:.1rem 0 1.25rem;color:var(--fd-dim)}
label{display:block;font-size:.9rem;font-weight:550;margin-bottom:.9rem}
input{display:block;width:100%;box-sizing:border-box;margin-top:.3rem;padding:.6rem .7rem;font:inherit;color:inherit;
background:var(--fd-page);border:1px solid var(--fd-line-strong);border-radius:10px}
button{width:100%;margin-top:.4rem;padding:.7rem;font:inherit;font-weight:600;border:0;border-radius:10px;cursor:pointer;
background:var(--fd-brand);color:var(--fd-on-brand)}
:focus-visible{outline:2px solid var(--fd-brand);outline-offset:2px}
form .fl-bad{color:var(--fd-bad);background:var(--fd-bad-tint);padding:.6rem .75rem;border-radius:10px}
"""
