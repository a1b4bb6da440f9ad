"""Requests are signed where they carry the key, and left alone where they do not."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from server.contract.engine import sample
from server.contract.hooks import fits
from server.contract.signing import AccessKey, Signer, sign

KEY = AccessKey("AKID", "secret")
URL = "http://127.0.0.1:1/storage/s3/b/k?list-type=2"


@dataclass
class Request:
    method: str = "PUT"
    url: str = URL
    body: bytes | str | None = b"x"
    headers: dict[str, str | bytes] = field(default_factory=dict)


@pytest.mark.parametrize("headers", [{"authorization": b"Bearer ck_1"}, {"x-api-key": "ck_1"}])
def test_the_key_gives_way_to_a_signature(headers: dict[str, str | bytes]) -> None:
    request = Signer(KEY, "ck_1", now=lambda: 1_790_000_000.0)(Request(headers=dict(headers)))
    assert "x-api-key" not in request.headers
    assert request.headers == sign(KEY, "PUT", URL, b"x", 1_790_000_000.0)
    assert str(request.headers["authorization"]).startswith("AWS4-HMAC-SHA256 Credential=AKID/2026")


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer other"}, {"x-api-key": "wrong"}])
def test_a_request_without_the_key_stays_without(headers: dict[str, str | bytes]) -> None:
    assert Signer(KEY, "ck_1")(Request(headers=dict(headers))).headers == headers


def test_numbers_beyond_64_bits_are_not_sent() -> None:
    assert fits({"a": [1, {"b": 2**63 - 1}]})
    assert not fits({"a": [1, {"b": 2**63}]})


def test_as_many_cases_as_wanted_are_chosen_the_same_ones_each_time() -> None:
    assert sample(range(9), 10, "x") == list(range(9))
    assert len(set(sample(range(100), 10, "x"))) == 10
    assert sample(range(100), 10, "x") == sample(range(100), 10, "x") != sample(range(100), 10, "y")
