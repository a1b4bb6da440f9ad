"""What `generate` says after a document changed: to clients, and to those who write handlers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from codegen.__main__ import main
from codegen.generate import Layout
from codegen.operation import Json
from tests.unit.codegen.documents import make_body, make_document, make_operation, write_json

Generate = Callable[..., int]
HANDLERS = """
async def things_list(params, call): ...


async def things_delete(params, call): ...


async def things_create(call): ...
"""
LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer"}}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def named(operation_id: str, **further: Json) -> Json:
    return make_operation(operation_id, **{"x-handler-module": "handlers.made.things", **further})


OLD = {
    "/things": {"get": named("things_list", parameters=[LIMIT]), "post": named("things_create")},
    "/things/{id}": {"delete": named("things_delete", parameters=[ID]), "put": named("things_put", parameters=[ID])},
}


@pytest.fixture
def generate(tmp_path: Path) -> Generate:
    """Generates from these paths, where handlers of three of four operations are written."""
    handlers = tmp_path / "handlers" / "made" / "things.py"
    handlers.parent.mkdir(parents=True)
    handlers.write_text(HANDLERS)

    def run(paths: Json, *options: str, api: str = "made") -> int:
        write_json(tmp_path / "specs" / "documents" / f"{api}.json", make_document(paths))
        folders = ("--specs", tmp_path / "specs", "--out", tmp_path / "out", "--code", tmp_path)
        return main(["generate", *map(str, folders), *options])

    return run


def test_a_new_document_lists_what_is_to_be_written(generate: Generate, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(OLD, "--fail-on-breaking") == 0
    said = capsys.readouterr().out
    assert said == (
        "made.json: added\n\n"
        "made\n\n"
        "Not compared, as nothing was generated before, or nothing that can be read.\n\n"
        "To write (1)\n"
        "  handlers/made/things.py\n"
        "    async def things_put(params: ThingsPutParams, call: Call) -> Answer    # PUT /things/{id}\n"
    )


def test_nothing_is_said_when_nothing_changed(generate: Generate, capsys: pytest.CaptureFixture[str]) -> None:
    generate(OLD)
    capsys.readouterr()
    assert generate(OLD, "--fail-on-breaking") == 0
    assert capsys.readouterr().out == ""


def test_a_change_is_told_to_clients_first_and_then_to_those_who_write_handlers(
    generate: Generate, capsys: pytest.CaptureFixture[str]
) -> None:
    generate(OLD)
    capsys.readouterr()
    new = {
        "/things": {
            "get": named("things_list", parameters=[{**LIMIT, "schema": {"type": "string"}}]),
            "post": named("things_create", requestBody=make_body({"type": "object"})),
            "patch": named("things_change"),
        },
        "/things/{thing_id}": {"put": named("things_put", parameters=[{**ID, "name": "thing_id"}])},
    }
    assert generate(new) == 0
    said = capsys.readouterr().out
    assert said.index("Breaking changes (") < said.index("Added operations (1)") < said.index("To write (1)")
    assert "DELETE /things/{id}: the operation is removed" in said
    assert said.endswith(
        "To write (1)\n"
        "  handlers/made/things.py\n"
        "    async def things_change(call: Call) -> Answer    # PATCH /things\n\n"
        "To change (2)\n"
        "  handlers/made/things.py\n"
        "    line 2: GET /things\n"
        "      params.limit was int | None, is str | None\n"
        "    line 8: POST /things\n"
        "      was: async def things_create(call: Call) -> Answer\n"
        "      is:  async def things_create(body: ThingsCreateBody, call: Call) -> Answer\n\n"
        "To delete, with what only they use (1)\n"
        "  handlers/made/things.py\n"
        "    line 5: things_delete    # was DELETE /things/{id}\n"
    )


def test_a_handler_that_is_renamed_or_moved_is_to_be_changed(
    generate: Generate, capsys: pytest.CaptureFixture[str]
) -> None:
    generate(OLD)
    capsys.readouterr()
    listed = named("things_enumerate", parameters=[LIMIT], **{"x-handler-module": "handlers.made.lists"})
    assert generate({**OLD, "/things": {**OLD["/things"], "get": listed}}, "--fail-on-breaking") == 0
    said = capsys.readouterr().out
    assert "made\n\nNo change.\n\nTo change (1)\n  handlers/made/things.py\n    line 2: GET /things\n" in said
    assert "belongs in handlers/made/lists.py now" in said
    assert "is:  async def things_enumerate(params: ThingsEnumerateParams, call: Call) -> Answer" in said


def test_breaking_changes_fail_when_asked_to_and_are_written_all_the_same(
    generate: Generate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate(OLD)
    fewer = {"/things": OLD["/things"]}
    assert generate(fewer, "--fail-on-breaking") == 1
    assert "/things/{id}" not in (tmp_path / "out" / "made" / "routes.py").read_text()
    assert generate(fewer, "--fail-on-breaking") == 0
    assert capsys.readouterr().err == ""


def test_what_was_generated_and_cannot_be_read_is_not_compared(
    generate: Generate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate(OLD)
    (tmp_path / "out" / "made" / "routes.py").write_text("<<<<<<< ours\n")
    capsys.readouterr()
    assert generate(OLD) == 0
    assert "made\n\nNot compared" in capsys.readouterr().out


def test_handlers_are_looked_for_in_this_checkout_unless_told_otherwise() -> None:
    assert (Layout().code / "handlers" / "core").is_dir()
