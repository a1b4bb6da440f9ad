"""Which addresses a caller may have this server connect to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from providers.errors import BrokenAnswer, Refused, Unavailable
from providers.fetch import Fetcher
from providers.http import HttpClient
from providers.outbound import Outbound, is_internal, is_public
from tests.contract.providers.fake_vendor import FakeVendor, Reply, json_reply

SPECIAL = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2001::1",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]

SPELLINGS = [
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[fe80::1%25eth0]",
    "169.254.169.254",
    "2852039166",
    "\uff11\uff12\uff17.0.0.1",
]


@pytest.mark.parametrize("address", SPECIAL)
def test_special_networks_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_hosts_on_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", SPELLINGS)
def test_a_number_in_any_spelling_is_known_for_what_it_is(host: str) -> None:
    with pytest.raises(Refused) as caught:
        Outbound().check(f"https://{host}/v1")
    assert caught.value.code == "address_not_allowed"


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com/", "file:///etc/passwd", "gopher://x/", "example.com", "", "https://", "http://u:p@x.com/"],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        Outbound(allow_private=True).check(url)


def test_plain_http_is_refused_where_https_is_asked_for_unless_the_operator_allows_more() -> None:
    with pytest.raises(Refused, match="https"):
        Outbound().check("http://example.com/v1", only_https=True)
    Outbound().check("https://example.com/v1", only_https=True)
    Outbound(allow_private=True).check("http://127.0.0.1:9/v1", only_https=True)


def resolving(*answers: Sequence[str]) -> Outbound:
    """Answers in turn, the last again and again."""
    left = list(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return Outbound(resolve=resolve)


async def test_a_name_with_one_private_address_is_refused_whole() -> None:
    with pytest.raises(Refused):
        await resolving(["8.8.8.8", "10.0.0.1"]).addresses("both.example", 443)
    assert await resolving(["8.8.8.8"]).addresses("one.example", 443) == ["8.8.8.8"]


async def test_a_name_that_does_not_resolve_is_unavailable_but_nothing_is_held_against_it() -> None:
    async def lost(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(Unavailable):
        await Outbound(resolve=lost).addresses("gone.example", 443)
    await Outbound(resolve=lost).look("https://gone.example/x.png")
    with pytest.raises(Refused):
        await resolving(["192.168.0.1"]).look("https://inside.example/x.png")


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with FakeVendor().running() as vendor:
        yield vendor


async def fetch(outbound: Outbound, url: str, largest_bytes: int = 1000) -> bytes:
    http = HttpClient(outbound=outbound)
    try:
        return (await Fetcher(http).get(url, largest_bytes)).body
    finally:
        await http.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
async def test_nothing_is_sent_to_this_machine(vendor: FakeVendor, host: str) -> None:
    with pytest.raises(Refused):
        await fetch(Outbound(), f"http://{host}:{vendor.port}/")
    assert vendor.accepted == 0


async def test_the_operator_may_allow_it(vendor: FakeVendor) -> None:
    vendor.reply = json_reply({"a": 1})
    assert await fetch(Outbound(allow_private=True), vendor.url) == b'{"a":1}'


async def test_a_name_is_connected_to_at_the_address_that_was_checked(vendor: FakeVendor) -> None:
    """A second look-up would find nothing: the name is asked for once."""
    vendor.reply = json_reply({"a": 1})
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else []

    outbound = Outbound(allow_private=True, resolve=resolve)
    assert await fetch(outbound, f"http://named.example:{vendor.port}/p") == b'{"a":1}'
    assert asked == ["named.example"]
    assert vendor.last.headers["host"] == f"named.example:{vendor.port}"


async def test_a_name_that_turns_private_is_refused_when_it_is_connected_to(vendor: FakeVendor) -> None:
    outbound = resolving(["8.8.8.8"], ["127.0.0.1"])
    await outbound.look(f"http://rebound.example:{vendor.port}/")
    with pytest.raises(Refused):
        await fetch(outbound, f"http://rebound.example:{vendor.port}/")
    assert vendor.accepted == 0


class TwoHosts:
    """`outside.example` is reached on this machine, as if it were public; every other name is what it says."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"] if host == "outside.example" else ["10.0.0.1"]


class Lenient(Outbound):
    """Takes the one name for public, and holds everything else to the rule."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"] if host == "outside.example" else await super().addresses(host, port)


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1/", "http://[::1]/", "//inside.example/", "http://169.254.169.254/latest", "file:///x"]
)
async def test_a_redirect_into_a_special_network_is_refused(vendor: FakeVendor, target: str) -> None:
    vendor.reply = Reply(status=302, headers={"location": target})
    with pytest.raises(Refused):
        await fetch(Lenient(resolve=TwoHosts()), f"http://outside.example:{vendor.port}/")
    assert len(vendor.seen) == 1


async def test_redirects_end(vendor: FakeVendor) -> None:
    vendor.reply = Reply(status=307, headers={"location": "/again"})
    with pytest.raises(BrokenAnswer, match="too often"):
        await fetch(Lenient(resolve=TwoHosts()), f"http://outside.example:{vendor.port}/")
    assert [seen.path for seen in vendor.seen] == ["/"] + ["/again"] * 5


async def test_no_more_is_read_than_allowed(vendor: FakeVendor) -> None:
    vendor.reply = Reply([b"x" * 2000])
    with pytest.raises(BrokenAnswer, match="too large"):
        await fetch(Outbound(allow_private=True), vendor.url)


@pytest.mark.parametrize(
    ("host", "internal"),
    [
        ("localhost", True),
        ("vllm", True),
        ("box.lan", True),
        ("BOX.local.", True),
        ("10.0.0.7", True),
        ("2130706433", True),
        ("::1", True),
        ("api.openai.com", False),
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
    ],
)
def test_a_host_of_ones_own_network_is_known_by_how_it_is_written(host: str, internal: bool) -> None:
    assert is_internal(host) is internal
