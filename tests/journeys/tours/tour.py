from __future__ import annotations

from typing import Any

import httpx

from server.inspect import find_handler, operations
from server.openapi31.routing import Router
from tests.journeys.dialects import Dialect

MODEL, EMBEDDER = "simulator/chat", "local/all-minilm-l6-v2"


class Tour:
    """`client` speaks for a project; `operator` are the headers of one who may see all of them."""

    def __init__(self, dialect: Dialect, client: httpx.Client, admin_token: str) -> None:
        self.seen: set[str] = set()
        self.client = client
        self._dialect = dialect
        self.operator = {"X-Admin-Token": admin_token}
        self._router = Router(operations(dialect.api))

    def ask(self, operation_id: str, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """What the operation answers; `path` is as in its document."""
        answer = self.send(operation_id, method, path, json=body, params=params)
        return answer.json() if answer.content else None

    def oversee(self, operation_id: str, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """What the operation answers to an operator."""
        answer = self.send(operation_id, method, path, json=body, params=params, headers=self.operator)
        return answer.json()

    def send(self, operation_id: str, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer itself, to a request with whatever `httpx` can send."""
        found, _ = self._router.find(method, path)
        assert found.operation_id == operation_id
        answer = self.client.request(method, self._dialect.prefix + path, **request)
        assert answer.is_success, f"{operation_id}: {answer.status_code} {answer.text}"
        self.seen.add(operation_id)
        return answer

    def finish(self) -> None:
        bound = {row.operation_id for row in operations(self._dialect.api) if find_handler(row) is not None}
        assert bound - self.seen == set(), "operations that have no place in this tour"


def text_of(answer: Any) -> str:
    text: str = answer["choices"][0]["message"]["content"]
    return text
