"""Who may call what, in any order of requests."""

from __future__ import annotations

import itertools
import random

import httpx
import pytest

from server.inspect import operations
from tests.journeys.dialects import DIALECTS
from tests.live import LiveServer

PREFIXES = {dialect.api: dialect.prefix for dialect in DIALECTS}
OPEN = {
    "maniac": {"healthz_get"},
    "llama_stack": {"health_get", "version_get"},
    "llama_stack_deprecated": set[str](),
    "ipop": {
        "app_telemetry_plans_list", "media_images_get", "media_images_variants_get", "media_videos_manifest_get",
        "media_videos_poster_get", "media_videos_renditions_get", "media_videos_thumbs_get", "models_get",
        "models_list", "model_recommendations_create", "openapi_get", "ready_get", "region_keys_list", "regions_list",
        "solana_methods_list", "solana_plans_list", "status_get", "trials_create",
    },
}  # fmt: skip
"""Every operation that needs no credential; every other one does."""


def asked(api: str, path: str) -> str:
    return PREFIXES[api] + path.replace("{", "").replace("}", "")


@pytest.mark.parametrize("api", sorted(OPEN))
def test_only_the_listed_operations_are_open(api: str) -> None:
    assert {operation.operation_id for operation in operations(api) if not operation.security} == OPEN[api]


@pytest.mark.parametrize("api", sorted(OPEN))
def test_every_other_operation_refuses_a_stranger(stranger: httpx.Client, api: str) -> None:
    for operation in operations(api):
        if operation.security and ("AwsSigV4",) not in operation.security:
            answer = stranger.request(operation.method, asked(api, operation.path))
            assert answer.status_code == 401, operation.operation_id


def test_a_key_never_opens_an_admin_operation(server: LiveServer, stranger: httpx.Client) -> None:
    admin_only = [op for op in operations("ipop") if op.security == (("AdminToken",),)]
    assert len(admin_only) == 13
    headers = [
        {"Authorization": f"Bearer {server.key}"},
        {"x-api-key": server.key},
        {"x-admin-token": server.key},
        {"x-admin-token": "nonsense", "Authorization": f"Bearer {server.key}"},
        {"Authorization": f"Bearer {server.admin_token}"},
    ]
    attempts = list(itertools.product(admin_only, headers))
    random.Random(7).shuffle(attempts)
    for operation, wrong in attempts:
        url = asked("ipop", operation.path)
        right = stranger.request(operation.method, url, headers={"x-admin-token": server.admin_token})
        assert right.status_code not in (401, 403)
        refused = stranger.request(operation.method, url, headers=wrong)
        assert refused.status_code == 401, (operation.operation_id, wrong)


def test_a_key_is_checked_again_on_every_request(server: LiveServer, stranger: httpx.Client) -> None:
    good = {"Authorization": f"Bearer {server.key}"}
    bad = {"Authorization": f"Bearer {server.key}x"}
    for headers, status in ((good, 200), (bad, 401), (good, 200), ({}, 401), (good, 200)):
        assert stranger.get("/maniac/v1/models", headers=headers).status_code == status


def test_ipop_takes_both_headers_on_every_keyed_operation() -> None:
    for operation in operations("ipop"):
        if ("ApiKey",) in operation.security or ("BearerApiKey",) in operation.security:
            assert {("ApiKey",), ("BearerApiKey",)} <= set(operation.security), operation.operation_id


def test_ipop_answers_either_header(server: LiveServer, stranger: httpx.Client) -> None:
    body = {"model": "simulator/chat", "messages": [{"role": "user", "content": "hi"}]}
    for headers in ({"x-api-key": server.key}, {"Authorization": f"Bearer {server.key}"}):
        assert stranger.post("/ipop/v1/chat/completions", json=body, headers=headers).status_code == 200
