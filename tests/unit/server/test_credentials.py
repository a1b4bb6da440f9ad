from __future__ import annotations

import pytest

from handlers.core.call import Caller
from server.auth.credentials import Authenticator


class Keys:
    """A ring of one key and one admin token."""

    async def find(self, presented: str) -> Caller | None:
        return Caller("project-1", "default", "key-1") if presented == "right" else None

    async def admin(self, token: str) -> bool:
        return token == "admin"


EVERYBODY = Caller("project-1", "default")
OPEN = Authenticator(Keys(), EVERYBODY, frozenset({"https://app.example"}))


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "127.0.0.1:8321"},
        {"host": "localhost:8321", "origin": "http://localhost:3000"},
        {"host": "[::1]:8321", "origin": "https://app.example"},
        {"host": "127.0.0.1", "authorization": "Bearer anything"},
        {},
    ],
)
async def test_without_authentication_this_machine_is_everybody(headers: dict[str, str]) -> None:
    assert await OPEN.bearer(headers) is EVERYBODY
    assert await OPEN.api_key(headers) is EVERYBODY


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "rebound.example:8321"},
        {"host": "127.0.0.1:8321", "origin": "https://evil.example"},
        {"host": "127.0.0.1:8321", "origin": "null"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "[::1"},
        {"host": ""},
    ],
)
async def test_without_authentication_pages_of_other_sites_are_nobody(headers: dict[str, str]) -> None:
    assert await OPEN.bearer(headers) is None
    assert await OPEN.api_key(headers) is None
    assert "only this machine" in OPEN.complaint(headers)


async def test_without_authentication_every_site_may_be_invited() -> None:
    invited = Authenticator(Keys(), EVERYBODY, frozenset({"*"}))
    assert await invited.bearer({"host": "localhost", "origin": "https://evil.example"}) is EVERYBODY
    assert await invited.bearer({"host": "rebound.example", "origin": "https://evil.example"}) is None


async def test_without_authentication_nobody_is_an_administrator() -> None:
    assert await OPEN.admin({"host": "localhost"}) is None
    assert await OPEN.admin({"host": "localhost", "x-admin-token": "right"}) is None


async def test_where_keys_are_asked_for_it_does_not_matter_whence() -> None:
    keyed = Authenticator(Keys())
    headers = {"host": "api.example", "origin": "https://evil.example"}
    assert await keyed.bearer(headers) is None
    assert await keyed.bearer({**headers, "authorization": "Bearer right"}) is not None


@pytest.mark.parametrize(
    ("scheme", "headers"),
    [
        ({"type": "oauth2", "flows": {}}, {"authorization": "Bearer right"}),
        ({"type": "openIdConnect", "openIdConnectUrl": "https://a.example"}, {"authorization": "Bearer right"}),
        ({"type": "apiKey", "in": "header", "name": "api_key"}, {"api_key": "right"}),
    ],
)
async def test_keys_are_taken_where_other_documents_want_them(
    scheme: dict[str, object], headers: dict[str, str]
) -> None:
    check = Authenticator(Keys()).check_for(scheme)
    assert check is not None
    assert await check(headers) == Caller("project-1", "default", "key-1")
    assert await check(dict.fromkeys(headers, "Bearer wrong")) is None
    assert await check({}) is None


@pytest.mark.parametrize(
    "scheme",
    [
        {"type": "apiKey", "in": "query", "name": "key"},
        {"type": "apiKey", "in": "cookie", "name": "key"},
        {"type": "apiKey", "in": "header", "name": "Authorization"},
        {"type": "http", "scheme": "basic"},
        {"type": "mutualTLS"},
        {},
    ],
)
def test_credentials_of_other_kinds_are_not_known(scheme: dict[str, object]) -> None:
    assert Authenticator(Keys()).check_for(scheme) is None
