"""Keeps N server processes on sockets that it binds once, and serves nothing itself.

The first process starts alone: it migrates, makes the first keys, and what it complains of is said once. The others
follow when it serves. One that dies is replaced; `SIGHUP` replaces all, one after the other, each by one that serves
before the old one stops. On SIGTERM or SIGINT all finish what they do, and the port is free.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from server import logs
from server.config import Settings
from server.crew import OPTION
from server.crew.part import Part
from server.listener import bind

log = structlog.get_logger("concordat.server")

FAREWELL_SECONDS = 30.0
"""What a process gets beyond the grace period to write down what it remembers, until it is killed."""


class CrewLost(Exception):
    """No process is left, and another would not fare better. `status` is what the last one ended with."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Patience:
    """A process that has served for `steady_seconds` counts as well. After each that dies before, the next one of its
    place waits twice as long; when every place has lost `most_failures` in a row, all is given up."""

    steady_seconds: float = 10.0
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0
    most_failures: int = 5

    def pause_seconds(self, failures: int) -> float:
        return min(self.longest_pause_seconds, self.first_pause_seconds * 2.0 ** (failures - 1)) if failures else 0.0


@dataclass(eq=False, slots=True)
class Member:
    """One process. `serves` is whether it came to that; nobody misses one that is `let_go`."""

    number: int
    process: asyncio.subprocess.Process
    link: socket.socket
    serves: asyncio.Future[bool]
    let_go: bool = False
    since: float = field(default=float("inf"))

    def send(self, how: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(how)

    async def live(self) -> int:
        """Until it ends; the status."""
        loop = asyncio.get_running_loop()
        said = await loop.sock_recv(self.link, 1)
        if said:
            self.since = loop.time()
            log.info("worker_serves", worker=self.number, pid=self.process.pid)
        self.serves.set_result(bool(said))
        status = await self.process.wait()
        self.link.close()
        return status


@dataclass(frozen=True, slots=True)
class Hiring:
    """`command` starts a server process, once its part is added."""

    command: Sequence[str]
    sockets: Sequence[socket.socket]
    folder: Path

    async def hire(self, number: int) -> Member:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        part = Part(number, self.sockets, theirs, self.folder)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *self.command, OPTION, part.describe(), pass_fds=part.descriptors, process_group=0
            )
        return Member(number, process, ours, asyncio.get_running_loop().create_future())


class Crew:
    def __init__(self, settings: Settings, hiring: Hiring, patience: Patience | None = None) -> None:
        self._settings = settings
        self._hiring = hiring
        self._patience = patience or Patience()
        self._places: dict[int, Member] = {}
        self._members: set[Member] = set()
        self._failures = dict.fromkeys(range(1, settings.workers + 1), 0)
        self._has_served = False
        self._stopping = asyncio.Event()
        self._reload_asked = asyncio.Event()
        self._lost: CrewLost | None = None

    async def run(self) -> None:
        """Until a signal. Raises `CrewLost`."""
        self._obey_signals()
        async with asyncio.TaskGroup() as group:
            first = await self._hire(1)
            group.create_task(self._tend(first))
            if await first.serves:
                self._has_served = True
                for number in range(2, self._settings.workers + 1):
                    if not self._stopping.is_set():
                        group.create_task(self._tend(await self._hire(number)))
                reloading = group.create_task(self._reload(group))
                await self._stopping.wait()
                reloading.cancel()
        if self._lost is not None:
            raise self._lost

    def _obey_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop, signal.SIGTERM)
        loop.add_signal_handler(signal.SIGINT, self._stop, signal.SIGINT)
        loop.add_signal_handler(signal.SIGHUP, self._reload_asked.set)

    def _stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Asked twice, nobody waits for requests any more, as it is without a parent."""
        if not self._stopping.is_set():
            self._stopping.set()
            for one in self._hiring.sockets:
                one.close()
            grace_seconds = self._settings.shutdown_grace_seconds + FAREWELL_SECONDS
            asyncio.get_running_loop().call_later(grace_seconds, self._tell_all, signal.SIGKILL)
            how = signal.SIGTERM
        self._tell_all(how)

    def _tell_all(self, how: signal.Signals) -> None:
        for member in self._members:
            member.send(how)

    async def _hire(self, number: int) -> Member:
        member = self._places[number] = await self._hiring.hire(number)
        self._members.add(member)
        if self._stopping.is_set():  # meanwhile
            member.send(signal.SIGTERM)
        return member

    async def _tend(self, member: Member) -> None:
        """One process, and those that come after it."""
        while True:
            status = await member.live()
            self._members.discard(member)
            if member.let_go or self._stopping.is_set():
                return
            if not self._may_go_on(member, status):
                self._stop()
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience.pause_seconds(self._failures[member.number])):
                    await self._stopping.wait()
                    return
            member = await self._hire(member.number)

    def _may_go_on(self, member: Member, status: int) -> bool:
        is_steady = asyncio.get_running_loop().time() - member.since >= self._patience.steady_seconds
        failures = self._failures[member.number] = 0 if is_steady else self._failures[member.number] + 1
        log.error("worker_died", worker=member.number, pid=member.process.pid, status=status, failures=failures)
        if not self._has_served:
            self._lost = CrewLost(f"the first server process ended with status {status} before it served", status)
        elif min(self._failures.values()) >= self._patience.most_failures:
            message = f"every server process has died {self._patience.most_failures} times in a row"
            self._lost = CrewLost(f"{message}, the last with status {status}", status)
        return self._lost is None

    async def _reload(self, group: asyncio.TaskGroup) -> None:
        """Whenever it is asked for; until it is cancelled."""
        while True:
            await self._reload_asked.wait()
            self._reload_asked.clear()
            for number, old in sorted(self._places.items()):
                if self._stopping.is_set():
                    return
                if not await self._replace(old, group):
                    log.error("reload_given_up", worker=number)
                    break

    async def _replace(self, old: Member, group: asyncio.TaskGroup) -> bool:
        """Whether the new process serves; if not, the old one stays."""
        fresh = await self._hire(old.number)
        fresh.let_go = True  # nobody misses it yet
        group.create_task(self._tend(fresh))
        if not await fresh.serves or fresh.process.returncode is not None:
            self._places[old.number] = old
            return False
        fresh.let_go, old.let_go = False, True
        old.send(signal.SIGTERM)
        return True


def supervise(settings: Settings) -> None:
    """Until a signal. Raises `ConfigError` when it cannot listen, and `CrewLost`."""
    logs.configure(settings)
    sockets = bind(settings.host, settings.port)
    addresses = ["{}:{}".format(*one.getsockname()[:2]) for one in sockets]
    log.info("workers_start", workers=settings.workers, addresses=addresses)
    with TemporaryDirectory(prefix="concordat-") as folder:
        command = [sys.executable, *sys.orig_argv[1:]]
        asyncio.run(Crew(settings, Hiring(command, sockets, Path(folder))).run())
