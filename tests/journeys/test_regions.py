"""Requests that are pinned to a region, and the attestations that anybody can verify without us."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.journeys.dialects import IPOP, USER, events, payloads
from tests.journeys.test_errors import check
from tests.live import LiveServer, running

CATALOG = """
vendors:
  - {name: openai, region: us-far}
"""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("regions")
    (folder / "catalog.yaml").write_text(CATALOG, encoding="utf-8")
    with running(folder, CONCORDAT_REGION="eu-near", OPENAI_API_KEY="sk-never-called-0123") as server:
        yield server
        assert '"level":"error"' not in server.log_text()


@pytest.fixture
def client(live: LiveServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {live.key}"}
    with httpx.Client(base_url=live.url + "/ipop/v1", headers=headers, timeout=60) as client:
        yield client


def ask(client: httpx.Client, model: str = "simulator/chat", stream: bool = False, **metadata: Any) -> httpx.Response:
    body = IPOP.chat(model, metadata=metadata, stream=stream)
    if stream:
        body["stream_options"] = {"include_usage": True}
    return client.post("/chat/completions", json=body)


def verify(envelope: dict[str, str], keys: list[dict[str, str]]) -> None:
    """With the standard library's JSON, as a reader elsewhere would."""
    key = next(key for key in keys if key["kid"] == envelope["signer_kid"])
    signed = json.dumps(envelope | {"signature_b64": ""}, separators=(",", ":"), ensure_ascii=False)
    public = Ed25519PublicKey.from_public_bytes(b64decode(key["public_key_b64"]))
    public.verify(b64decode(envelope["signature_b64"]), signed.encode())


def test_regions_are_listed_with_models_for_those_who_have_a_key(client: httpx.Client, live: LiveServer) -> None:
    regions = client.get("/regions").json()["data"]
    assert {entry["region"]: entry["capacity_bucket"] for entry in regions} == {"eu-near": "low", "us-far": "low"}
    assert "simulator/chat" in regions[0]["available_models"]
    assert "openai/gpt-5.5" in regions[1]["available_models"]
    assert "openai/gpt-5.5" not in regions[0]["available_models"]
    anonymous = httpx.get(live.url + "/ipop/v1/regions", timeout=60).json()["data"]
    assert [(entry["region"], entry["available_models"]) for entry in anonymous] == [("eu-near", []), ("us-far", [])]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_pinned_request_is_attested_and_verified_offline(
    client: httpx.Client, live: LiveServer, stream: bool
) -> None:
    answer = ask(client, stream=stream, require_region="eu-near")
    body = events(list(payloads(answer.iter_lines())))[-1] if stream else answer.json()
    assert (body["ipop"]["region"], body["ipop"]["route_class"]) == ("eu-near", "regional_capacity")
    attested = client.get(f"/inference/{body['ipop']['request_id']}/attestation")
    envelope = attested.json()
    assert envelope["region"] == "eu-near"
    assert envelope["request_id"] == answer.headers["x-request-id"]
    prompt = json.dumps(USER, separators=(",", ":"), ensure_ascii=False).encode()
    assert envelope["prompt_hash"] == hashlib.sha256(prompt).hexdigest()
    keys = httpx.get(live.url + "/ipop/v1/regions/keys", timeout=60).json()["data"]
    verify(envelope, keys)
    with pytest.raises(InvalidSignature):
        verify(envelope | {"prompt_hash": "0" * 64}, keys)
    with httpx.Client(headers={"x-api-key": live.other_key}, timeout=60) as other:
        check(IPOP, other.get(str(attested.url)), 404)


def test_what_was_not_pinned_is_not_attested(client: httpx.Client) -> None:
    wishes: list[dict[str, Any]] = [{}, {"prefer_region": "eu-near"}]
    for metadata in wishes:
        request_id = ask(client, **metadata).headers["x-request-id"]
        check(IPOP, client.get(f"/inference/{request_id}/attestation"), 404)
    check(IPOP, client.get("/inference/req_unknown/attestation"), 404)
    failed = ask(client, "simulator/error-500", require_region="eu-near")
    check(IPOP, client.get(f"/inference/{failed.headers['x-request-id']}/attestation"), 404)


def test_a_pin_is_kept_or_refused(client: httpx.Client) -> None:
    nowhere = ask(client, require_region="atlantis")
    check(IPOP, nowhere, 400)
    assert nowhere.json()["error_type"] == "region_not_found"
    assert "eu-near" in nowhere.json()["message"]
    elsewhere = ask(client, require_region="us-far")
    check(IPOP, elsewhere, 503)
    assert (elsewhere.json()["code"], elsewhere.json()["retryable"]) == ("model_unavailable", False)
    check(IPOP, ask(client, "openai/gpt-5.5", require_region="eu-near"), 503)
    check(IPOP, ask(client, require_region=5), 400)


def test_a_rotated_key_stays_published(client: httpx.Client, live: LiveServer) -> None:
    request_id = ask(client, require_region="eu-near").headers["x-request-id"]
    before = client.get(f"/inference/{request_id}/attestation").json()
    rotated = live.cli("regions", "rotate", "--json")
    assert rotated.returncode == 0, rotated.stderr
    after = client.get(f"/inference/{request_id}/attestation").json()
    assert after["signer_kid"] == json.loads(rotated.stdout)["kid"] != before["signer_kid"]
    keys = client.get("/regions/keys").json()["data"]
    states = {key["kid"]: key["rotated_at"] is None for key in keys}
    assert (states[before["signer_kid"]], states[after["signer_kid"]]) == (False, True)
    verify(before, keys)
    verify(after, keys)
