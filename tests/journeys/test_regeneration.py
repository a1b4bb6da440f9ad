"""A document changes: from the new operation to its answer, and what the change means to clients.

On a copy of the code, with one of the documents.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journeys.dialects import MANIAC
from tests.journeys.test_errors import check
from tests.live import ROOT, LiveServer

ROOMS = ("codegen", "handlers", "providers", "server", "specs", "storage")
NAMED = ("application/json", {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}})
GREETED = ("application/json", {"type": "object", "properties": {"greeting": {"type": "string"}}})
GREETINGS = {
    "tags": ["Greetings"],
    "parameters": [{"name": "loudly", "in": "query", "schema": {"type": "boolean", "default": False}}],
    "requestBody": {"required": True, "content": {NAMED[0]: {"schema": NAMED[1]}}},
    "responses": {"200": {"description": "A greeting.", "content": {GREETED[0]: {"schema": GREETED[1]}}}},
}
SIGNATURE = (
    "async def post_v1_greetings(params: PostV1GreetingsParams, body: PostV1GreetingsBody, call: Call) -> Answer"
)
HANDLER = """
from typing import Any

from codegen.generated.maniac.routes import PostV1GreetingsBody, PostV1GreetingsParams
from handlers.core.call import Call


async def post_v1_greetings(params: PostV1GreetingsParams, body: PostV1GreetingsBody, call: Call) -> dict[str, Any]:
    greeting = f"Hello, {body.data['name']}"
    return {"greeting": greeting.upper() if params.loudly else greeting}
"""


@dataclass(frozen=True)
class Checkout:
    """`said` is what generating the code printed."""

    folder: Path
    said: str = ""

    @property
    def document(self) -> Path:
        return self.folder / "specs" / "documents" / "maniac.json"

    def write_handler(self, module: str, text: str) -> None:
        (self.folder / "handlers" / "maniac" / f"{module}.py").write_text(text, encoding="utf-8")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *command], cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )


def read(document: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(document.read_text(encoding="utf-8"))
    return value


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Maniac alone, its document one operation richer, and the code generated anew."""
    folder = tmp_path_factory.mktemp("checkout")
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [*folder.glob("specs/documents/*"), *folder.glob("codegen/generated/*")]:
        if "maniac" not in path.name and path.name != "__init__.py":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    made = Checkout(folder)
    document = read(made.document)
    document["paths"]["/v1/greetings"] = {"post": GREETINGS}
    made.document.write_text(json.dumps(document), encoding="utf-8")
    generated = made.run("codegen", "generate")
    assert generated.returncode == 0, generated.stderr
    return Checkout(folder, generated.stdout + generated.stderr)


@pytest.fixture
def server(checkout: Checkout, tmp_path: Path) -> Iterator[LiveServer]:
    live = LiveServer(tmp_path / "data", {"CONCORDAT_APIS": "maniac"}, checkout=checkout.folder)
    live.start()
    yield live
    live.stop()


def greet(server: LiveServer, body: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {server.key}"}
    return httpx.post(f"{server.url}/maniac/v1/greetings?loudly=true", json=body, headers=headers, timeout=60)


def test_operation_without_a_name_gets_one_and_a_warning(checkout: Checkout) -> None:
    assert "maniac.json: changed" in checkout.said
    (warning,) = [line for line in checkout.said.splitlines() if line.startswith("warning: ")]
    assert "POST /v1/greetings" in warning
    assert "post_v1_greetings" in warning
    assert "handlers.maniac.greetings" in warning


def test_what_changed_and_what_to_write_is_told(checkout: Checkout) -> None:
    assert "Added operations (1)\n  POST /v1/greetings\n" in checkout.said
    assert f"To write (1)\n  handlers/maniac/greetings.py\n    {SIGNATURE}    # POST /v1/greetings\n" in checkout.said
    assert "Breaking" not in checkout.said


def test_new_operation_is_501_until_its_function_is_written_as_told(checkout: Checkout, server: LiveServer) -> None:
    status = checkout.run("server.cli", "status").stdout
    assert f"handlers.maniac.greetings: {SIGNATURE}" in status
    check(MANIAC, greet(server, {"name": "Ada"}), 501)
    checkout.write_handler("greetings", HANDLER)
    server.stop()
    server.start()
    assert greet(server, {"name": "Ada"}).json() == {"greeting": "HELLO, ADA"}
    check(MANIAC, greet(server, {}), 400)
    assert '"level":"error"' not in server.log_text()


def test_handlers_that_do_not_fit_are_named(checkout: Checkout) -> None:
    checkout.write_handler("greetings", HANDLER)
    checkout.write_handler("traces", "async def traces_list(call): ...\n\n\nasync def nobodys(body, call): ...\n")
    checked = checkout.run("server.cli", "check")
    assert checked.returncode == 1
    complaints = [line for line in checked.stderr.splitlines() if line.startswith("concordat: ")]
    assert len(complaints) == 2
    assert "handlers.maniac.traces.traces_list does not fit its operation" in checked.stderr
    assert "traces_list(params: TracesListParams, call: Call)" in checked.stderr
    assert "handlers.maniac.traces.nobodys names no operation" in checked.stderr


def test_added_operation_breaks_nobody(checkout: Checkout) -> None:
    compared = checkout.run(
        "codegen", "diff", str(ROOT / "specs" / "documents" / "maniac.json"), str(checkout.document)
    )
    assert compared.returncode == 0
    assert "POST /v1/greetings" in compared.stdout


def test_removed_operation_and_required_property_break_clients(checkout: Checkout, tmp_path: Path) -> None:
    document = read(checkout.document)
    del document["paths"]["/v1/models"]
    added = document["paths"]["/v1/greetings"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    added["required"].append("language")
    added["properties"]["language"] = {"type": "string"}
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(document), encoding="utf-8")
    compared = checkout.run("codegen", "diff", str(checkout.document), str(changed))
    assert compared.returncode == 1
    assert "GET /v1/models" in compared.stdout
    assert "language" in compared.stdout
