"""Where requests are answered, and the keys that sign for it."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from datetime import timedelta
from typing import Any

import orjson
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from handlers.core import chat
from handlers.core.asks import ChatAsk
from handlers.core.call import Call
from handlers.core.errors import Invalid, NotFound, Unavailable
from handlers.core.regions import Regions, RegionWish, Signer, attest
from handlers.core.sealing import Seal
from storage.ledger_record import Record
from tests.unit.core.conftest import Clock
from tests.unit.core.vendors import Vendor
from tests.unit.handlers.bench import make_call, make_services, said
from tests.unit.handlers.doubles import KeyRack, Shelf

WHERE = {"openai": "there", "openrouter": "here", "simulator": "here"}


def rig(*vendors: Vendor, shelf: Shelf | None = None, clock: Clock | None = None) -> Call:
    signer = Signer(KeyRack(), Seal(lambda: "s" * 32), clock or Clock())
    regions = Regions("here", WHERE.get, signer, shelf or Shelf())
    return make_call("ipop", make_services(*vendors, regions=regions))


async def ask(call: Call, required: str | None = None, preferred: str | None = None) -> chat.Answer:
    wish = RegionWish(required, preferred)
    return await chat.complete(ChatAsk(models=("openai/gpt-5.5",), messages=said("hi"), region=wish), call)


@pytest.mark.parametrize(("wanted", "vendor"), [("there", "openai"), ("here", "openrouter")])
async def test_a_required_region_answers_and_no_other(wanted: str, vendor: str) -> None:
    both = Vendor("openai"), Vendor("openrouter")
    answer = await ask(rig(*both), required=wanted)
    assert (answer.attempt.deployment.vendor, answer.attempt.region) == (vendor, wanted)
    assert sum(len(one.asked) for one in both) == 1


@pytest.mark.parametrize(("wanted", "vendor"), [("there", "openai"), ("here", "openrouter")])
async def test_a_preferred_region_is_tried_first(wanted: str, vendor: str) -> None:
    answer = await ask(rig(Vendor("openai"), Vendor("openrouter")), preferred=wanted)
    assert answer.attempt.deployment.vendor == vendor


async def test_a_preference_that_cannot_be_met_is_none() -> None:
    assert (await ask(rig(Vendor("openai")), preferred="nowhere")).attempt.region == "there"


async def test_a_region_that_there_is_not_and_one_without_the_model_are_told_apart() -> None:
    with pytest.raises(Invalid) as unknown:
        await ask(rig(Vendor("openai")), required="nowhere")
    assert unknown.value.code == "region_not_found"
    with pytest.raises(Unavailable) as without:
        await ask(rig(Vendor("openai")), required="here")
    assert without.value.code == "model_unavailable"


async def test_a_pinned_request_notes_a_hash_of_its_prompt_and_no_other_does() -> None:
    call = rig(Vendor("openai"))
    await ask(call)
    assert call.record.metadata is None
    await ask(call, required="there")
    digest = hashlib.sha256(b'[{"role":"user","content":"hi"}]').hexdigest()
    assert call.record.metadata == {"region": {"required": "there", "prompt_sha256": digest}}


def pinned(**changes: Any) -> Record:
    fields: dict[str, Any] = {
        "request_id": "req_1",
        "api": "ipop",
        "operation_id": "chat_completions_create",
        "started_at": 1_790_000_000.25,
        "project_id": "project-1",
        "state": "completed",
        "duration_us": 500_000,
        "metadata": {"region": {"required": "there", "prompt_sha256": "ab"}},
    }
    return Record(**(fields | changes))


def verify(envelope: dict[str, str], public_key: bytes) -> None:
    blank = orjson.dumps(envelope | {"signature_b64": ""})
    Ed25519PublicKey.from_public_bytes(public_key).verify(b64decode(envelope["signature_b64"]), blank)


async def test_an_attestation_is_verified_with_the_published_key() -> None:
    call = rig(shelf=Shelf(pinned()))
    envelope = await attest("req_1", call)
    signer = call.services.regions.signer
    keys = {key.kid: key for key in await signer.published(["here", "there"])}
    key = keys[envelope["signer_kid"]]
    assert (key.region, key.node_id) == ("there", envelope["node_id"])
    assert list(envelope) == sorted(envelope)
    assert (envelope["completed_at"], envelope["prompt_hash"]) == ("2026-09-21T14:13:20.750000Z", "ab")
    verify(envelope, key.public_key)
    with pytest.raises(InvalidSignature):
        verify(envelope | {"region": "here"}, key.public_key)


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": None},
        {"metadata": {"store": True}},
        {"state": "started"},
        {"state": "interrupted"},
        {"state": "failed"},
        {"project_id": "project-2"},
        {"request_id": "req_2"},
    ],
    ids=str,
)
async def test_nothing_else_is_attested(changes: dict[str, Any]) -> None:
    with pytest.raises(NotFound):
        await attest("req_1", rig(shelf=Shelf(pinned(**changes))))


async def test_keys_rotate_by_age_and_old_signatures_stay_good() -> None:
    clock = Clock()
    call = rig(shelf=Shelf(pinned()), clock=clock)
    signer = call.services.regions.signer
    before = await attest("req_1", call)
    clock.now += timedelta(days=90).total_seconds()
    after = await attest("req_1", call)
    assert before["signer_kid"] != after["signer_kid"]
    assert before["node_id"] == after["node_id"]
    keys = {key.kid: key for key in await signer.published(["there"])}
    assert [key.rotated_at is None for key in keys.values()] == [True, False]
    for envelope in (before, after):
        verify(envelope, keys[envelope["signer_kid"]].public_key)
    await signer.rotate("there")
    assert len(await signer.published(["there"])) == 3
