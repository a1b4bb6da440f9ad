"""Who speaks to a server."""

from __future__ import annotations

import httpx

from tests.live import LiveServer


def speaking(server: LiveServer, key: str | None = None) -> httpx.Client:
    """For the project `default`, unless another's key is given."""
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key or server.key}"}, timeout=60)
