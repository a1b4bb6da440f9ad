"""What is prepared once of the requests to a vendor, and what each of them still says for itself."""

from __future__ import annotations

import pytest

from providers import trace_context
from providers.errors import Refused, Unavailable
from providers.http import HttpClient
from providers.outbound import Outbound
from providers.trace_context import TraceContext
from providers.vendor import Vendor
from providers.vendor_api import VendorApi
from tests.contract.providers.fake_vendor import FakeVendor, json_reply

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def make_api(url: str, http: HttpClient, **headers: str) -> VendorApi:
    return VendorApi(Vendor("acme", url, "key", headers), http, {"authorization": "Bearer key"}, lambda: 0.0)


async def test_each_call_has_its_own_trace_and_length() -> None:
    http = HttpClient()
    async with FakeVendor().running() as vendor:
        vendor.reply = json_reply({})
        api = make_api(vendor.url, http, traceparent="the operator's", **{"x-team": "a"})
        trace_context.outgoing.set(TraceContext(PARENT[3:35], PARENT[36:52], state="a=1"))
        await api.post("/chat", {"a": 1})
        trace_context.outgoing.set(None)
        await api.post("/chat", {"a": "longer"})
        await http.close()
    first, second = vendor.seen
    assert (first.body, second.body) == ({"a": 1}, {"a": "longer"})
    assert (first.headers["traceparent"], first.headers["tracestate"]) == (PARENT, "a=1")
    assert second.headers["traceparent"] == "the operator's"
    assert "tracestate" not in second.headers
    for seen in vendor.seen:
        assert (seen.headers["x-team"], seen.headers["authorization"]) == ("a", "Bearer key")


async def test_two_keys_of_one_vendor_do_not_mix() -> None:
    http = HttpClient()
    async with FakeVendor().running() as vendor:
        vendor.reply = json_reply({})
        for key in ("one", "two", "one"):
            who = Vendor("acme", vendor.url, key)
            await VendorApi(who, http, {"x-api-key": key}, lambda: 0.0).post("/chat", {})
        await http.close()
    assert [seen.headers["x-api-key"] for seen in vendor.seen] == ["one", "two", "one"]
    assert vendor.accepted == 1


async def test_what_is_not_allowed_is_refused_each_time() -> None:
    http = HttpClient(outbound=Outbound())
    api = make_api("http://127.0.0.1:9", http)
    for _ in range(2):
        with pytest.raises(Refused):
            await api.post("/chat", {})


@pytest.mark.parametrize("value", ["a\r\nx-injected: 1", "a\nb", "a\rb", "a\0b", "\ud800"])
async def test_headers_that_break_out_of_their_lines_are_not_sent(value: str) -> None:
    http = HttpClient()
    for name in ("x-team", "traceparent"):
        api = make_api("http://127.0.0.1:9", http, **{name: value})
        for _ in range(2):
            with pytest.raises(Unavailable, match="headers are not valid"):
                await api.post("/chat", {})
