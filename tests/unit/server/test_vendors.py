"""What is made of the catalog's vendors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from handlers.core.services import Traits
from providers.errors import Saturated
from providers.inference.interface import ChatRequest
from server.catalog import VendorRow
from server.config import Settings
from server.vendors import Vendors
from tests.contract.providers.fake_vendor import FakeVendor, json_reply


def settings(**more: Any) -> Settings:
    return Settings.model_validate({"data_dir": "/nowhere", **more})


def row(name: str, base_url: str = "https://api.example.com/v1", **more: Any) -> VendorRow:
    return VendorRow(name, "openai_compatible", base_url, **more)


ROWS = [
    (VendorRow("simulator", "simulator"), Traits(True, True)),
    (row("public"), Traits(False, False)),
    (row("honest", retains_data=False), Traits(False, True)),
    (row("loopback", "http://127.0.0.1:8000/v1"), Traits(True, True)),
    (row("cellar", "http://10.0.0.7:8000/v1", retains_data=True), Traits(True, False)),
    (row("compose", "http://vllm:8000/v1"), Traits(True, True)),
    (row("said", internal=True), Traits(True, True)),
    (row("tunnel", "http://127.0.0.1:9000/v1", internal=False), Traits(False, False)),
]


@pytest.mark.parametrize(("vendor", "traits"), ROWS, ids=lambda value: getattr(value, "name", ""))
async def test_what_a_vendor_is_follows_from_its_address_unless_it_is_said(vendor: VendorRow, traits: Traits) -> None:
    vendors = Vendors(settings())
    vendors.replace({vendor.name: vendor})
    assert vendors.traits_of(vendor.name) == traits
    assert vendors.traits_of("nobody") == Traits()
    await vendors.close()


@pytest.fixture
async def far() -> AsyncIterator[FakeVendor]:
    vendor = FakeVendor()
    async with vendor.running():
        yield vendor


async def test_each_key_of_a_callers_own_has_a_queue_of_its_own(far: FakeVendor) -> None:
    vendors = Vendors(settings(max_concurrent_own_key=1, max_queued=0))
    vendors.replace({"far": row("far", far.url)})
    whole = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}
    far.reply = json_reply(whole)
    far.reply.portions[:] = [far.reply.portions[0][:9], far.reply.portions[0][9:]]
    far.released.clear()
    request = ChatRequest("m", [{"role": "user", "content": "hi"}])
    mine, again, yours = (vendors.with_key("far", key) for key in ("sk-mine", "sk-mine", "sk-yours"))
    assert mine is not None
    assert again is not None
    assert yours is not None
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(mine.chat(request)), group.create_task(yours.chat(request))]
        await far.asked.wait()
        with pytest.raises(Saturated):
            await again.chat(request)
        far.released.set()
    assert all(task.result().body["choices"] for task in running)
    assert (await again.chat(request)).body["choices"]
    await vendors.close()


async def test_vectors_and_chats_under_one_key_share_its_queue(far: FakeVendor) -> None:
    vendors = Vendors(settings())
    vendors.replace({"far": row("far", far.url), "claude": VendorRow("claude", "anthropic", far.url)})
    chat, embedder = vendors.with_key("far", "sk-mine"), vendors.embedder_with_key("far", "sk-mine")
    assert chat is not None
    assert embedder is not None
    assert chat.slots is embedder.slots  # type: ignore[attr-defined]
    assert vendors.embedder_with_key("claude", "sk-mine") is None
    assert vendors.embedder_with_key("nobody", "sk-mine") is None
    await vendors.close()
