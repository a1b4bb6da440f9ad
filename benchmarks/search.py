"""Searching what was captured, with a million messages on SQLite: `python -m benchmarks.search`."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from storage.captured import CapturedMessage
from storage.database import Database
from storage.ledger.sqlite import moment
from storage.repositories.captured import CapturedMessages, Search
from storage.tables.types import instant

MESSAGES = 1_000_000
PROJECTS = 20
WORDS = 20
NOW = 1_790_000_000
AGO = NOW - 9 * 86_400
VOCABULARY = [f"w{number}" for number in range(50_000)]
"""Word n is about as frequent as 1/n, as in a language."""
TIMES = 15

SEARCHES = (
    ("a rare word", Search(phrases=[("w40000",)])),
    ("a word of one message in 100", Search(phrases=[("w150",)])),
    ("a word of every second message", Search(phrases=[("w1",)])),
    ("a word of nearly every message", Search(phrases=[("w0",)])),
    ("a word of every second message, in one project", Search(phrases=[("w1",)], project_id="p7")),
    ("that, and a rarer word", Search(phrases=[("w1",), ("w90",)])),
    ("two common words and a role", Search(phrases=[("w0",), ("w1",)], role="user")),
    ("two words and a role", Search(phrases=[("w20",), ("w90",)], role="user")),
    ("a phrase", Search(phrases=[("w20", "w90")])),
    ("a word, of one day", Search(phrases=[("w150",)], since=instant(NOW - 86_400), before=instant(NOW))),
    ("a word, of a day long ago", Search(phrases=[("w150",)], since=instant(AGO), before=instant(AGO + 86_400))),
    ("a common word, of an hour long ago", Search(phrases=[("w20",)], since=instant(AGO), before=instant(AGO + 3600))),
    ("a common word, of a model that nobody asked", Search(phrases=[("w20",)], model="none")),
)


def rows() -> Iterator[tuple[Any, ...]]:
    """The newest a second old, the others a second apart each."""
    choose = random.Random(1)
    weights = [1 / (rank + 1) for rank in range(len(VOCABULARY))]
    words = choose.choices(VOCABULARY, weights, k=MESSAGES)
    for number in range(MESSAGES):
        start = choose.randrange(MESSAGES - WORDS)
        text = " ".join(words[start : start + WORDS])
        at, project = moment(instant(NOW - MESSAGES + number)), f"p{number % PROJECTS}"
        kind, role = ("response", "assistant") if number % 2 else ("request", "user")
        yield f"req_{number}", 1, project, at, kind, role, "m", text, False, None, None


def fill(path: Path) -> None:
    columns = CapturedMessage.__slots__
    connection = sqlite3.connect(path)
    connection.executemany(
        f"INSERT INTO captured_messages ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", rows()
    )
    connection.commit()
    connection.close()


async def run(folder: Path) -> None:
    database = Database.open(f"sqlite:///{folder}/concordat.db")
    await database.ensure_current()
    fill(database.path)
    messages = CapturedMessages(database)
    while await messages.merge():  # as the hourly job leaves it
        pass
    print(f"{'':50}{'hits':>8}{'p50 ms':>10}{'cpu ms':>10}")
    for name, wanted in SEARCHES:
        took, worked = [], time.process_time()
        for _ in range(TIMES):
            began = time.perf_counter()
            hits = await messages.search(wanted, 1000)
            await messages.get([hit.id for hit in hits[:50]])
            took.append(time.perf_counter() - began)
        cpu_ms = (time.process_time() - worked) * 1000 / TIMES
        print(f"{name:50}{len(hits):8}{statistics.median(took) * 1000:10.1f}{cpu_ms:10.1f}")
    await database.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


if __name__ == "__main__":
    main()
