"""Random text for ids, of which the system is asked for much at a time."""

from __future__ import annotations

import os

ID_BYTES = 12
READ_AT_ONCE = 128

_ready: list[str] = []
os.register_at_fork(after_in_child=_ready.clear)


def random_id() -> str:
    """96 random bits in hex. No two processes draw from the same."""
    try:
        return _ready.pop()
    except IndexError:
        text = os.urandom(ID_BYTES * READ_AT_ONCE).hex()
        _ready.extend(text[at : at + 2 * ID_BYTES] for at in range(2 * ID_BYTES, len(text), 2 * ID_BYTES))
        return text[: 2 * ID_BYTES]


def timed_id(at: float) -> str:
    """As long, but of 48 bits of the time (unix seconds, to the millisecond) and then 48 random ones, so that what
    comes together stands together in an index by id."""
    return f"{int(at * 1000):012x}{random_id()[ID_BYTES:]}"
