"""The router: path and method to an operation, in time that does not grow with the number of routes.

Paths are a tree of segments. A literal segment wins over a parameter, a parameter over one that crosses slashes, and
the search goes back where a choice leads nowhere. Templates of one shape share a node, whatever they call their
parameters, so `/v1/evaluators/{evaluator}` and `/v1/evaluators/{evaluator_id}` may differ by method.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from connexion.middleware.abstract import SpecMiddleware

from codegen.operation import Operation
from handlers.core.errors import MethodNotAllowed, NotFound
from server.openapi31.specification import Document
from server.request import KEY, Request

PARAMETER = re.compile(r"^\{([^{}]+)\}$")
EMBEDDED = re.compile(r"\{[^{}]+\}")

Spans = tuple[tuple[int, int], ...]
"""The first segment and the one after the last of each path parameter."""


class Node:
    """`routes` maps a method to the operation that ends here and the names of its path parameters, in order."""

    __slots__ = ("crossing", "literals", "parameter", "routes")

    def __init__(self) -> None:
        self.literals: dict[str, Node] = {}
        self.parameter: Node | None = None
        self.crossing: Node | None = None
        self.routes: dict[str, tuple[Operation, tuple[str, ...]]] = {}


class Router:
    """`aliases` are pairs of path prefixes: a path without a route is tried again with the second for the first. Below
    the prefixes `slashed` it is tried again without the slash at its end."""

    def __init__(
        self,
        operations: Iterable[Operation],
        aliases: Iterable[tuple[str, str]] = (),
        slashed: Iterable[str] = (),
    ) -> None:
        self._root = Node()
        self._aliases = tuple(aliases)
        self._slashed = tuple(slashed)
        for operation in operations:
            self._add(operation)

    def _add(self, operation: Operation) -> None:
        crossing = {parameter.name for parameter in operation.parameters if parameter.crosses_slashes}
        names: list[str] = []
        node = self._root
        for segment in operation.path[1:].split("/"):
            match = PARAMETER.match(segment)
            if match is None:
                if EMBEDDED.search(segment):
                    raise ValueError(f"{operation.path}: a parameter must be a whole segment")
                node = node.literals.setdefault(segment, Node())
                continue
            names.append(match[1])
            if match[1] in crossing:
                node.crossing = node = node.crossing or Node()
            else:
                node.parameter = node = node.parameter or Node()
        if operation.method in node.routes:
            raise ValueError(f"{operation.method} {operation.path} has two operations")
        node.routes[operation.method] = (operation, tuple(names))

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        """Raises `NotFound`, or `MethodNotAllowed` when only other methods have the path; it names those of the path
        that fits best, as the document does."""
        allowed: set[str] = set()
        for candidate in self._spellings(path):
            segments = candidate[1:].split("/")
            for node, spans in _walk(self._root, segments, 0, ()):
                route = node.routes.get(method)
                if route is not None:
                    operation, names = route
                    values = ("/".join(segments[start:end]) for start, end in spans)
                    return operation, dict(zip(names, values, strict=True))
                allowed = allowed or set(node.routes)
        if allowed:
            allow = ", ".join(sorted(allowed))
            raise MethodNotAllowed(f"{method} is not allowed here, only {allow}", headers={"Allow": allow})
        raise NotFound("no such path", code="path_not_found")

    def _spellings(self, path: str) -> Iterator[str]:
        yield path
        for alias, original in self._aliases:
            if path.startswith(alias):
                yield original + path[len(alias) :]
        if path.endswith("/") and path.startswith(self._slashed):
            yield path[:-1]


def _walk(node: Node, segments: list[str], position: int, spans: Spans) -> Iterator[tuple[Node, Spans]]:
    """Every node with routes that the segments from `position` on lead to, the best first, and where the values of
    its parameters stand. They are not cut out here: a path of very many segments is tried at each of them."""
    if position == len(segments):
        if node.routes:
            yield node, spans
        return
    segment = segments[position]
    literal = node.literals.get(segment)
    if literal is not None:
        yield from _walk(literal, segments, position + 1, spans)
    if node.parameter is not None and segment:
        yield from _walk(node.parameter, segments, position + 1, (*spans, (position, position + 1)))
    if node.crossing is not None:
        for end in range(len(segments), position, -1):
            if segment or end > position + 1:
                yield from _walk(node.crossing, segments, end, (*spans, (position, end)))


class Routing(SpecMiddleware):  # type: ignore[misc]
    """Finds the operation of a request (ASGI middleware)."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.router = Router(())

    def add_api(self, specification: Document, **_: Any) -> None:
        aliases = specification.get("x-path-aliases", [])
        slashed = specification.get("x-slashed-paths", [])
        self.router = Router(specification.operations, [(alias["from"], alias["to"]) for alias in aliases], slashed)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request: Request = scope[KEY]
        request.operation, request.path_values = self.router.find(request.method, request.path)
        await self.app(scope, receive, send)
