"""The web application: REST, health, limits and headers, and the chat page around which they stand."""

import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from bot.config import Config
from web.api import api_router, health_router
from web.desk import Desk
from web.http import listen, serve
from web.problems import PROBLEM_TYPE, add_problems
from web.security import add_security
from web.service import ChatService

__all__ = ["create_app", "listen", "serve"]

_SUMMARY = "Answers from an organisation's own answered questions."
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
_OWN_PATHS = ("/livez", "/readyz", "/openapi.json", "/api", "/api/{rest:path}")


def create_app(
    service: ChatService,
    config: Config | None = None,
    *,
    page: bool = True,
    desk: Desk | None = None,
) -> FastAPI:
    """Return the application.

    Args:
        service: the shared chat service.
        config: branding and limits.
        page: whether the chat page is served at "/"; without it, Gradio is not even imported.
        desk: what the operators' console works on; without it, or without the page, there is no console.

    Raises:
        ConfigError: the branding, an allowed origin or a trusted proxy can't be used.
    """
    settings = config or Config()
    # The pages that show OpenAPI documents load their scripts from elsewhere: there are none.
    app = FastAPI(title=settings.branding.name, docs_url=None, redoc_url=None, openapi_url=None)
    if page and desk is not None:
        from web.auth import add_login

        add_login(app, desk.operators, settings.branding)
    add_security(app, settings.web)
    add_problems(app)
    routers = (api_router(service), health_router(service))
    for router in routers:
        app.include_router(router)
    _add_openapi(app)
    _close_own_paths(app, [*app.routes, *(route for router in routers for route in router.routes)])
    if page:
        from web.chat import mount_page

        if desk is not None:
            from web.console import mount_console

            mount_console(app, desk, settings)

        mount_page(app, service, settings.branding, settings.web)
    return app


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of the REST API; its errors are of the media type that they are sent with."""
    document = get_openapi(
        title=f"{app.title}: REST API", version=_version(), summary=_SUMMARY, routes=app.routes, tags=None
    )
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {})
                if status >= "4" and "application/json" in content:
                    content[PROBLEM_TYPE] = content.pop("application/json")
    return document


def _add_openapi(app: FastAPI) -> None:
    content = json.dumps(openapi_document(app), ensure_ascii=False).encode()

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> Response:
        return Response(content, media_type="application/json")


def _close_own_paths(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Answer the wrong methods and unknown addresses of our own paths, which would go to the chat page otherwise."""

    def refuse(request: Request) -> Response:
        partly = [route for route in routes if route.matches(request.scope)[0] is Match.PARTIAL]
        allowed = {method for route in partly for method in (getattr(route, "methods", None) or ())}
        if allowed:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
        raise HTTPException(404, "there is nothing at this address; see /openapi.json")

    for path in _OWN_PATHS:
        app.router.routes.append(Route(path, refuse, methods=_METHODS, include_in_schema=False))


def _version() -> str:
    try:
        return version("frontdesk-bot")
    except PackageNotFoundError:
        return "0"
