"""Errors as `application/problem+json` (RFC 9457): what was expected, what came, what to do; never a stack trace.

What an error says of the server's own files and databases goes to its log, and not to the customer.
"""

from collections.abc import Mapping
from http import HTTPStatus
from traceback import format_tb
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kb.errors import (
    ConflictError,
    FrontdeskError,
    InputError,
    ModelError,
    NotFoundError,
    StorageError,
    VectorIndexError,
)

_log = structlog.get_logger(__name__)

PROBLEM_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
"""When to try again what the server could not do just now."""
# Family → status, last part of the type, and the public words where the error's own are for operators only.
_FAMILIES: tuple[tuple[type[FrontdeskError], int, str, str], ...] = (
    (InputError, 422, "unusable", ""),
    (NotFoundError, 404, "not-found", ""),
    (ConflictError, 422, "key-used-before", ""),
    (VectorIndexError, 503, "not-ready", "the answers are still being prepared; try again in a moment"),
    (ModelError, 503, "not-ready", "the answers are still being prepared; try again in a moment"),
    (StorageError, 503, "storage-away", "the database does not answer, and nothing was kept; try again in a moment"),
)


class FieldProblem(BaseModel):
    """What is wrong with one part of a request."""

    where: str = Field(examples=["body.message"])
    detail: str = Field(examples=["Field required"])


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = Field(examples=["urn:frontdesk:not-found"], description="Stable name of the kind of error.")
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(
        examples=["expected the id of a conversation; got an unknown one; start a new conversation"],
        description="What was expected, what came, and what to do.",
    )
    errors: list[FieldProblem] | None = Field(default=None, description="Each part of the request that is wrong.")


def problem(
    status: int,
    kind: str,
    detail: str,
    *,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return an error response; a 503 tells when to try again."""
    body: dict[str, Any] = {
        "type": f"urn:frontdesk:{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors is not None:
        body["errors"] = errors
    sent = dict(headers or {})
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        sent.setdefault("Retry-After", str(RETRY_AFTER_S))
    return JSONResponse(body, status_code=status, headers=sent, media_type=PROBLEM_TYPE)


def problem_of(error: FrontdeskError) -> JSONResponse:
    """Return the response to an error raised on purpose."""
    for family, status, kind, words in _FAMILIES:
        if isinstance(error, family):
            if words:
                _log.warning("request refused", kind=kind, reason=str(error))
            return problem(status, kind, words or str(error))
    return _unexpected(error)


def add_problems(app: FastAPI) -> None:
    """Make every error of the app's own routes a problem."""

    @app.exception_handler(FrontdeskError)
    def on_purpose(_: Request, error: FrontdeskError) -> Response:
        return problem_of(error)

    @app.exception_handler(HTTPException)
    def http(_: Request, error: HTTPException) -> Response:
        kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        return problem(error.status_code, kind, str(error.detail), headers=error.headers)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:
        # Without the input: it may be long, and may hold what JSON in UTF-8 can't.
        errors = [{"where": _where(each["loc"]), "detail": _sendable(each["msg"])} for each in error.errors()]
        detail = "; ".join(f"{each['where']}: {each['detail']}" for each in errors[:3])
        return problem(422, "invalid", detail, errors=errors)


class UnexpectedErrors:
    """ASGI middleware: a defect becomes a 500 without a word about the inside, and goes to the log with all of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if started:
                raise
            await _unexpected(error)(scope, receive, send)


def _unexpected(error: Exception) -> JSONResponse:
    # As text, which has no values of variables in it: they may be what a customer wrote.
    _log.error("request failed", error=type(error).__name__, traceback="".join(format_tb(error.__traceback__)))
    return problem(500, "failed", "something went wrong on our side; try again")


def _where(location: tuple[int | str, ...]) -> str:
    return _sendable(".".join(map(str, location)))[:200]


def _sendable(words: str) -> str:
    return words.encode("utf-8", "replace").decode("utf-8")
