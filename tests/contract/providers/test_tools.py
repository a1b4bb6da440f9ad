"""Search engines and pages of the web, on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from providers.errors import BrokenAnswer, ProviderError, Refused, Throttled, TimedOut, Unauthorized, Unavailable
from providers.fetch import Fetcher
from providers.http import HttpClient, Timeouts
from providers.outbound import Outbound
from providers.tools.brave import Brave
from providers.tools.interface import Hit, Search
from providers.tools.pages import WebPages
from providers.tools.readable import read_html
from providers.tools.searxng import Searxng
from providers.tools.tavily import Tavily
from providers.vendor import Vendor
from tests.contract.providers.fake_vendor import FakeVendor, Reply, Seen, json_reply
from tests.contract.providers.rigs import HASTY, PATIENT

KEY = "key-0123456789"
HITS = [Hit("Concord & peace", "https://a.example/", "An agreement."), Hit("", "https://b.example/", "")]


def listed(text_name: str) -> list[Any]:
    first = {"title": "Concord &amp; peace", "url": "https://a.example/", text_name: "An <strong>agreement</strong>."}
    return [first, {"url": "https://b.example/", "title": None}, {"title": "nowhere"}, "nothing"]


@dataclass(frozen=True)
class Engine:
    """`asked` reads the query and the key that a request came with."""

    make: Callable[[Vendor, HttpClient], Search]
    answer: dict[str, Any]
    asked: Callable[[Seen], tuple[str, str, str | None]]


def in_query(name: str) -> Callable[[Seen], tuple[str, str, str | None]]:
    def read(seen: Seen) -> tuple[str, str, str | None]:
        parts = urlsplit(seen.path)
        return parts.path, parse_qs(parts.query)["q"][0], seen.headers.get(name)

    return read


ENGINES = {
    "brave": Engine(Brave, {"web": {"results": listed("description")}}, in_query("x-subscription-token")),
    "tavily": Engine(
        Tavily,
        {"results": listed("content")},
        lambda seen: (seen.path, seen.body["query"], seen.headers["authorization"].removeprefix("Bearer ")),
    ),
    "searxng": Engine(Searxng, {"results": listed("content")}, in_query("authorization")),
}
PATHS = {"brave": "/res/v1/web/search", "tavily": "/search", "searxng": "/search"}


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with FakeVendor().running() as vendor:
        yield vendor


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient(PATIENT)
    yield client
    await client.close()


@pytest.fixture(params=ENGINES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def search(name: str, vendor: FakeVendor, http: HttpClient) -> Search:
    return ENGINES[name].make(Vendor(name, vendor.url, None if name == "searxng" else KEY), http)


async def test_an_engine_is_asked_in_its_own_way_and_answers_hits(
    name: str, search: Search, vendor: FakeVendor
) -> None:
    vendor.reply = json_reply(ENGINES[name].answer)
    assert list(await search.search("what is concord?", 5)) == HITS
    key = None if name == "searxng" else KEY
    assert ENGINES[name].asked(vendor.last) == (PATHS[name], "what is concord?", key)
    assert list(await search.search("again", 1)) == HITS[:1]
    assert search.name == name


@pytest.mark.parametrize("body", [{}, {"web": []}, {"results": None}, {"web": {"results": "x"}}])
async def test_an_engine_that_finds_nothing_answers_nothing(search: Search, vendor: FakeVendor, body: Any) -> None:
    vendor.reply = json_reply(body)
    assert list(await search.search("x", 5)) == []


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (json_reply({"message": f"bad key {KEY}"}, 401), Unauthorized),
        (json_reply({"detail": "slow down"}, 429, retry_after="3"), Throttled),
        (json_reply({"detail": f"no, {KEY}"}, 422), Refused),
        (json_reply({}, 500), Unavailable),
        (Reply([b"<html>"]), BrokenAnswer),
    ],
)
async def test_an_engine_that_fails_says_why_and_never_our_key(
    search: Search, vendor: FakeVendor, reply: Reply, error: type[ProviderError]
) -> None:
    vendor.reply = reply
    with pytest.raises(error) as failed:
        await search.search("x", 5)
    assert search.name == "searxng" or KEY not in failed.value.message


async def test_an_engine_that_stays_silent_is_given_up(name: str, vendor: FakeVendor) -> None:
    hasty = HttpClient(HASTY)
    vendor.reply = Reply(before="stall")
    with pytest.raises(TimedOut):
        await ENGINES[name].make(Vendor(name, vendor.url, KEY), hasty).search("x", 5)
    await hasty.close()


PAGE = b"""<!doctype html><html><head><title>Of &amp; on
concord</title><meta charset="iso-8859-1"><style>p {}</style><script>if (a < b) {}</script></head>
<body><nav>Menu</nav><h1>Concord</h1><p>An agree<b>ment</b> in Z\xfcrich,<br>made  here.</p><ul><li>One</li><li>Two</li>
</ul><form><button>Buy</button></form><footer>Imprint</footer></body></html>"""
TEXT = "Concord\nAn agreement in Zürich,\nmade here.\nOne\nTwo"


@pytest.fixture
async def pages() -> AsyncIterator[WebPages]:
    client = HttpClient(PATIENT, outbound=Outbound(allow_private=True))
    yield WebPages(Fetcher(client), seconds=60, largest_bytes=10_000)
    await client.close()


async def test_a_page_is_read_as_a_person_would(pages: WebPages, vendor: FakeVendor) -> None:
    vendor.first = [Reply([], status=302, headers={"location": "/there"})]
    vendor.reply = Reply([PAGE], content_type="text/html")
    page = await pages.read(vendor.url + "/here")
    assert (page.url, page.title, page.text) == (vendor.url + "/there", "Of & on concord", TEXT)


async def test_plain_texts_are_read_as_they_are(pages: WebPages, vendor: FakeVendor) -> None:
    vendor.reply = Reply(["grüß".encode("latin-1")], content_type="text/plain; charset=latin-1")
    assert (await pages.read(vendor.url)).text == "grüß"
    vendor.reply = Reply([b'{"a": 1}'])
    assert (await pages.read(vendor.url)).text == '{"a": 1}'
    vendor.reply = Reply(["grüß".encode()], content_type="text/plain; charset=klingon")
    assert (await pages.read(vendor.url)).text == "grüß"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply([b"%PDF"], content_type="application/pdf"), Refused),
        (Reply([b"x" * 10_001], content_type="text/html"), BrokenAnswer),
        (Reply([b"gone"], status=404), Refused),
        (Reply([b"oops"], status=503), Unavailable),
        (Reply([], status=302, headers={"location": "/again"}), BrokenAnswer),
    ],
)
async def test_what_is_no_page_is_an_error(
    pages: WebPages, vendor: FakeVendor, reply: Reply, error: type[ProviderError]
) -> None:
    vendor.reply = reply
    with pytest.raises(error):
        await pages.read(vendor.url)


@pytest.mark.parametrize(("timeouts", "seconds"), [(HASTY, 60), (PATIENT, 0.5)], ids=["by the client", "as a whole"])
async def test_a_page_that_does_not_come_is_given_up(vendor: FakeVendor, timeouts: Timeouts, seconds: float) -> None:
    client = HttpClient(timeouts, outbound=Outbound(allow_private=True))
    vendor.reply = Reply(before="stall")
    with pytest.raises(TimedOut):
        await WebPages(Fetcher(client), seconds=seconds).read(vendor.url)
    await client.close()


async def test_a_page_in_our_own_network_is_not_read(vendor: FakeVendor) -> None:
    client = HttpClient(PATIENT, outbound=Outbound())
    for url in (vendor.url, "file:///etc/passwd", "http://localhost/", "nonsense", "http://[::1]/"):
        with pytest.raises(Refused):
            await WebPages(Fetcher(client)).read(url)
    await client.close()
    assert vendor.seen == []


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<p>never closed <b>bold", "never closed bold"),
        ("<script>hidden", ""),
        ("<p>a\0b</p>", "ab"),
        ("<table><tr><td>1</td><td>2</td></tr></table>", "1\n2"),
        ("&lt;p&gt; &nbsp; x", "<p> x"),
        ("</nav><p>shown</p>", "shown"),
    ],
)
def test_broken_markup_is_read_as_far_as_it_goes(markup: str, text: str) -> None:
    assert read_html(markup).text == text
