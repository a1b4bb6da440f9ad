"""What an administrator does to keys, limits and credits holds in a server that runs, without a restart."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from server.cli import app
from tests.journeys.dialects import DIALECTS, IPOP, MANIAC, Dialect
from tests.journeys.test_errors import MODEL_PATHS, check
from tests.journeys.waiting import eventually, stay_within
from tests.live import LiveServer

each = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)

PRICED = "claude-sonnet-4.6"
Admin = Callable[..., Any]


@pytest.fixture(scope="module")
def admin(server: LiveServer) -> Admin:
    """Runs a `concordat` command beside the server's process and answers what it printed, read as JSON."""

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(app, [*arguments, "--json"], env=server.environment)
        assert done.exit_code == 0, done.output
        return orjson.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def project(admin: Admin) -> str:
    slug = f"p-{uuid.uuid4().hex[:8]}"
    assert admin("projects", "create", slug)["slug"] == slug
    return slug


@contextmanager
def holding(server: LiveServer, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        yield client


def status(client: httpx.Client, dialect: Dialect = MANIAC, **more: Any) -> int:
    return client.post(dialect.url, json=dialect.chat(**more)).status_code


def test_new_key_works_at_once_and_a_revoked_one_stops(server: LiveServer, admin: Admin, project: str) -> None:
    made = admin("keys", "create", "--project", project)
    with holding(server, made["key"]) as client:
        assert status(client) == 200
        admin("keys", "revoke", made["id"], "--project", project)
        eventually(lambda: status(client), lambda seen: seen == 401)


def test_rotated_key_works_beside_the_new_one_for_the_overlap(server: LiveServer, admin: Admin, project: str) -> None:
    made = admin("keys", "create", "--project", project, "--models", "simulator/chat")
    heir = admin("keys", "rotate", made["id"], "--project", project, "--overlap-seconds", "3600")
    assert heir["models"] == ["simulator/chat"]
    with holding(server, made["key"]) as old, holding(server, heir["key"]) as new:
        assert (status(old), status(new)) == (200, 200)
    last = admin("keys", "rotate", heir["id"], "--project", project, "--overlap-seconds", "1")
    with holding(server, heir["key"]) as old, holding(server, last["key"]) as new:
        eventually(lambda: status(old), lambda seen: seen == 401)
        assert status(new) == 200


def test_key_stops_when_it_expires(server: LiveServer, admin: Admin, project: str) -> None:
    lasting, brief = (admin("keys", "create", "--project", project, "--days", str(days)) for days in (1, 1 / 86_400))
    with holding(server, lasting["key"]) as client, holding(server, brief["key"]) as expired:
        eventually(lambda: status(expired), lambda seen: seen == 401)
        assert status(client) == 200


@pytest.fixture(scope="module")
def limited(server: LiveServer, admin: Admin, project: str) -> Iterator[httpx.Client]:
    """Holds a key for one model, and for all APIs but Maniac."""
    apis = "ipop,llama-stack,llama-stack-deprecated"
    made = admin("keys", "create", "--project", project, "--models", "simulator/chat", "--apis", apis)
    with holding(server, made["key"]) as client:
        yield client


@pytest.mark.parametrize("dialect", DIALECTS[1:], ids=lambda dialect: dialect.api)
def test_key_for_one_model_opens_and_sees_no_other(limited: httpx.Client, dialect: Dialect) -> None:
    assert status(limited, dialect) == 200
    check(dialect, limited.post(dialect.url, json=dialect.chat(PRICED)), 403)
    check(dialect, limited.post(dialect.url, json=dialect.chat(PRICED, stream=True)), 403)
    assert listed(limited, dialect) == {"simulator/chat"}


def test_key_for_some_apis_opens_no_other(limited: httpx.Client) -> None:
    check(MANIAC, limited.post(MANIAC.url, json=MANIAC.chat()), 403)
    check(MANIAC, limited.get("/maniac/v1/models"), 403)


def listed(client: httpx.Client, dialect: Dialect) -> set[str]:
    answer = client.get(dialect.prefix + MODEL_PATHS[dialect.api], params={"limit": 100} if dialect is MANIAC else {})
    return {model.get("id") or model["identifier"] for model in answer.json()["data"]}


@each
def test_requests_beyond_the_limit_are_told_when_to_come_back(
    server: LiveServer, admin: Admin, project: str, dialect: Dialect
) -> None:
    """A limit of the key alone, which other keys of the project do not feel."""
    made = admin("keys", "create", "--project", project)
    limits = admin("limits", "set", "--project", project, "--key", made["id"], "--requests-per-minute", "3")
    assert limits["requests_per_minute"] == 3
    with holding(server, made["key"]) as client:
        answers = [client.post(dialect.url, json=dialect.chat(stream=number % 2 == 0)) for number in range(8)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(refused) >= 2
    for answer in refused:
        check(dialect, answer, 429)
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert (answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) == ("3", "0")
        assert int(answer.headers["x-ratelimit-reset"]) % 60 == 0


def test_tokens_beyond_the_limit_of_a_project_are_refused(server: LiveServer, admin: Admin) -> None:
    slug = f"p-{uuid.uuid4().hex[:8]}"
    admin("projects", "create", slug)
    admin("limits", "set", "--project", slug, "--tokens-per-day", "50")
    stay_within(86_400, 60)
    with holding(server, admin("keys", "create", "--project", slug)["key"]) as client:
        assert status(client, IPOP, max_tokens=5) == 200
        check(IPOP, client.post(IPOP.url, json=IPOP.chat(max_tokens=35)), 429)
        check(IPOP, client.post(IPOP.url, json=IPOP.chat(max_tokens=500)), 400)


def test_credits_that_are_used_up_are_asked_for(server: LiveServer, admin: Admin) -> None:
    slug = f"p-{uuid.uuid4().hex[:8]}"
    admin("projects", "create", slug)
    key = admin("keys", "create", "--project", slug)["key"]
    assert admin("credits", "set", "0.0001", "--project", slug)["balance_usd"] == "0.0001"
    with holding(server, key) as client:
        assert status(client, model=PRICED) == 200
        for dialect in DIALECTS:
            check(dialect, client.post(dialect.url, json=dialect.chat(PRICED)), 402)
        assert float(admin("credits", "show", "--project", slug)["balance_usd"]) < 0
        admin("credits", "set", "unlimited", "--project", slug)
        eventually(lambda: status(client, model=PRICED), lambda seen: seen == 200)


def test_what_a_project_registers_is_on_its_own_lists_and_on_no_others(server: LiveServer) -> None:
    with holding(server, server.key) as mine, holding(server, server.other_key) as theirs:
        name = f"own/{uuid.uuid4().hex[:8]}"
        registered = mine.post("/llama-stack/v1/models", json={"model_id": name, "provider_id": "simulator"})
        assert registered.status_code == 200
        for dialect in DIALECTS:
            assert name in listed(mine, dialect)
            assert name not in listed(theirs, dialect)
            assert status(mine, dialect, **{dialect.model_field: name}) == 200
            check(dialect, theirs.post(dialect.url, json=dialect.chat(name)), 404)
        assert theirs.delete(f"/llama-stack/v1/models/{name}").status_code == 404
        assert mine.delete(f"/llama-stack/v1/models/{name}").status_code == 200
        for dialect in DIALECTS:
            assert name not in listed(mine, dialect)
