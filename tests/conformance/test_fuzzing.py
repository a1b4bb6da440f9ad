"""Schemathesis over every bound operation, against the overlaid document that the server itself hands out.

A stream's events are checked by the journeys: schemathesis would hold the whole transcript against one event's schema.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.app import PREFIXES
from server.inspect import apis, find_handler, operations
from tests.live import LiveServer

SECONDS = float(os.environ.get("CONCORDAT_FUZZ_SECONDS", "20")) / 2
"""Each API is fuzzed twice."""

SEED = os.environ.get("CONCORDAT_FUZZ_SEED", "1")
"""The same cases in every run of the tests; `make fuzz` takes another seed each time."""

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("hooks.py")
PROMPTED = {
    "app_telemetry_source_maps_update",
    "chat_completions_create",
    "completions_create",
    "files_create",
    "responses_create",
    "responses_input_tokens_count",
    "rlm_responses_create",
}
"""Their bodies hold a prompt, of which a schema cannot say all that makes it one; and most may stream. How long a file
lasts, and what it may be for, is said in prose, and what a source map is, elsewhere."""


def bound(api: str) -> list[str]:
    return [op.operation_id for op in operations(api) if find_handler(op) is not None]


def fuzz(server: LiveServer, api: str, operation_ids: list[str], *options: str) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIGURATION),
        "run", f"{server.url}{PREFIXES[api]}/openapi.json",
        "--url", server.url + PREFIXES[api],
        "--phases", "examples,coverage,fuzzing",
        "--max-time", str(int(SECONDS)),
        "--seed", SEED,
        "--suppress-health-check", "all",
        "--generation-database", "none",
        "--warnings", "off",
        "--no-color",
        *options,
    ]  # fmt: skip
    for operation_id in operation_ids:
        command += ["--include-operation-id", operation_id]
    environment = {**os.environ, "CONCORDAT_KEY": server.key, "SCHEMATHESIS_HOOKS": str(HOOKS)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS + 120, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]


@pytest.mark.parametrize("api", [api for api in apis() if set(bound(api)) - PROMPTED])
def test_bound_operations_keep_to_their_document(server: LiveServer, api: str) -> None:
    fuzz(server, api, [name for name in bound(api) if name not in PROMPTED])


@pytest.mark.parametrize("api", [api for api in apis() if PROMPTED.intersection(bound(api))])
def test_operations_with_a_prompt_keep_to_their_document(server: LiveServer, api: str) -> None:
    """What no model can do (no messages, no choices, a grammar) is refused with 400, though the schema allows it."""
    prompted = [name for name in bound(api) if name in PROMPTED]
    fuzz(server, api, prompted, "--exclude-checks", "response_schema_conformance,positive_data_acceptance")
