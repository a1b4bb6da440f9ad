"""Keys that a project brings: stored sealed, tested, used by policy, and shown to nobody."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.providers.fake_vendor import json_reply
from tests.journeys.dialects import IPOP, LLAMA, MANIAC, events, openai_text, payloads
from tests.journeys.ledger import LedgerReader
from tests.journeys.loopback_vendors import LoopbackVendor, settings_for, vendors
from tests.journeys.speaking import speaking
from tests.journeys.test_errors import check
from tests.live import LiveServer, running

OWN = "sk-proj-brought-by-the-project-9876"
ANTHROPIC = "sk-ant-brought-by-the-project-1234"
PATH = "/ipop/v1/account/provider-credentials"
MODEL = "openai/gpt-5.5"


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, LoopbackVendor]]:
    with vendors() as both:
        yield both


@pytest.fixture(scope="module")
def live(served: dict[str, LoopbackVendor], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("byok"), **settings_for(served)) as server:
        yield server
        log = server.log_text()
        assert '"level":"error"' not in log
        assert not any(secret in log for secret in (OWN, ANTHROPIC))
        files = [path for path in server.data_dir.rglob("*") if path.is_file()]
        assert not any(secret.encode() in path.read_bytes() for path in files for secret in (OWN, ANTHROPIC))


@pytest.fixture
def client(live: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url, headers={"Authorization": f"Bearer {live.key}"}, timeout=60) as client:
        yield client


@pytest.fixture
def openai(served: dict[str, LoopbackVendor]) -> LoopbackVendor:
    served["openai"].says()
    return served["openai"]


@pytest.fixture
def own(client: httpx.Client, openai: LoopbackVendor) -> Iterator[dict[str, Any]]:
    made = create(client)
    yield made
    client.delete(f"{PATH}/{made['id']}")


def create(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = client.post(PATH, json={"provider": "openai", "label": "ours", "api_key": OWN} | fields)
    assert answer.status_code == 200, answer.text
    assert OWN not in answer.text
    made: dict[str, Any] = answer.json()
    return made


def ask(client: httpx.Client, policy: str | None = None, **more: Any) -> httpx.Response:
    metadata = {"byok_fallback_policy": policy} if policy else {}
    return client.post(IPOP.url, json=IPOP.chat(MODEL, metadata=metadata, **more))


def test_a_credential_lives_from_creation_to_deletion(client: httpx.Client, live: LiveServer) -> None:
    made = create(client)
    shown = {"provider": "openai", "label": "ours", "masked_key": "****9876", "enabled": True, "health": "untested"}
    assert made == {"id": made["id"], **shown}
    assert client.get(PATH).json() == [made]
    with httpx.Client(base_url=live.url, headers={"x-api-key": live.other_key}, timeout=60) as other:
        assert other.get(PATH).json() == []
        check(IPOP, other.patch(f"{PATH}/{made['id']}", json={"label": "x"}), 404)
        check(IPOP, other.post(f"{PATH}/{made['id']}/test"), 404)
        check(IPOP, other.delete(f"{PATH}/{made['id']}"), 404)
    changed = client.patch(f"{PATH}/{made['id']}", json={"label": "new", "enabled": False}).json()
    assert changed == made | {"label": "new", "enabled": False, "health": "disabled"}
    assert client.delete(f"{PATH}/{made['id']}").json() == changed
    assert client.get(PATH).json() == []
    check(IPOP, client.delete(f"{PATH}/{made['id']}"), 404)


def test_the_secret_that_seals_is_a_file_for_nobody_else(own: dict[str, Any], live: LiveServer) -> None:
    file = Path(live.data_dir, "secrets.key")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_is_tested_against_its_vendor(client: httpx.Client, own: dict[str, Any], openai: LoopbackVendor) -> None:
    openai.answers(json_reply({"object": "list", "data": []}))
    tested = client.post(f"{PATH}/{own['id']}/test").json()
    assert (tested["ok"], tested["credential"]["health"]) == (True, "healthy")
    assert (openai.fake.last.path, openai.presented_key()) == ("/v1/models", OWN)
    openai.refuses(401, f"Incorrect API key provided: {OWN}")
    refused = client.post(f"{PATH}/{own['id']}/test")
    assert OWN not in refused.text
    assert (refused.json()["ok"], refused.json()["credential"]["health"]) == (False, "error")
    renewed = client.patch(f"{PATH}/{own['id']}", json={"api_key": OWN + "0"}).json()
    assert (renewed["health"], renewed["masked_key"]) == ("untested", "****8760")


def test_a_stored_key_is_not_sent_to_another_address(client: httpx.Client, own: dict[str, Any]) -> None:
    elsewhere = {"base_url": "https://1.1.1.1/v1"}
    refused = client.patch(f"{PATH}/{own['id']}", json=elsewhere | {"label": "mine"})
    check(IPOP, refused, 400)
    assert (refused.json()["error_type"], refused.json()["param"]) == ("api_key_required", "api_key")
    assert client.get(PATH).json() == [own]
    moved = client.patch(f"{PATH}/{own['id']}", json=elsewhere | {"api_key": OWN + "1"}).json()
    assert moved["masked_key"] == "****8761"
    assert client.patch(f"{PATH}/{own['id']}", json=elsewhere | {"label": "mine"}).json() == moved | {"label": "mine"}
    assert client.patch(f"{PATH}/{own['id']}", json={"base_url": None}).status_code == 200


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_projects_key_is_used_and_the_answer_and_the_record_say_so(
    client: httpx.Client, live: LiveServer, own: dict[str, Any], openai: LoopbackVendor, stream: bool
) -> None:
    more: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    answer = ask(client, **more)
    body = events(list(payloads(answer.iter_lines())))[-1] if stream else answer.json()
    assert openai.presented_key() == OWN
    assert body["ipop"]["provider_key"] == {"source": "byok", "credential_id": own["id"]}
    assert body["ipop"]["cost_usd"] == 0
    record = LedgerReader.of(live).get("default", answer.headers["x-request-id"])
    assert record is not None
    assert record.metadata is not None
    assert record.metadata["provider_key"] == {"source": "byok", "credential_id": own["id"]}
    assert (record.cost_micros, record.prompt_tokens) == (0, 20)
    assert OWN not in str(record)
    assert client.get(PATH).json()[0]["last_used_at"] > 0


def test_every_api_of_the_project_uses_it(client: httpx.Client, own: dict[str, Any], openai: LoopbackVendor) -> None:
    for dialect in (MANIAC, LLAMA):
        assert client.post(dialect.url, json=dialect.chat(MODEL)).status_code == 200
        assert openai.presented_key() == OWN


def test_policies_decide_who_answers_when_the_key_is_refused(
    client: httpx.Client, own: dict[str, Any], openai: LoopbackVendor
) -> None:
    assert ask(client, "hosted_only").json()["ipop"].get("provider_key") is None
    assert openai.presented_key() == openai.key
    openai.refuses(401, f"bad key {OWN}")
    for policy in ("byok_only", "fail_closed_on_byok_error"):
        before = len(openai.fake.seen)
        refused = ask(client, policy)
        check(IPOP, refused, 403)
        assert (refused.json()["code"], refused.json()["error_type"]) == ("policy_violation", "provider_key_refused")
        assert OWN not in refused.text
        assert [openai.presented_key(), len(openai.fake.seen) - before] == [OWN, 1]


def test_without_a_key_of_its_own_a_project_is_told_so(client: httpx.Client, openai: LoopbackVendor) -> None:
    refused = ask(client, "byok_only")
    check(IPOP, refused, 403)
    assert refused.json()["param"] == "metadata.byok_fallback_policy"
    assert openai_text(ask(client, "fail_closed_on_byok_error").json())


@pytest.mark.parametrize(
    "fields",
    [
        {"base_url": "https://127.0.0.1/v1"},
        {"base_url": "https://2130706433/v1"},
        {"base_url": "https://[::1]/v1"},
        {"base_url": "https://169.254.169.254/latest"},
        {"base_url": "https://localhost/v1"},
        {"base_url": "http://example.com/v1"},
        {"api_key": "two words"},
        {"api_key": [OWN]},
        {"label": " "},
        {"provider": "nobody"},
    ],
    ids=str,
)
def test_what_cannot_be_a_credential_is_refused_without_repeating_the_key(
    client: httpx.Client, fields: dict[str, Any]
) -> None:
    refused = client.post(PATH, json={"provider": "openai", "label": "ours", "api_key": OWN} | fields)
    check(IPOP, refused, 400)
    assert OWN not in refused.text
    assert client.get(PATH).json() == []


def test_credentials_outlive_a_restart_and_the_operator_may_allow_private_addresses(
    served: dict[str, LoopbackVendor], tmp_path: Path
) -> None:
    anthropic = served["anthropic"]
    anthropic.says()
    settings = {
        "CONCORDAT_ALLOW_PRIVATE_OUTBOUND": "true",
        "CONCORDAT_SECRETS_KEY": "operator's secret of enough length",
    }
    with running(tmp_path, **settings) as server:
        for _ in range(2):
            with httpx.Client(base_url=server.url, headers={"x-api-key": server.key}, timeout=60) as client:
                if not client.get(PATH).json():
                    create(client, provider="anthropic", api_key=ANTHROPIC, base_url=anthropic.fake.url)
                answer = client.post(IPOP.url, json=IPOP.chat(anthropic.model))
                assert answer.json()["ipop"]["provider_key"]["source"] == "byok"
                assert anthropic.presented_key() == ANTHROPIC
            server.stop()
            server.start()
        assert not Path(tmp_path, "secrets.key").exists()
        assert ANTHROPIC not in server.log_text()


def test_a_llama_stack_request_brings_its_own_key(
    client: httpx.Client, live: LiveServer, openai: LoopbackVendor
) -> None:
    given = {"X-LlamaStack-Provider-Data": '{"openai_api_key": "sk-for-this-request-only-5678"}'}
    answer = client.post(LLAMA.url, json=LLAMA.chat(MODEL), headers=given)
    assert answer.status_code == 200
    assert openai.presented_key() == "sk-for-this-request-only-5678"
    record = LedgerReader.of(live).get("default", answer.headers["x-request-id"])
    assert record is not None
    assert record.metadata == {"provider_key": {"source": "request"}}
    client.post(LLAMA.url, json=LLAMA.chat(MODEL))
    assert openai.presented_key() == openai.key
    check(LLAMA, client.post(LLAMA.url, json=LLAMA.chat(MODEL), headers={"X-LlamaStack-Provider-Data": "{"}), 400)
    files = [path for path in live.data_dir.rglob("*") if path.is_file()]
    assert not any(b"sk-for-this-request-only-5678" in path.read_bytes() for path in files)


def test_a_llama_stack_batch_answers_every_item_or_names_the_bad_one(client: httpx.Client) -> None:
    body: dict[str, Any] = {"model": "simulator/chat", "messages_batch": [[{"role": "user", "content": "a"}]] * 3}
    answer = client.post("/llama-stack/v1/batch-inference/chat-completion", json=body)
    assert len(answer.json()["batch"]) == len(answer.json()["completion_message_batch"]) == 3
    body["messages_batch"].append([])
    refused = client.post("/llama-stack/v1/batch-inference/chat-completion", json=body)
    check(LLAMA, refused, 400)
    assert "messages_batch[3]" in refused.text
    texts = {"model": "simulator/chat", "content_batch": ["Once", "Twice"]}
    assert len(client.post("/llama-stack/v1/batch-inference/completion", json=texts).json()["batch"]) == 2


def test_a_key_that_cannot_be_opened_any_more_is_missed_only_where_it_is_needed(
    served: dict[str, LoopbackVendor], tmp_path: Path
) -> None:
    openai, anthropic = served["openai"], served["anthropic"]
    openai.says()
    anthropic.says()
    settings = settings_for(served)
    with running(tmp_path, **settings) as server, speaking(server) as client:
        create(client)
    settings["CONCORDAT_SECRETS_KEY"] = "another-secret-than-before-0123456789"
    with running(tmp_path, **settings) as server, speaking(server) as client:
        assert ask(client).status_code == ask(client, "hosted_only").status_code == 200
        assert client.post(IPOP.url, json=IPOP.chat(anthropic.model)).status_code == 200
        for policy in ("byok_only", "fail_closed_on_byok_error"):
            refused = ask(client, policy)
            check(IPOP, refused, 503)
            assert refused.json()["error_type"] == "secret_unreadable"
        create(client, api_key=OWN + "0")
        assert ask(client, "byok_only").status_code == 200
