"""A `concordat worker` that knows one more job: `python -m tests.heavy.counting`.

`count` takes `{"steps", "seconds", "file"}`: each step writes a line with its number and its process into the file at
its end, and tells an event, after so many seconds. Its result are the numbers.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from handlers.core.jobs import Definition, Run
from server import config, lifecycle


def write(file: Path, line: str) -> None:
    with file.open("a") as opened:
        opened.write(line)


async def count(run: Run) -> list[int]:
    steps = run.input["steps"]

    async def add(number: int) -> int:
        await asyncio.sleep(run.input["seconds"])
        write(Path(run.input["file"]), f"{number} {os.getpid()}\n")
        await run.emit("counted", number)
        return number

    counted = []
    for number in range(steps):
        counted.append(await run.step("add", lambda number=number: add(number)))
        await run.progress((number + 1) / steps)
    return counted


async def die(run: Run) -> None:
    """Takes its process with it, each time."""

    async def kill() -> None:
        os.kill(os.getpid(), 9)

    await run.step("kill", kill)


DEFINITIONS = (Definition("count", count), Definition("die", die))

if __name__ == "__main__":
    lifecycle.work(config.load().settings, DEFINITIONS)
