"""A client that leaves, when a test has seen what it waited for."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson

from tests.live import LiveServer


@contextmanager
def asking(server: LiveServer, path: str, body: Any) -> Iterator[socket.socket]:
    """A request of the project `default`, whose answer nobody reads. To leave the block is to hang up."""
    content = orjson.dumps(body)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {server.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(head.encode() + content)
        yield connection


def in_progress(server: LiveServer) -> int:
    """How many requests are being answered."""
    page = httpx.get(f"{server.url}/-/metrics", headers={"X-Admin-Token": server.admin_token}, timeout=60).text
    (line,) = (line for line in page.splitlines() if line.startswith("concordat_requests_in_progress "))
    return int(float(line.split()[1]))
