"""One HTTP request on its way through the middlewares of its API."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter, time
from typing import Any
from urllib.parse import quote

from codegen.operation import Operation
from handlers.core.call import Caller
from handlers.core.open_streams import Gauge
from handlers.wire.upload import Upload
from providers import trace_context
from server.random_ids import timed_id
from storage.ledger_record import Record

Scope = Any
KEY = "concordat"


class Request:
    """Made by the mount, filled in by routing (`operation`, `path_values`), security (`who`) and validation
    (`params`, `body`). `path` is the decoded path below the mount, `raw_path` the whole one as it was sent; `headers`
    are lower-cased, the last of a name wins. `streaming` says that the headers of an answer are out whose end is not
    made yet, `sends_events` that it is an event stream, `record_is_ours` that its answer completes its record, `begun`
    the row of that which is being written; `gauge` counts what is streamed, should somebody look; `trace` is where its
    client says it belongs."""

    __slots__ = (
        "begun", "body", "gauge", "headers", "method", "operation", "params", "path", "path_values", "query",
        "raw_path", "record", "record_is_ours", "request_id", "scheme", "sends_events", "started", "started_at",
        "streaming", "trace", "uploads", "who",
    )  # fmt: skip

    def __init__(self, scope: Scope, path: str) -> None:
        self.method: str = scope["method"]
        self.path = path
        self.raw_path: bytes = scope.get("raw_path") or quote(path).encode()
        self.scheme: str = scope.get("scheme", "http")
        self.query: bytes = scope["query_string"]
        self.headers = headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.trace = trace_context.read(headers) if "traceparent" in headers else None
        self.started = perf_counter()
        self.started_at = time()
        self.request_id = "req_" + timed_id(self.started_at)
        self.operation: Operation | None = None
        self.path_values: Mapping[str, str] = {}
        self.who: Caller | None = None
        self.params: Any = None
        self.body: Any = None
        self.record: Record | None = None
        self.record_is_ours = True
        self.begun: Any = None
        self.gauge: Gauge | None = None
        self.streaming = False
        self.sends_events = False
        self.uploads: list[Upload] = []

    @property
    def routed(self) -> Operation:
        """The operation, once the router has found it."""
        if self.operation is None:
            raise RuntimeError("the request was not routed yet")
        return self.operation

    def hand_over_record(self) -> None:
        self.record_is_ours = False

    def close(self) -> None:
        """Removes the temporary files of a form."""
        for upload in self.uploads:
            upload.file.close()

    def elapsed_us(self) -> int:
        return int((perf_counter() - self.started) * 1_000_000)
