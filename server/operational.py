"""Routes about the server itself: health, readiness and the docs page; and the answer to paths that are nobody's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

DOCS = "/-/docs/"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHORT_NAMES = frozenset({"/", "/docs", "/healthz", "/readyz", "/metrics"})


@dataclass(frozen=True, slots=True)
class Metrics:
    """`page` is in Prometheus' text format, and tells of every project: `may_see` judges the headers of a request."""

    page: Callable[[], Awaitable[bytes]]
    may_see: Callable[[Mapping[str, str]], Awaitable[bool]]


def operational_app(ready: Callable[[], Awaitable[bool]], docs: Any, metrics: Metrics) -> Router:
    """`/-/healthz`, `/-/readyz`, `/-/metrics`, `/-/docs`, and their short names where no API has taken them."""

    async def to_docs(_: Request) -> Response:
        return RedirectResponse(DOCS)

    routes = _about_the_process(ready, metrics)
    routes += [Mount("/-/docs", docs), Route("/docs", to_docs), Route("/-/docs", to_docs), Route("/", to_docs)]
    return Router(routes, redirect_slashes=False, default=_nobody)


def worker_app(ready: Callable[[], Awaitable[bool]], metrics: Metrics) -> Router:
    """The same of a process that serves nobody, without the docs page."""
    return Router(_about_the_process(ready, metrics), redirect_slashes=False)


def _about_the_process(ready: Callable[[], Awaitable[bool]], metrics: Metrics) -> list[BaseRoute]:
    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        is_ready = await ready()
        return JSONResponse({"status": "ready" if is_ready else "not_ready"}, 200 if is_ready else 503)

    async def show_metrics(request: Request) -> Response:
        if not await metrics.may_see(dict(request.headers)):
            error = {"code": "unauthorized", "message": "this needs the admin token or the metrics token"}
            return JSONResponse({"error": error}, 401, {"www-authenticate": "Bearer"})
        return Response(await metrics.page(), media_type=METRICS_TYPE)

    endpoints = {"healthz": healthz, "readyz": readyz, "metrics": show_metrics}
    return [
        Route(prefix + name, endpoint, methods=["GET"])
        for name, endpoint in endpoints.items()
        for prefix in ("/-/", "/")
    ]


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    error = {"code": "path_not_found", "message": f"no API is mounted here; {DOCS} lists those that are"}
    await JSONResponse({"error": error}, 404)(scope, receive, send)
