"""Keys and values over HTTP, by IPOP's document."""

from __future__ import annotations

import base64
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.journeys.waiting import eventually

ITEMS = "/ipop/v1/kv/items"


@pytest.fixture
def prefix() -> str:
    return f"projects/{uuid.uuid4().hex}/"


def put(client: httpx.Client, key: str, **fields: Any) -> httpx.Response:
    return client.put(ITEMS, json={"key": key} | ({"value": 1} | fields if "value_base64" not in fields else fields))


def path_of(key: str) -> str:
    return f"{ITEMS}/{quote(key, safe='')}"


@pytest.mark.parametrize("value", [{"mode": "dark", "n": [1, 2.5, None]}, None, "", 0, "ü\0"])
def test_json_values_come_back_as_they_were(client: httpx.Client, prefix: str, value: Any) -> None:
    made = put(client, prefix + "settings/theme", value=value).raise_for_status().json()
    assert (made["mode"], made["version"], made["content_type"]) == ("json", 1, "application/json")
    assert client.get(path_of(prefix + "settings/theme")).json()["value"] == value


def test_bytes_come_back_as_they_were(client: httpx.Client, prefix: str) -> None:
    content = base64.b64encode(bytes(range(256)) * 2000).decode()
    put(client, prefix + "logo", value_base64=content, content_type="image/png").raise_for_status()
    found = client.get(path_of(prefix + "logo")).json()
    assert (found["mode"], found["content_type"], found["value_base64"]) == ("bytes", "image/png", content)
    assert "value" not in found


@pytest.mark.parametrize("key", ["a//b/", "ä ü?x=1#%2F&", "..", "a/../b", "items", "\U0001f600", "k" * 400])
def test_keys_have_any_characters(client: httpx.Client, prefix: str, key: str) -> None:
    put(client, prefix + key, value=key).raise_for_status()
    assert client.get(path_of(prefix + key)).json()["value"] == key
    assert [item["key"] for item in client.get(ITEMS, params={"prefix": prefix}).json()["data"]] == [prefix + key]
    assert client.delete(path_of(prefix + key)).json()["key"] == prefix + key
    assert client.get(path_of(prefix + key)).status_code == 404


def test_guards_answer_a_conflict_that_is_not_to_be_retried(client: httpx.Client, prefix: str) -> None:
    key = prefix + "k"
    assert put(client, key, create_only=True).json()["version"] == 1
    assert put(client, key, if_version=1).json()["version"] == 2
    refused = [
        put(client, key, create_only=True),
        put(client, key, if_version=1),
        put(client, prefix + "x", if_version=1),
    ]
    refused.append(client.delete(path_of(key), params={"if_version": 1}))
    for answer in refused:
        assert (answer.status_code, answer.headers["x-should-retry"]) == (409, "false")
        assert answer.json()["retryable"] is False
    assert put(client, key, create_only=True, if_version=2).status_code == 400
    assert client.delete(path_of(key), params={"if_version": 2}).status_code == 200


def test_of_many_writers_exactly_one_wins(client: httpx.Client, prefix: str) -> None:
    put(client, prefix + "k")
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda n: put(client, prefix + "k", value=n, if_version=1).status_code, range(8)))
    assert sorted(statuses) == [200] + [409] * 7


def test_an_item_whose_time_is_over_is_gone(client: httpx.Client, prefix: str) -> None:
    made = put(client, prefix + "k", ttl_seconds=1).json()
    assert made["expires_at"] > made["created_at"]
    eventually(lambda: client.get(path_of(prefix + "k")).status_code == 404)
    assert client.get(ITEMS, params={"prefix": prefix}).json()["data"] == []
    assert put(client, prefix + "k", create_only=True).status_code == 200


def test_listings_are_paged_by_cursor(client: httpx.Client, prefix: str) -> None:
    keys = [f"{prefix}{n}" for n in range(5)]
    for key in keys:
        put(client, key, value=key)
    found, cursor = [], None
    while True:
        params: dict[str, Any] = {"prefix": prefix, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get(ITEMS, params=params).json()
        found += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [item["key"] for item in found] == keys
    assert "value" not in found[0]
    whole = client.get(ITEMS, params={"prefix": prefix, "include_values": True}).json()["data"]
    assert [item["value"] for item in whole] == keys


def test_the_summary_counts_what_is_stored_and_carried(client: httpx.Client, prefix: str) -> None:
    before = client.get("/ipop/v1/kv").raise_for_status().json()
    item = put(client, prefix + "k", value="x" * 1000).json()
    client.get(path_of(prefix + "k"))
    after = client.get("/ipop/v1/kv").json()
    size = item["storage_bytes"]
    assert size == len(prefix) + 1 + 1002
    assert after["table"]["item_count"] == before["table"]["item_count"] + 1
    assert after["table"]["storage_bytes"] == before["table"]["storage_bytes"] + size
    for kind in ("ingress_bytes", "egress_bytes"):
        assert after["usage"][kind] == before["usage"][kind] + size
    assert after["usage"]["cost_usd"] == 0


def test_items_are_each_projects_own(client: httpx.Client, other: httpx.Client, prefix: str) -> None:
    key = prefix + "k"
    put(client, key, value="mine")
    assert other.get(path_of(key)).status_code == 404
    assert other.delete(path_of(key)).status_code == 404
    assert other.get(ITEMS, params={"prefix": prefix}).json()["data"] == []
    assert put(other, key, value="theirs", create_only=True).status_code == 200
    assert client.get(path_of(key)).json()["value"] == "mine"


@pytest.mark.parametrize(
    "body",
    [
        {"value": 1},
        {"key": "k"},
        {"key": "", "value": 1},
        {"key": "k" * 513, "value": 1},
        {"key": "a\0b", "value": 1},
        {"key": "k", "value": 1, "value_base64": "aGVsbG8="},
        {"key": "k", "value_base64": "aGVsbG8"},
        {"key": "k", "value_base64": "ä"},
        {"key": "k", "value": 1, "ttl_seconds": 0},
        {"key": "k", "value": 1, "content_type": "a\0"},
        {"key": "k", "value": 1, "table": "other"},
    ],
)
def test_wrong_items_are_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    assert client.put(ITEMS, json=body).status_code == 400
