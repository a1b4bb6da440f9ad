"""The secret under which other secrets are kept: the operator's, or one made once and kept beside the data."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from server.config import Settings

FILE = "secrets.key"


def secret_key(settings: Settings) -> str:
    """Reads and, on first need, writes a file. Raises `OSError`."""
    if settings.secrets_key is not None:
        return settings.secrets_key.get_secret_value()
    path = settings.data_dir / FILE
    if not path.exists():
        _make(path)
    return path.read_text(encoding="ascii").strip()


def _make(path: Path) -> None:
    """Whole or not at all, and never over another process's: two servers may start at once."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{FILE}.")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)
