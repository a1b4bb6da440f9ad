"""The documentation page as a person sees it: in a headless Chromium, which reaches nothing but this server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from server.app import PREFIXES
from server.inspect import find_handler, operations
from tests.journeys.chromium import NAMES, SECONDS, Page, find_chromium, opened
from tests.journeys.dialects import DIALECTS, MANIAC
from tests.live import LiveServer

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"no Chromium is installed: none of {', '.join(NAMES)}")
STEP_PIXELS = 300
OPERATIONS = "[...document.querySelectorAll('.opblock')]"
STYLED = "Applying inline style"
"""What the policy refuses Swagger UI, which looks as it should without."""

TITLE = (
    "block.querySelector('.opblock-summary-method').innerText + ' ' + block.querySelector('[data-path]').dataset.path"
)


@pytest_asyncio.fixture
async def page(server: LiveServer, tmp_path: Path) -> AsyncIterator[Page]:
    assert CHROMIUM
    async with opened(CHROMIUM, tmp_path / "profile") as found:
        await found.open(f"{server.url}/-/docs/")
        await found.wait("document.querySelector('.topbar select') && document.querySelector('.opblock-tag')")
        yield found
        assert [url for url in found.requested if not is_own(url, server)] == []
        assert [fault for fault in found.faults if STYLED not in fault] == []


def is_own(url: str, server: LiveServer) -> bool:
    return url.startswith((f"{server.url}/", "data:", "about:"))


async def choose(page: Page, api: str) -> None:
    """An API, from the list at the top; returns when the page has read its document."""
    url = f"{PREFIXES[api]}/openapi.json"
    await page.run(
        "(() => { const list = document.querySelector('.topbar select');"
        f"list.value = [...list.options].find(one => one.value.endsWith({json.dumps(url)})).value;"
        "list.dispatchEvent(new Event('change', {bubbles: true})) })()"
    )
    count = len(operations(api))
    await page.wait(
        f"docs.specSelectors.url().endsWith({json.dumps(url)}) && docs.specSelectors.operations().size == {count}"
    )


async def read_through(page: Page) -> dict[str, bool]:
    """All operations that are drawn on the way from the top to the bottom, and whether each is marked: of a long list
    the page draws what can be seen."""
    drawn: dict[str, bool] = {}
    place, height = 0, 1
    while place <= height:
        await page.run(f"window.scrollTo(0, {place})")
        await page.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        drawn |= dict(await page.run(f"{OPERATIONS}.map(block => [{TITLE}, !!block.querySelector('.not-built')])"))
        height = await page.run("document.documentElement.scrollHeight")
        place += STEP_PIXELS
    return drawn


@pytest.mark.parametrize("api", [dialect.api for dialect in DIALECTS])
async def test_every_operation_is_shown_and_what_is_not_built_is_marked(page: Page, api: str) -> None:
    built = {f"{op.method} {op.path}": find_handler(op) is not None for op in operations(api)}
    await choose(page, api)
    drawn: dict[str, bool] = {}
    async with asyncio.timeout(SECONDS):
        while len(drawn) < len(built):
            drawn |= await read_through(page)
    assert drawn == {title: not is_built for title, is_built in built.items()}


async def test_an_operation_is_tried_out_with_a_key(page: Page, server: LiveServer, tmp_path: Path) -> None:
    await choose(page, MANIAC.api)
    await page.wait("document.querySelector('.btn.authorize')")
    await page.run("document.querySelector('.btn.authorize').click()")
    await page.wait("document.querySelector('.auth-container input')")
    await page.type(".auth-container input", server.key)
    await page.run("document.querySelector('.auth-btn-wrapper .authorize').click()")
    await page.wait("document.querySelector('.auth-btn-wrapper .btn:not(.authorize)')")
    await page.run("document.querySelector('.btn-done').click()")
    block = f"{OPERATIONS}.find(block => {TITLE} == 'GET /v1/models')"
    await page.wait(block)
    await page.run(f"{block}.querySelector('.opblock-summary-control').click()")
    await page.wait(f"{block}.querySelector('.execute') || {block}.querySelector('.try-out__btn')")
    await page.run(f"{block}.querySelector('.execute') || {block}.querySelector('.try-out__btn').click()")
    await page.wait(f"{block}.querySelector('.execute')")
    await page.run(f"{block}.querySelector('.execute').click()")
    answered = f"{block}.querySelector('.live-responses-table tbody .response-col_status')"
    assert (await page.wait(f"{answered} && {answered}.innerText")).startswith("200")
    assert "simulator/chat" in await page.run(f"{block}.querySelector('.live-responses-table').innerText")
    assert f"{server.url}{MANIAC.prefix}/v1/models" in [
        urlsplit(url)._replace(query="").geturl() for url in page.requested
    ]
    await page.run(f"{block}.scrollIntoView()")
    picture = await page.shoot(tmp_path / "tried.png")
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 20_000


async def test_what_the_page_is_not_given_stays_away(page: Page, server: LiveServer) -> None:
    """The policy of the page, as the browser holds it: nothing from elsewhere, no script in the page itself."""
    blocked = "fetch('http://127.0.0.2:9/').then(() => 'answered', () => 'refused')"
    assert await page.run(blocked) == "refused"
    await page.run(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.foreign = 1'}))"
    )
    assert await page.run("window.foreign") is None
    assert any("connect-src 'self'" in fault for fault in page.faults)
    assert any("script-src 'self'" in fault for fault in page.faults)
    page.faults.clear()
    page.requested[:] = [url for url in page.requested if is_own(url, server)]
