"""What a process and those that it has started take together, from `/proc`: a server's ledger is drained by another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def family(pid: int) -> Iterator[int]:
    """The process, its children and theirs."""
    yield pid
    for thread in _threads(pid):
        with suppress(FileNotFoundError):
            for child in (thread / "children").read_text().split():
                yield from family(int(child))


def pin(pid: int, core: int) -> None:
    for member in family(pid):
        for thread in _threads(member):
            os.sched_setaffinity(int(thread.name), {core})


def cpu_seconds(pid: int) -> float:
    """User and system time of all their threads that live."""
    nanoseconds = 0
    for member in family(pid):
        for thread in _threads(member):
            with suppress(FileNotFoundError):
                nanoseconds += int((thread / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def resident_megabytes(pid: int) -> float:
    return sum(_resident_kilobytes(member) for member in family(pid)) / 1024


def _resident_kilobytes(pid: int) -> int:
    with suppress(FileNotFoundError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        return int(fields.get("VmRSS", "0").split()[0])
    return 0


def _threads(pid: int) -> list[Path]:
    with suppress(FileNotFoundError):
        return list(Path(f"/proc/{pid}/task").iterdir())
    return []
