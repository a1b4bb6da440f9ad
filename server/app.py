"""The ASGI application: one connexion `AsyncApp` per document, mounted side by side.

Paths and error shapes collide between documents, so each API has a stack of its own: what words its errors, and below
it the pipeline from a path to an endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import orjson
from connexion import AsyncApp
from connexion.middleware.main import API

from codegen.generated import APIS
from server.binding.boundary import Boundary, Wording
from server.binding.endpoint import Endpoints, Serving
from server.binding.pipeline import Gate, Pipeline
from server.inspect import GENERATED, find_handler, operations
from server.logs import request_id
from server.openapi31.specification import Document
from server.operational import SHORT_NAMES
from server.request import KEY, Request

PREFIXES = {api.slug: api.prefix for api in APIS}
"""Where each API is mounted."""


class DialectApp(AsyncApp):  # type: ignore[misc]
    """The application of one API. Connexion assembles the stack, at the first request; every layer of it is ours, for
    OpenAPI 3.1."""

    def __init__(self, document: Document, boundary: Callable[[Any], Boundary], pipeline: Pipeline) -> None:
        super().__init__(__name__, middlewares=[boundary])
        self.middleware.app = self._middleware_app = pipeline
        # `add_api` cannot take a Specification: it would load, and refuse, the 3.1 document itself.
        self.middleware.apis.append(API(document, base_path=""))

    @property
    def entry(self) -> Any:
        """The outermost layer, once the stack stands: connexion has nothing to do for a request then."""
        middleware = self.middleware
        return middleware if middleware.middleware_stack is None else middleware.app


def dialect_app(document: Document, serving: Serving, gate: Gate) -> DialectApp:
    """An API with its handlers."""
    handlers = {
        operation.operation_id: handler
        for operation in document.operations
        if (handler := find_handler(operation)) is not None
    }
    boundary = partial(Boundary, wording=serving.wording, recorder=serving.recorder)
    return DialectApp(document, boundary, Pipeline(serving.api, Endpoints(serving, handlers), gate))


def load_document(api: str, prefix: str) -> Document:
    """The overlaid document of an API, its `servers` saying where it is mounted here."""
    spec = orjson.loads((GENERATED / api / "openapi.json").read_bytes())
    spec["servers"] = [{"url": prefix or "/"}]
    return Document(spec, operations(api))


def load_wording(api: str) -> Wording:
    wording: Any = import_module(f"handlers.{api}.errors")
    return wording  # type: ignore[no-any-return]


class Mount:
    """`below` is how the paths begin that are the API's."""

    __slots__ = ("app", "below", "prefix")

    def __init__(self, prefix: str, app: DialectApp) -> None:
        self.prefix = prefix
        self.below = prefix + "/"
        self.app = app


class Mounts:
    """Gives each request to the API whose prefix its path has, and every other one to `rest` (ASGI).

    `apis` and `documents` are by prefix; prefixes are unique in their first segment, or the only one is empty. What an
    API on the empty prefix has no operation for among the short names stays with `rest`.
    """

    def __init__(self, apis: Mapping[str, DialectApp], documents: Mapping[str, Document], rest: Any) -> None:
        self._mounts = {prefix.split("/")[1]: Mount(prefix, app) for prefix, app in apis.items() if prefix}
        self._root = Mount("", apis[""]) if "" in apis else None
        self._documents = {prefix + "/openapi.json": document.content for prefix, document in documents.items()}
        taken = {prefix + op.path for prefix, document in documents.items() for op in document.operations}
        self._short_names = SHORT_NAMES - taken
        self._rest = rest

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        path: str = scope["path"]
        mount = self._find(path)
        if mount is None:
            await self._rest(scope, receive, send)
            return
        document = self._documents.get(path)
        if document is not None and scope["method"] in ("GET", "HEAD"):
            await _send_document(document, send)
            return
        request = scope[KEY] = Request(scope, path[len(mount.prefix) :])
        request_id.set(request.request_id)
        await mount.app.entry(scope, receive, send)

    def _find(self, path: str) -> Mount | None:
        if self._root is not None:
            is_ours = path[:1] != "/" or path.startswith("/-/") or path in self._short_names
            return None if is_ours else self._root
        _, _, below = path.partition("/")
        mount = self._mounts.get(below.partition("/")[0])
        return mount if mount is not None and path.startswith(mount.below) else None


async def _send_document(document: bytes, send: Any) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(document))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": document})
