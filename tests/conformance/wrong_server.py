"""A small server that speaks a piece of Llama Stack's API, and one thing of it wrongly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "ck_wrong_0123456789"
PREFIX = "/llama-stack"
ROUTES = {
    "/v1/version": "GET",
    "/v1/models": "GET",
    "/v1/inference/completion": "POST",
    "/v1/scoring-functions": "GET",
}
ALLOWED = {**ROUTES, "/v1/models": "GET, POST", "/v1/scoring-functions": "GET, POST"}
"""What the document has: not all of it is asked of this server."""

STREAM = [{"delta": "well"}, {"delta": "", "stop_reason": "end_of_turn"}]
BODIES = {
    "/v1/version": {"version": "1"},
    "/v1/models": {"data": []},
    "/v1/inference/completion": {"content": "well", "stop_reason": "end_of_turn"},
}


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any
    kind: str | None = "application/json"

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Asked:
    method: str
    path: str
    """Below the prefix."""
    key: str
    body: bytes


def refuse(status: int) -> Reply:
    return Reply(status, {"error": {"detail": {"errors": [{"msg": "no"}]}}} if status == 400 else {"detail": "no"})


def events(told: list[Any]) -> Reply:
    return Reply(200, b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in told), "text/event-stream")


def right(asked: Asked) -> Reply:
    """What is right."""
    if asked.path not in ROUTES:
        return refuse(404)
    if asked.method != ROUTES[asked.path]:
        return refuse(405)
    if asked.key != f"Bearer {KEY}" and asked.path != "/v1/version":
        return refuse(401)
    if asked.path == "/v1/scoring-functions":
        return refuse(501)
    if asked.path == "/v1/inference/completion":
        return complete(asked.body)
    return Reply(200, BODIES[asked.path])


def complete(content: bytes) -> Reply:
    try:
        body = json.loads(content)
    except ValueError:
        return refuse(400)
    if not isinstance(body, dict) or body.get("model_id") != "simulator/chat":
        return refuse(400)
    return events(STREAM) if body.get("stream") is True else Reply(200, BODIES["/v1/inference/completion"])


@dataclass
class WrongServer:
    url: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def serving(answer: Callable[[Asked], Reply] = right) -> Iterator[WrongServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            path = self.path.partition("?")[0].removeprefix(PREFIX)
            asked = Asked(self.command, path, self.headers.get("authorization", ""), content)
            server.asked.append(asked)
            reply = answer(asked)
            body = b"" if self.command == "HEAD" else reply.content
            self.send_response(reply.status)
            if reply.kind is not None:
                self.send_header("Content-Type", reply.kind)
            if reply.status == 405:
                self.send_header("Allow", ALLOWED[path])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_TRACE = do_QUERY = answer

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing is logged."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = WrongServer(f"http://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
