from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from providers.errors import Unreadable
from providers.extraction.interface import Section
from providers.extraction.isolated import Isolated

Read: TypeAlias = Callable[..., Awaitable[Sequence[Section]]]
Refuse: TypeAlias = Callable[..., Awaitable[Unreadable]]


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads content that came under a name."""

    async def read(
        content: bytes | str | Path, filename: str, media_type: str | None = None, reader: Isolated | None = None
    ) -> Sequence[Section]:
        path = content if isinstance(content, Path) else write(tmp_path / "blob", content)
        return await (reader or Isolated()).extract(path, filename, media_type)

    return read


@pytest.fixture
def refuse(read: Read) -> Refuse:
    """Reads what cannot be read, and tells how it failed."""

    async def refuse(*given: object, **named: object) -> Unreadable:
        with pytest.raises(Unreadable) as caught:
            await read(*given, **named)
        return caught.value

    return refuse
