"""Start, serve, stop: uvicorn around the wired application, and a shutdown that tells open streams."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn

from handlers.core.jobs import Definition
from server import logs
from server.binding.watch import OpenStreams
from server.config import Settings
from server.crew.part import Part
from server.protocol import Protocol
from server.wiring import Wired, build, build_worker

if TYPE_CHECKING:
    from server.wiring.mock import Mocked

log = structlog.get_logger("concordat.server")

FAREWELL_SECONDS = 2
"""What requests that were told to end get to say so."""


SWITCH_SECONDS = 0.001
"""How long a thread that wants the interpreter waits for one that has it. A statement on a database wants it several
times, and with Python's own 5 ms a busy event loop would make every answer wait for that."""
YOUNG_OBJECTS = 10_000
"""By how many objects there are more than before when the garbage collector looks at the new ones. Each request has
hundreds until it is answered, an open stream about 200, and neither leaves anything that only the collector could find:
with Python's own 700 it would look at all that is under way again and again, in pauses that everybody feels."""


class Server(uvicorn.Server):
    """On shutdown running requests get `grace_seconds` to finish; then those still open are told and ended. `part` is
    told when requests are answered."""

    def __init__(self, config: uvicorn.Config, streams: OpenStreams, grace_seconds: float, part: Part | None) -> None:
        super().__init__(config)
        self._streams = streams
        self._grace_seconds = grace_seconds
        self._part = part

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._part is not None:
            self._part.tell_ready()

    def stop(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        timer = asyncio.get_running_loop().call_later(self._grace_seconds, self._streams.end)
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A signal that was obeyed is done with: uvicorn would raise it again, which ends the process before what is
        written behind is written."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def serve(settings: Settings, part: Part | None = None) -> None:
    """Serves until a signal: with a `part`, beside other processes, on the sockets that they share. Raises
    `server.config.ConfigError`, `storage.errors.StorageError`."""
    logs.configure(settings, worker=part.number if part else None)
    sys.setswitchinterval(SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, part))


async def _serve(settings: Settings, part: Part | None) -> None:
    async with _open(settings, part) as wired:
        if wired.first_start is not None:
            print(wired.first_start, file=sys.stderr, flush=True)  # noqa: T201  shown once, and never logged
        server = Server(_uvicorn_config(settings, wired), wired.streams, settings.shutdown_grace_seconds, part)
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS)
        gc.enable()
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(job()) for job in wired.background]
            if part is not None:
                background.append(group.create_task(part.watch_parent(server.stop)))
            await server.serve(list(part.sockets) if part else None)
            for task in background:
                task.cancel()


def _open(settings: Settings, part: Part | None) -> AbstractAsyncContextManager[Wired | Mocked]:
    if not settings.mock:
        return build(settings, part)
    from server.wiring.mock import build_mock

    return build_mock(settings)


def work(settings: Settings, definitions: Iterable[Definition] = ()) -> None:
    """Does background jobs until a signal. `definitions` are of jobs beside the product's own. Raises as `serve`."""
    logs.configure(settings)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_work(settings, definitions))


async def _work(settings: Settings, definitions: Iterable[Definition]) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with build_worker(settings, definitions) as background, asyncio.TaskGroup() as group:
        tasks = [group.create_task(job()) for job in background]
        log.info("worker_started")
        await stopped.wait()
        for task in tasks:
            task.cancel()


def _uvicorn_config(settings: Settings, wired: Wired | Mocked) -> uvicorn.Config:
    return uvicorn.Config(
        wired.app,
        host=settings.host,
        port=settings.port,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=settings.access_log,
        proxy_headers=settings.proxy_headers,
        forwarded_allow_ips=list(settings.trusted_proxies),
        server_header=False,
        timeout_graceful_shutdown=int(settings.shutdown_grace_seconds) + FAREWELL_SECONDS,
        backlog=2048,
    )


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # not made for this platform
        return None
    return uvloop.new_event_loop
