from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")

PATIENCE_SECONDS = 60.0
START_SECONDS = 120.0
"""For a server process to start, on a machine that has more to do."""


def eventually(
    look: Callable[[], Seen], wanted: Callable[[Seen], object] = bool, seconds: float = PATIENCE_SECONDS
) -> Seen:
    """What `look` saw once it was as wanted; raises `AssertionError` with what it saw last when that takes too long."""
    deadline = time.monotonic() + seconds
    while not wanted(seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r}"
        time.sleep(0.05)
    return seen


def stay_within(window_seconds: int, spare_seconds: float) -> None:
    """Waits for the next window of a limit where the current one has less time left than a test may take."""
    left = window_seconds - time.time() % window_seconds
    if left < spare_seconds:
        time.sleep(left)
