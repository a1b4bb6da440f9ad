"""Routes about the server itself: health, readiness and the docs page; and the answer to paths that are nobody's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

DOCS = "/-/docs/"
SHORT_NAMES = frozenset({"/", "/docs", "/healthz", "/readyz", "/metrics"})


def operational_app(ready: Callable[[], Awaitable[bool]], docs: Any) -> Router:
    """`/-/healthz`, `/-/readyz`, `/-/metrics`, `/-/docs`, and their short names where no API has taken them."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        is_ready = await ready()
        return JSONResponse({"status": "ready" if is_ready else "not_ready"}, 200 if is_ready else 503)

    async def metrics(_: Request) -> Response:
        error = {"code": "not_implemented", "message": "metrics are not implemented yet"}
        return JSONResponse({"error": error}, 501)

    async def to_docs(_: Request) -> Response:
        return RedirectResponse(DOCS)

    endpoints = {"healthz": healthz, "readyz": readyz, "metrics": metrics}
    routes: list[BaseRoute] = [
        Route(prefix + name, endpoint, methods=["GET"])
        for name, endpoint in endpoints.items()
        for prefix in ("/-/", "/")
    ]
    routes += [Mount("/-/docs", docs), Route("/docs", to_docs), Route("/-/docs", to_docs), Route("/", to_docs)]
    return Router(routes, redirect_slashes=False, default=_nobody)


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    error = {"code": "path_not_found", "message": f"no API is mounted here; {DOCS} lists those that are"}
    await JSONResponse({"error": error}, 404)(scope, receive, send)
