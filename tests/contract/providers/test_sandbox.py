"""Code that nobody trusts has a session and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from providers.errors import Refused, Unavailable
from providers.sandbox.interface import Conditions, Given, Halt
from providers.sandbox.monty import Limits, Monty

LIMITS = Limits(seconds=120, memory_bytes=32 * 2**20, printed_characters=100, processes=2)
CONDITIONS = Conditions("seed", datetime(2026, 3, 1, tzinfo=UTC), frozenset({"ask"}))


@pytest.fixture
async def sandbox() -> AsyncIterator[Monty]:
    monty = Monty(LIMITS)
    yield monty
    await monty.close()


async def run(sandbox: Monty, code: str, conditions: Conditions = CONDITIONS) -> Halt:
    state = await sandbox.open({"context": "some text"}, conditions)
    return await sandbox.run(state, code, conditions)


async def test_a_session_is_a_value(sandbox: Monty) -> None:
    first = await run(sandbox, "kept = [context]")
    assert first.state is not None
    second = await sandbox.run(first.state, "kept.append('more')\nprint(kept)", CONDITIONS)
    assert second.printed == "['some text', 'more']\n"
    again = await sandbox.run(first.state, "print(kept)", CONDITIONS)
    assert again.printed == "['some text']\n"


async def test_code_asks_and_goes_on_with_the_answer(sandbox: Monty) -> None:
    halt = await run(sandbox, "print('before')\nprint([ask(word, n=1) for word in context.split()])")
    answers = []
    while halt.asked is not None:
        answers.append((halt.asked.name, halt.asked.args, dict(halt.asked.kwargs), halt.printed))
        halt = await sandbox.go_on(halt.asked, Given({"a": [1, None]}), CONDITIONS)
    assert answers == [("ask", ("some",), {"n": 1}, "before\n"), ("ask", ("text",), {"n": 1}, "")]
    assert (halt.printed, halt.error) == ("[{'a': [1, None]}, {'a': [1, None]}]\n", None)


async def test_an_error_of_ours_is_one_of_the_code(sandbox: Monty) -> None:
    halt = await run(sandbox, "try:\n    ask('x')\nexcept RuntimeError as error:\n    print('caught', error)")
    assert halt.asked is not None
    assert (await sandbox.go_on(halt.asked, Given(error="not now"), CONDITIONS)).printed == "caught not now\n"
    uncaught = await run(sandbox, "ask('x')")
    assert uncaught.asked is not None
    assert "RuntimeError: not now" in str(
        (await sandbox.go_on(uncaught.asked, Given(error="not now"), CONDITIONS)).error
    )


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd')",
        "open('x', 'w').write('x')",
        "import os\nos.listdir('/')",
        "import os\nos.environ['PATH']",
        "import os\nos.system('true')",
        "import pathlib\npathlib.Path('/etc/passwd').read_text()",
        "import socket",
        "import subprocess",
        "import urllib.request",
        "import ctypes",
        "import pydantic_monty",
        "__import__('os').getpid()",
        "().__class__.__base__.__subclasses__()",
        "ask.__globals__",
        "nobody()",
        "eval(\"open('/etc/passwd')\")",
    ],
)
async def test_there_is_no_way_out(sandbox: Monty, code: str) -> None:
    halt = await run(sandbox, code)
    assert halt.error is not None
    assert halt.asked is None
    assert halt.state is not None


@pytest.mark.parametrize(
    ("code", "seconds"),
    [
        ("while True: pass", 0.5),
        ("x = 'x' * 10**9", LIMITS.seconds),
        ("x = []\nwhile True: x.append('y' * 10_000)", LIMITS.seconds),
    ],
    ids=["time", "memory at once", "memory by and by"],
)
async def test_code_that_takes_too_much_is_stopped(sandbox: Monty, code: str, seconds: float) -> None:
    state = await sandbox.open({"context": "some text"}, CONDITIONS)
    sandbox.limits = replace(LIMITS, seconds=seconds)
    halt = await sandbox.run(state, code, CONDITIONS)
    assert halt.error is not None
    assert halt.state is None
    sandbox.limits = LIMITS
    assert (await run(sandbox, "print(context)")).printed == "some text\n"


async def test_endless_output_is_cut(sandbox: Monty) -> None:
    halt = await run(sandbox, "for n in range(1000): print('y' * 100)")
    assert halt.printed == "y" * 100 + "\n[100900 more characters]"
    assert halt.error is None


async def test_time_and_chance_are_the_same_each_time(sandbox: Monty) -> None:
    code = "import datetime, random, time\nprint(datetime.datetime.now(), random.random(), time.time())\ntime.sleep(60)"
    halts = [await run(sandbox, code) for _ in range(2)]
    other = await run(sandbox, code, replace(CONDITIONS, seed="other"))
    assert halts[0].printed == halts[1].printed != other.printed
    assert halts[0].printed.startswith("2026-03-01 00:00:00 ")


async def test_code_that_nobody_waits_for_is_stopped(sandbox: Monty) -> None:
    state = await sandbox.open({}, CONDITIONS)
    for _ in range(4):  # more than there are processes
        running = asyncio.ensure_future(sandbox.run(state, "while True: pass", CONDITIONS))
        await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert running.cancelled()
    async with asyncio.timeout(LIMITS.seconds / 2):
        assert (await sandbox.run(state, "print(1)", CONDITIONS)).printed == "1\n"


async def test_who_waits_for_an_answer_takes_no_process(sandbox: Monty) -> None:
    waiting = [await run(sandbox, "print(ask(context))") for _ in range(5)]
    done = [
        await sandbox.go_on(halt.asked, Given(number), CONDITIONS) for number, halt in enumerate(waiting) if halt.asked
    ]
    assert [halt.printed for halt in done] == [f"{number}\n" for number in range(5)]


async def test_what_does_not_fit_is_refused(sandbox: Monty) -> None:
    with pytest.raises(Refused) as refused:
        await sandbox.open({"context": "x" * 2**26}, CONDITIONS)
    assert refused.value.status == 413


async def test_without_an_interpreter_there_is_no_sandbox() -> None:
    with pytest.raises(Unavailable):
        await Monty(interpreter="/nowhere/monty").open({}, CONDITIONS)
