"""What a server process is that shares its port with others."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

READY = b"r"


@dataclass(frozen=True, slots=True)
class Part:
    """`number` counts from 1 and is that of a place: who comes after one that died has the same. `sockets` are bound,
    and listen once one of the processes does. `parent` is a socket: `READY` on it says that this process serves, and
    its end that the parent is gone. `folder` is where the processes meet, and nobody else."""

    number: int
    sockets: Sequence[socket.socket]
    parent: socket.socket
    folder: Path

    def describe(self) -> str:
        """For `adopt`, in a process that inherits the descriptors."""
        numbers = [one.fileno() for one in self.sockets]
        told = {"number": self.number, "sockets": numbers, "parent": self.parent.fileno(), "folder": str(self.folder)}
        return orjson.dumps(told).decode()

    @property
    def descriptors(self) -> tuple[int, ...]:
        return (*(one.fileno() for one in self.sockets), self.parent.fileno())

    def tell_ready(self) -> None:
        try:
            self.parent.send(READY)
        except OSError:  # it is gone, and `watch_parent` is about to say so
            return

    async def watch_parent(self, stop: Callable[[], None]) -> None:
        """A process must not serve on for nobody, and hold the port."""
        self.parent.setblocking(False)
        await asyncio.get_running_loop().sock_recv(self.parent, 1)
        stop()


def adopt(described: str) -> Part:
    """The part that this process was started for. Its descriptors go to no process that it starts itself."""
    told = orjson.loads(described)
    for descriptor in (*told["sockets"], told["parent"]):
        os.set_inheritable(descriptor, False)
    sockets = [socket.socket(fileno=descriptor) for descriptor in told["sockets"]]
    return Part(told["number"], sockets, socket.socket(fileno=told["parent"]), Path(told["folder"]))
