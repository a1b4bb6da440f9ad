"""Reading server-sent events (WHATWG HTML, 9.2.6), of which only the `data` matters to us."""

from __future__ import annotations

from collections.abc import Iterable

from providers.errors import BrokenAnswer

LARGEST_EVENT_BYTES = 32 * 1024 * 1024


class EventParser:
    """Takes bytes in any portions; a character, a line's end or an event may be split between two."""

    def __init__(self, largest_event_bytes: int = LARGEST_EVENT_BYTES) -> None:
        self._largest = largest_event_bytes
        self._unfinished: list[bytes] = []
        self._unfinished_bytes = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._after_return = False
        self._at_start = True

    def feed(self, portion: bytes) -> list[bytes]:
        """The data of each event that this portion completes. Raises `BrokenAnswer` for an event beyond the limit."""
        if self._after_return and portion.startswith(b"\n"):
            portion = portion[1:]
        if not portion:
            return []
        self._after_return = False
        end = max(portion.rfind(b"\n"), portion.rfind(b"\r")) + 1
        if not end:
            self._hold(portion)
            return []
        self._after_return = portion.endswith(b"\r")
        if end < len(portion) or self._unfinished or self._at_start:
            self._hold(portion[:end])
            whole = self._release()
            if end < len(portion):
                self._hold(portion[end:])
        else:
            whole = portion
        if not self._data and whole.startswith(b"data: ") and whole.endswith(b"\n\n") and b"\r" not in whole:
            events = whole[6:-2].split(b"\n\ndata: ")
            if whole.count(b"\n") == 2 * len(events):  # as nearly all vendors write: a line of data, a blank one
                return events
        return self._events(whole.splitlines())

    def _events(self, lines: Iterable[bytes]) -> list[bytes]:
        return [event for line in lines if (event := self._line(line)) is not None]

    def finish(self) -> list[bytes]:
        """The data of a last event that no blank line follows."""
        return self._events((self._release(), b""))

    def _hold(self, portion: bytes) -> None:
        self._unfinished.append(portion)
        self._unfinished_bytes += len(portion)
        self._check_size()

    def _release(self) -> bytes:
        held = b"".join(self._unfinished)
        self._unfinished, self._unfinished_bytes = [], 0
        if self._at_start and held:
            self._at_start = False
            held = held.removeprefix(b"\xef\xbb\xbf")
        return held

    def _line(self, line: bytes) -> bytes | None:
        if not line:
            event = b"\n".join(self._data) if self._data else None
            self._data, self._data_bytes = [], 0
            return event
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._data_bytes += len(value)
            self._check_size()
        return None

    def _check_size(self) -> None:
        if self._unfinished_bytes + self._data_bytes > self._largest:
            raise BrokenAnswer("the provider sent an event that is too large")
