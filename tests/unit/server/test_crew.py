"""The supervisor over processes that do nothing but live and die."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.config import Settings
from server.crew.mates import Mates
from server.crew.supervisor import Crew, CrewLost, Hiring, Patience
from server.listener import bind

WORKER = """
import json, os, pathlib, signal, socket, sys, time
part = json.loads(sys.argv[-1])
notes = pathlib.Path(part["folder"]) / "started"
with notes.open("a") as file:
    file.write(f"{part['number']}\\n")
count = notes.read_text().count("\\n")
parent = socket.socket(fileno=part["parent"])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
"""
SERVES = WORKER + "parent.send(b'r')\ntime.sleep(60)\n"
DIES_AT_ONCE = WORKER + "sys.exit(7)\n"
SERVES_AND_DIES = WORKER + "parent.send(b'r')\nsys.exit(9)\n"
SERVES_THE_FOURTH_TIME = WORKER + "parent.send(b'r')\nif count < 4: sys.exit(9)\ntime.sleep(60)\n"


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    bound = bind("127.0.0.1", 0)
    yield bound
    for one in bound:
        one.close()


def crew(script: str, sockets: list[socket.socket], folder: Path, workers: int = 2, failures: int = 3) -> Crew:
    patience = Patience(steady_seconds=3600, first_pause_seconds=0.001, most_failures=failures)
    settings = Settings(workers=workers, data_dir=folder)
    return Crew(settings, Hiring([sys.executable, "-S", "-c", script], sockets, folder), patience)


def started(folder: Path) -> list[str]:
    notes = folder / "started"
    return notes.read_text().split() if notes.exists() else []


async def test_one_that_dies_before_it_serves_is_not_tried_again(sockets: list[socket.socket], tmp_path: Path) -> None:
    with pytest.raises(CrewLost, match="before it served") as lost:
        await crew(DIES_AT_ONCE, sockets, tmp_path).run()
    assert lost.value.status == 7
    assert started(tmp_path) == ["1"]


async def test_a_crash_loop_of_all_is_given_up(sockets: list[socket.socket], tmp_path: Path) -> None:
    with pytest.raises(CrewLost, match="every server process has died 3 times in a row") as lost:
        await crew(SERVES_AND_DIES, sockets, tmp_path).run()
    assert lost.value.status == 9
    assert min(started(tmp_path).count(number) for number in "12") >= 3


async def test_who_dies_is_replaced_in_its_place_until_all_are_told_to_stop(
    sockets: list[socket.socket], tmp_path: Path
) -> None:
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        running = group.create_task(crew(SERVES_THE_FOURTH_TIME, sockets, tmp_path, failures=9).run())
        while len(started(tmp_path)) < 5:  # noqa: ASYNC110  what other processes write
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        await running
    assert {"1", "2"} == set(started(tmp_path))


async def test_the_port_answers_only_when_somebody_listens(sockets: list[socket.socket], tmp_path: Path) -> None:
    address = sockets[0].getsockname()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


def test_a_pause_doubles_up_to_the_longest() -> None:
    patience = Patience()
    assert [patience.pause_seconds(failures) for failures in (0, 1, 2, 3, 4, 20)] == [0, 0.5, 1, 2, 4, 30]


async def test_mates_hear_of_each_other_and_not_of_the_dead(tmp_path: Path) -> None:
    one, two = Mates(tmp_path, 1), Mates(tmp_path, 2)
    dead = Mates(tmp_path, 3)._bind()
    dead.close()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(mate.run(lambda mate=mate: b"%d" % mate.number)) for mate in (one, two)]  # type: ignore[misc]
        async with asyncio.timeout(20):
            while not (await one.ask() and await two.ask()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await one.ask(), await two.ask()) == ([b"2"], [b"1"])
        for task in tasks:
            task.cancel()
