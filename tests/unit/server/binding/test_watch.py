from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.binding.watch import GRACE_SECONDS, Interrupted, OpenStreams, Reason, Watch


class Client:
    """Sends nothing until it hangs up."""

    def __init__(self) -> None:
        self._gone = asyncio.Event()

    def hang_up(self) -> None:
        self._gone.set()

    async def receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}


async def forever(client: Client) -> None:
    async with Watch(client.receive):
        await asyncio.Event().wait()


async def test_block_that_ends_is_left_alone() -> None:
    async with Watch(Client().receive):
        await asyncio.sleep(0)


async def test_client_that_hangs_up_cancels_the_block() -> None:
    client = Client()
    asyncio.get_running_loop().call_later(0.01, client.hang_up)
    with pytest.raises(Interrupted) as interrupted:
        await forever(client)
    assert interrupted.value.reason is Reason.HUNG_UP
    await asyncio.sleep(0)  # the task itself goes on


async def test_block_may_outlive_its_client() -> None:
    client, done = Client(), asyncio.Event()
    client.hang_up()
    async with Watch(client.receive) as watch:
        watch.outlive_client()
        asyncio.get_running_loop().call_later(2 * GRACE_SECONDS, done.set)
        await done.wait()


async def test_cleanup_of_the_block_runs_before() -> None:
    client = Client()
    client.hang_up()
    closed = []

    async def work() -> None:
        async with Watch(client.receive):
            try:
                await asyncio.Event().wait()
            finally:
                closed.append(True)

    with pytest.raises(Interrupted):
        await work()
    assert closed == [True]


async def test_shutdown_ends_open_blocks_even_without_a_client_to_watch() -> None:
    streams = OpenStreams()
    asyncio.get_running_loop().call_later(0.01, streams.end)

    async def work() -> None:
        async with Watch(None, streams):
            assert len(streams) == 1
            await asyncio.Event().wait()

    with pytest.raises(Interrupted) as interrupted:
        await work()
    assert interrupted.value.reason is Reason.SHUTDOWN
    assert len(streams) == 0


async def test_interruption_of_a_block_that_is_done_is_no_error() -> None:
    streams = OpenStreams()
    async with Watch(None, streams):
        streams.end()
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_error_of_the_block_passes_through() -> None:
    async def work() -> None:
        async with Watch(Client().receive):
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await work()


async def test_cancellation_from_outside_stays_a_cancellation() -> None:
    task = asyncio.create_task(forever(Client()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_silence_is_filled_with_comments() -> None:
    sent = []
    enough = asyncio.Event()

    async def comment() -> None:
        sent.append(b": keep-alive")
        if len(sent) == 3:
            enough.set()

    async with Watch(Client().receive) as watch:
        await asyncio.sleep(0.1)  # the watcher is already waiting without an alarm
        watch.keep_alive(comment, 0.01)
        await enough.wait()
    count = len(sent)
    await asyncio.sleep(0.05)
    assert len(sent) == count


async def test_no_comment_while_frames_flow() -> None:
    sent = []

    async def comment() -> None:
        sent.append(b"")

    async with Watch(Client().receive) as watch:
        watch.keep_alive(comment, 0.2)
        for _ in range(60):
            watch.touch()
            await asyncio.sleep(0.01)
    assert sent == []


async def test_only_blocks_that_last_have_their_client_watched() -> None:
    streams, asked, done = OpenStreams(), [], asyncio.Event()

    async def receive() -> dict[str, Any]:
        asked.append(len(streams))
        done.set()
        await asyncio.Event().wait()
        return {}

    async with Watch(receive, streams):
        await asyncio.sleep(0)
    assert asked == []
    async with Watch(receive, streams), Watch(receive, streams):
        await done.wait()
        await asyncio.sleep(0)
        assert asked == [2, 2]
    async with Watch(receive, streams):  # the one that comes after a pause is watched as the first was
        done.clear()
        await done.wait()
    assert len(asked) == 3
