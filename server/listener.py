"""Serves an app beside what a process does, as long as it does that."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from server.config import ConfigError
from server.protocol import Protocol


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """They are the process's own affair."""
        yield


@dataclass(frozen=True, slots=True)
class Listener:
    """`bound` is a socket that listens, and is closed by who made it."""

    bound: socket.socket
    app: Any

    async def run(self) -> None:
        """Until it is cancelled."""
        config = uvicorn.Config(
            self.app,
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        server = _Server(config)
        try:
            await server.serve([self.bound])
        finally:
            for one in getattr(server, "servers", ()):
                one.close()


def listen(address: str) -> socket.socket:
    """On `host:port`. Raises `ConfigError`."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"cannot listen on {address}: {error}") from None


def bind(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of the host, none of which listens yet. Raises `ConfigError`."""
    bound: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((family, address) for family, *_, address in found):
            one = socket.socket(family, socket.SOCK_STREAM)
            bound.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
    except OSError as error:
        for one in bound:
            one.close()
        raise ConfigError(f"cannot listen on {host}:{port}: {error}") from None
    return bound
