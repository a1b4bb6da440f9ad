"""The documentation page: Swagger UI from our own files, over the documents that the server serves.

Nothing is loaded from elsewhere, and the Content-Security-Policy lets nothing be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class ShownApi:
    """One API of the page. `prefix` is where it is mounted (`/ipop/v1`, or `/v1` as root); its `openapi.json` is below.

    `not_built` names the operations that answer 501, as `METHOD /path`, the path as the document has it.
    """

    name: str
    prefix: str
    not_built: Sequence[str] = ()


def docs_app(apis: Sequence[ShownApi]) -> ASGIApp:
    """To be mounted at `/-/docs`: addresses on the page are relative to that depth, so a proxy may add a prefix."""
    listing = [
        {"name": api.name, "url": f"../..{api.prefix.rstrip('/')}/openapi.json", "not_built": list(api.not_built)}
        for api in apis
    ]

    async def index(_: Request) -> Response:
        return FileResponse(HERE / "page" / "index.html")

    async def list_apis(_: Request) -> Response:
        return JSONResponse(listing)

    return _Headed(
        Starlette(
            routes=[
                Route("/", index),
                Route("/apis.json", list_apis),
                Mount("/page", StaticFiles(directory=HERE / "page")),
                Mount("/swagger_ui", StaticFiles(directory=HERE / "swagger_ui")),
            ]
        )
    )


class _Headed:
    """Adds `HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_headed)
