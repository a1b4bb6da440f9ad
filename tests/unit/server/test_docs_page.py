"""The documentation page: offline, and honest about what is not built."""

from __future__ import annotations

import re

import httpx
import pytest

from server.docs_page import ShownApi, docs_app


@pytest.fixture
def page() -> httpx.AsyncClient:
    app = docs_app([ShownApi("IPOP", "/ipop/v1", ["GET /kv/items"]), ShownApi("Root", "")])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page")


async def test_it_lists_the_documents_by_addresses_relative_to_itself(page: httpx.AsyncClient) -> None:
    assert (await page.get("/apis.json")).json() == [
        {"name": "IPOP", "url": "../../ipop/v1/openapi.json", "not_built": ["GET /kv/items"]},
        {"name": "Root", "url": "../../openapi.json", "not_built": []},
    ]


async def test_everything_it_loads_is_its_own(page: httpx.AsyncClient) -> None:
    index = await page.get("/")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', index.text)
    assert len(loaded) >= 5
    assert [address for address in loaded if "//" in address] == []
    assert [(await page.get(f"/{address}")).status_code for address in loaded] == [200] * len(loaded)


async def test_a_strict_policy_goes_with_every_answer(page: httpx.AsyncClient) -> None:
    for path in ("/", "/apis.json", "/page/page.js", "/nowhere"):
        policy = (await page.get(path)).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


async def test_it_keeps_the_licence_of_what_it_ships(page: httpx.AsyncClient) -> None:
    assert "Apache License" in (await page.get("/swagger_ui/LICENSE")).text
