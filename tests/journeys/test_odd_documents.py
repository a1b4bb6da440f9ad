"""Servers of documents made at random: as odd as they are, the server starts, tells what is not built from what is, and
refuses what the document refuses.

On a copy of the code, with other documents in the place of ours. Half of the operations are built, as they are told to.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema_rs
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from codegen.chores import read_generated
from codegen.operation import Json, Operation, signature
from server.app import PREFIXES
from tests.journeys.test_regeneration import ROOMS, Checkout
from tests.live import ROOT, LiveServer
from tests.unit.codegen.odd_documents import documents

WRONG: tuple[Json, ...] = (None, True, 7, 1.5, "wrong", [], ["wrong"], {}, {"wrong": 1})
HANDLER = "\n\n{signature}:\n    return {{}}\n"


def make_documents(count: int) -> list[Json]:
    """The same ones in every run, the larger of them first."""
    made: list[Json] = []

    @settings(
        derandomize=True,
        max_examples=60,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(documents(most_components=8, most_operations=8))
    def collect(document: Json) -> None:
        made.append(document)

    collect()
    return sorted(made, key=lambda document: len(document["paths"]), reverse=True)[:count]


@dataclass(frozen=True)
class Served:
    """One API: its overlaid document, and its operations with whether they are built."""

    server: LiveServer
    prefix: str
    document: Json
    operations: list[tuple[Operation, bool]]

    def ask(self, operation: Operation, body: Json = None, *, key: bool = True) -> httpx.Response:
        path = operation.path
        for parameter in operation.parameters:
            if parameter.location == "path":
                path = path.replace(f"{{{parameter.name}}}", "x")
        headers = {"Authorization": f"Bearer {self.server.key}"} if key else {}
        sent = {"content": json.dumps(body), "headers": headers | {"Content-Type": "application/json"}}
        if not operation.body:
            sent = {"headers": headers}
        return httpx.request(operation.method, self.server.url + self.prefix + quote(path), **sent)  # type: ignore[arg-type]

    def allows(self, operation: Operation, body: Json) -> bool:
        registry = jsonschema_rs.Registry([("urn:document", {**self.document, "$id": "urn:document"})])
        reference = {"$ref": "urn:document" + quote(str(operation.body[0].schema), safe="#/~")}
        return jsonschema_rs.Draft202012Validator(reference, registry=registry).is_valid(body)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Served]]:
    checkout = Checkout(tmp_path_factory.mktemp("odd"))
    for room in ROOMS:
        shutil.copytree(ROOT / room, checkout.folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    specs, out = checkout.folder / "specs", checkout.folder / "codegen" / "generated"
    shutil.rmtree(specs / "overlays")
    shutil.rmtree(specs / "documents")
    (specs / "documents").mkdir()
    for api, document in zip(PREFIXES, make_documents(len(PREFIXES)), strict=True):
        (specs / "documents" / f"{api}.json").write_text(json.dumps(document), encoding="utf-8")
        for file in (checkout.folder / "handlers" / api).glob("*.py"):
            if file.stem not in ("errors", "__init__"):
                file.unlink()
    generated = checkout.run("codegen", "generate")
    assert generated.returncode == 0, generated.stderr
    built = {api: list(build_half(checkout.folder, api)) for api in PREFIXES}
    checked = checkout.run("server.cli", "check")
    assert checked.returncode == 0, checked.stderr
    server = LiveServer(checkout.folder / "data", {"CONCORDAT_VALIDATE_RESPONSES": "false"}, checkout=checkout.folder)
    server.start()
    documents_of = {api: json.loads((out / api / "openapi.json").read_text(encoding="utf-8")) for api in PREFIXES}
    yield [Served(server, PREFIXES[api], documents_of[api], built[api]) for api in PREFIXES]
    server.stop()
    assert '"level":"error"' not in server.log_text()


def build_half(folder: Path, api: str) -> Iterator[tuple[Operation, bool]]:
    """Writes handlers with the signatures that are told, for every other operation."""
    generated = read_generated(folder / "codegen" / "generated" / api)
    assert generated
    for number, operation in enumerate(generated.operations.values()):
        if number % 2:
            file = folder.joinpath(*operation.module.split(".")).with_suffix(".py")
            text = file.read_text(encoding="utf-8") if file.exists() else "from __future__ import annotations\n"
            file.write_text(text + HANDLER.format(signature=signature(operation)), encoding="utf-8")
        yield operation, bool(number % 2)


def each(served: list[Served], *, built: bool) -> list[tuple[Served, Operation]]:
    found = [(api, operation) for api in served for operation, is_built in api.operations if is_built == built]
    assert len(found) >= 8
    return found


def test_operations_that_are_not_built_say_so(served: list[Served]) -> None:
    for api, operation in each(served, built=False):
        assert api.ask(operation).status_code == 501, operation


def test_a_key_is_asked_for_where_the_document_does(served: list[Served]) -> None:
    statuses = set()
    for api, operation in [*each(served, built=False), *each(served, built=True)]:
        refused = api.ask(operation, key=False).status_code == 401
        assert refused == bool(operation.security), operation
        statuses.add(refused)
    assert statuses == {True, False}


def test_what_the_document_refuses_is_refused(served: list[Served]) -> None:
    tried = 0
    for api, operation in each(served, built=True):
        plain = not any(parameter.required for parameter in operation.parameters if parameter.location != "path")
        for body in WRONG if operation.body and operation.body_required else ():
            allowed = api.allows(operation, body)
            status = api.ask(operation, body).status_code
            assert status == 200 if allowed and plain else 400 <= status < 500, (operation, body)
            tried += not allowed
        if not plain:
            assert 400 <= api.ask(operation, {}).status_code < 500, operation
            tried += 1
    assert tried > 10


def test_other_paths_and_methods_are_refused(served: list[Served]) -> None:
    for api in served:
        assert httpx.get(f"{api.server.url}{api.prefix}/nowhere/at/all").status_code == 404
        (operation, _), *_ = api.operations
        other = "PATCH"
        url = api.server.url + api.prefix + quote(operation.path.replace("{", "").replace("}", ""))
        assert httpx.request(other, url).status_code == 405


def test_the_document_is_served_with_the_names_of_the_handlers(served: list[Served]) -> None:
    for api in served:
        document: Any = httpx.get(f"{api.server.url}{api.prefix}/openapi.json").json()
        names = {node["operationId"] for item in document["paths"].values() for node in item.values()}
        assert names == {operation.operation_id for operation, _ in api.operations}
