"""The router: path and method to an operation, in time that does not grow with the number of routes.

Paths are a tree of segments. A literal segment wins over a parameter, a parameter over one that crosses slashes, and
the search goes back where a choice leads nowhere. Templates of one shape share a node, whatever they call their
parameters, so `/v1/evaluators/{evaluator}` and `/v1/evaluators/{evaluator_id}` may differ by method.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from codegen.operation import Operation
from handlers.core.errors import MethodNotAllowed, NotFound

PARAMETER = re.compile(r"^\{([^{}]+)\}$")
EMBEDDED = re.compile(r"\{[^{}]+\}")

Route = tuple[Operation, tuple[str, ...]]
"""An operation and the names of its path parameters, in order."""
Found = tuple[Operation, dict[str, str]]
"""An operation and the values of its path parameters."""
Spans = tuple[tuple[int, int], ...]
"""The first segment and the one after the last of each path parameter."""


class Node:
    """`routes` are those that end here, by their methods."""

    __slots__ = ("crossing", "literals", "parameter", "routes")

    def __init__(self) -> None:
        self.literals: dict[str, Node] = {}
        self.parameter: Node | None = None
        self.crossing: Node | None = None
        self.routes: dict[str, Route] = {}


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
        self._literal: dict[tuple[str, str], Operation] = {}
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
        if not names:  # which nothing else fits better
            self._literal[operation.method, operation.path] = operation

    def find(self, method: str, path: str) -> Found:
        """Raises `NotFound`, or `MethodNotAllowed` when only other methods have the path; it names those of the path
        that fits best, as the document does."""
        literal = self._literal.get((method, path))
        if literal is not None:
            return literal, {}
        search = Search(method)
        for candidate in self._spellings(path):
            found = search.along(candidate, self._root)
            if found is not None:
                return found
        if search.allowed:
            allow = ", ".join(sorted(search.allowed))
            raise MethodNotAllowed(f"{method} is not allowed here, only {allow}", headers={"Allow": allow})
        raise NotFound("no such path", code="path_not_found")

    def _spellings(self, path: str) -> Iterator[str]:
        yield path
        for alias, original in self._aliases:
            if path.startswith(alias):
                yield original + path[len(alias) :]
        if path.endswith("/") and path.startswith(self._slashed):
            yield path[:-1]


class Search:
    """For the operation of one method that a path leads to, the best first. `allowed` are the methods of the node that
    fits best without it."""

    __slots__ = ("_method", "_segments", "allowed")

    def __init__(self, method: str) -> None:
        self.allowed: Iterable[str] = ()
        self._method = method
        self._segments: list[str] = []

    def along(self, path: str, root: Node) -> Found | None:
        self._segments = path[1:].split("/")
        return self._descend(root, 0, ())

    def _descend(self, node: Node, position: int, spans: Spans) -> Found | None:
        segments = self._segments
        if position == len(segments):
            return self._arrive(node, spans)
        segment, after = segments[position], position + 1
        literal = node.literals.get(segment)
        if literal is not None and (found := self._descend(literal, after, spans)):
            return found
        if node.parameter is not None and segment:
            found = self._descend(node.parameter, after, (*spans, (position, after)))
            if found:
                return found
        if node.crossing is not None:
            for end in range(len(segments), position, -1):
                if segment or end > after:
                    found = self._descend(node.crossing, end, (*spans, (position, end)))
                    if found:
                        return found
        return None

    def _arrive(self, node: Node, spans: Spans) -> Found | None:
        """The values are cut out here: a path of very many segments is tried at each of them."""
        route = node.routes.get(self._method)
        if route is None:
            self.allowed = self.allowed or node.routes
            return None
        operation, names = route
        values = ["/".join(self._segments[start:end]) for start, end in spans]
        return operation, dict(zip(names, values, strict=True))
