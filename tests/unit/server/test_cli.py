"""The `concordat` command, on a database of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from server.cli import app
from server.commands import tables
from server.inspect import apis, operations
from tests.house.files import ROOT

Concordat = Callable[..., Result]
SERVING = ("serve", "worker", "config", "status", "new", "generate", "check", "diff", "contract", "tables")
COMMANDS = (*SERVING, "keys", "projects", "limits", "credits", "jobs", "db")


@pytest.fixture
def concordat(tmp_path: Path) -> Concordat:
    """`concordat("keys", "list")` runs a command; `environ=` adds to the environment."""

    def run(*arguments: str, environ: dict[str, str] | None = None) -> Result:
        surroundings = {"CONCORDAT_DATA_DIR": str(tmp_path / "data"), "COLUMNS": "200", **(environ or {})}
        return CliRunner().invoke(app, arguments, env=surroundings)

    return run


def printed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_help_is_there_for_every_command(concordat: Concordat) -> None:
    shown = concordat("--help").output
    for command in COMMANDS:
        assert command in shown
        assert concordat(command, "--help").exit_code == 0


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['concordat', '--help']\n"
        "try:\n    from server.cli import main; main()\n"
        "except SystemExit: pass\n"
        "heavy = {'connexion', 'sqlalchemy', 'pydantic_settings', 'structlog', 'uvicorn', 'aiohttp'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_config_shows_sources_and_no_secrets(concordat: Concordat) -> None:
    environ = {"CONCORDAT_PORT": "9000", "CONCORDAT_DATABASE_URL": "postgresql://me:hunter22@h/db"}
    shown = printed(concordat("config", "--json", environ=environ))
    assert shown["settings"]["port"] == {"value": "9000", "source": "CONCORDAT_PORT"}
    assert shown["settings"]["database_url"]["value"] == "postgresql://me:*****@h/db"
    assert "simulator" in shown["vendors"]
    table = concordat("config", environ=environ | {"OPENAI_API_KEY": "hunter22", "CONCORDAT_PROT": "1"})
    assert "hunter22" not in table.output
    assert "CONCORDAT_PROT is no setting" in table.stderr


def test_config_shows_no_password_of_a_vendor(concordat: Concordat) -> None:
    environ = {"VLLM_BASE_URL": "http://user:hidden@127.0.0.1:9/v1"}
    for command in (("config",), ("config", "--json")):
        shown = concordat(*command, environ=environ).output
        assert "http://user:*****@127.0.0.1:9/v1" in shown
        assert "hidden" not in shown


def test_a_wrong_setting_ends_with_two_and_one_line(concordat: Concordat) -> None:
    result = concordat("serve", environ={"CONCORDAT_PORT": "many"})
    assert result.exit_code == 2
    assert result.stderr.startswith("concordat: port (CONCORDAT_PORT): ")
    assert len(result.stderr.splitlines()) == 1


def test_serve_without_auth_refuses_other_hosts(concordat: Concordat) -> None:
    result = concordat("serve", "--no-auth", "--host", "0.0.0.0")
    assert result.exit_code == 2
    assert "loopback" in result.stderr


def test_status_lists_every_operation(concordat: Concordat) -> None:
    rows = printed(concordat("status", "--json"))
    assert len(rows) == sum(len(operations(api)) for api in apis())
    text = concordat("status", "--api", "llama-stack").output
    assert "llama_stack: " in text
    assert "of 74 bound" in text
    assert "maniac" not in text
    assert concordat("status", "--api", "openai").exit_code == 1


def test_a_first_command_makes_the_first_project_and_shows_its_key_once(concordat: Concordat) -> None:
    first, second = concordat("projects", "list", "--json"), concordat("projects", "list", "--json")
    assert [project["slug"] for project in printed(first)] == ["default"]
    assert "ck_" in first.stderr
    assert "ca_" in first.stderr
    assert second.stderr == ""


def test_given_first_keys_are_not_shown(concordat: Concordat) -> None:
    environ = {"CONCORDAT_BOOTSTRAP_KEYS": "lab=ck_given_0123456789", "CONCORDAT_BOOTSTRAP_ADMIN_TOKEN": "ca_given"}
    result = concordat("keys", "list", "--project", "lab", "--json", environ=environ)
    assert [key["key"] for key in printed(result)] == ["ck_...6789"]
    assert "ck_given" not in result.output


def test_a_key_is_made_rotated_revoked_and_deleted(concordat: Concordat) -> None:
    concordat("projects", "create", "lab")
    made = printed(
        concordat("keys", "create", "--project", "lab", "--models", "a,b", "--apis", "llama-stack", "--json")
    )
    assert made["key"].startswith("ck_")
    assert (made["models"], made["apis"]) == (["a", "b"], ["llama_stack"])
    rotated = printed(concordat("keys", "rotate", made["id"], "--project", "lab", "--overlap-seconds", "60", "--json"))
    assert rotated["key"] != made["key"]
    assert printed(concordat("keys", "revoke", made["id"], "--project", "lab", "--json"))["state"] == "revoked"
    listed = concordat("keys", "list", "--project", "lab", "--json")
    assert {key["id"]: key["state"] for key in printed(listed)} == {made["id"]: "revoked", rotated["id"]: "active"}
    assert made["key"] not in listed.output
    assert concordat("keys", "delete", made["id"], "--project", "lab", "--yes").exit_code == 0
    assert len(printed(concordat("keys", "list", "--project", "lab", "--json"))) == 1


def test_a_projects_keys_are_renewed_and_stopped_together(concordat: Concordat) -> None:
    concordat("projects", "create", "lab")
    made = {printed(concordat("keys", "create", "--project", "lab", "--json"))["id"] for _ in range(2)}
    renewed = printed(concordat("projects", "rotate", "lab", "--json"))
    assert {row["replaces"] for row in renewed} == made
    assert concordat("projects", "revoke", "lab", "--yes").exit_code == 0
    states = {key["id"]: key["state"] for key in printed(concordat("keys", "list", "--project", "lab", "--json"))}
    assert {states[row["id"]] for row in renewed} == {"revoked"}


def test_limits_are_set_one_by_one_and_lifted(concordat: Concordat) -> None:
    concordat("limits", "set", "--requests-per-minute", "5")
    concordat("limits", "set", "--tokens-per-day", "100")
    shown = printed(concordat("limits", "show", "--json"))
    assert (shown["requests_per_minute"], shown["tokens_per_day"]) == (5, 100)
    concordat("limits", "set", "--requests-per-minute", "none")
    assert printed(concordat("limits", "show", "--json"))["requests_per_minute"] is None
    assert concordat("limits", "set", "--tokens-per-day", "-1").exit_code == 2
    concordat("limits", "set", "--usd-per-day", "2.5")
    shown = printed(concordat("limits", "show", "--json"))
    assert (shown["micro_usd_per_day"], shown["tokens_per_day"]) == (2_500_000, 100)
    concordat("limits", "set", "--usd-per-day", "none")
    assert printed(concordat("limits", "show", "--json"))["micro_usd_per_day"] is None
    assert concordat("limits", "set", "--usd-per-day", "much").exit_code == 2


def test_credits_are_dollars_to_the_millionth(concordat: Concordat) -> None:
    assert printed(concordat("credits", "set", "2.500001", "--json"))["balance_usd"] == "2.500001"
    assert "2.500001" in concordat("credits", "show").stdout
    assert concordat("credits", "set", "0.0000001").exit_code == 2
    assert concordat("credits", "set", "much").exit_code == 2
    concordat("credits", "set", "unlimited")
    assert "unlimited" in concordat("credits", "show").stdout


def test_deleting_asks_first(concordat: Concordat) -> None:
    concordat("projects", "create", "lab")
    refused = concordat("projects", "delete", "lab")
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    assert concordat("projects", "delete", "lab", "--yes").exit_code == 0
    assert [project["slug"] for project in printed(concordat("projects", "list", "--json"))] == ["default"]


@pytest.mark.parametrize(
    "command",
    [
        ("keys", "list", "--project", "nowhere"),
        ("keys", "revoke", "key_nowhere"),
        ("projects", "delete", "nowhere", "--yes"),
        ("projects", "create", "Not A Slug"),
        ("limits", "show", "--project", "nowhere"),
    ],
)
def test_what_cannot_be_done_ends_with_one_and_a_reason(concordat: Concordat, command: tuple[str, ...]) -> None:
    concordat("projects", "list")
    result = concordat(*command)
    assert result.exit_code == 1
    assert result.stderr.startswith("concordat: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"CONCORDAT_DATA_DIR": __file__}, "cannot make the database"),
        ({"CONCORDAT_DATABASE_URL": f"sqlite:///{__file__}"}, "the database fails: file is not a database"),
        ({"CONCORDAT_DATABASE_URL": "sqlite:///:memory:"}, "needs a file"),
        ({"CONCORDAT_DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/x"}, "cannot connect to Postgres"),
    ],
)
def test_a_database_that_cannot_be_used_is_named(concordat: Concordat, environ: dict[str, str], said: str) -> None:
    result = concordat("keys", "list", environ=environ)
    assert result.exit_code in (1, 2)
    assert said in result.output
    assert "hidden" not in result.output
    assert isinstance(result.exception, SystemExit)


def test_nobody_else_reads_the_data(concordat: Concordat, tmp_path: Path) -> None:
    concordat("keys", "list")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    for file in (tmp_path / "data").glob("concordat.db*"):
        assert file.stat().st_mode & 0o077 == 0


def test_a_key_for_an_unknown_api_is_refused(concordat: Concordat) -> None:
    assert concordat("keys", "create", "--apis", "openai").exit_code == 2


def test_the_database_is_upgraded(concordat: Concordat) -> None:
    assert "at revision" in concordat("db", "upgrade").stdout


def test_a_made_table_is_refreshed_between_its_marks() -> None:
    text = "before\n<!-- made: operations -->\nstale\n<!-- end -->\nafter\n"
    fresh = tables.refresh(text)
    assert "stale" not in fresh
    assert "| IPOP | `/ipop/v1` | 182 |" in fresh
    assert fresh.startswith("before\n<!-- made: operations -->\n| API |")
    assert fresh.endswith("|\n<!-- end -->\nafter\n")
    with pytest.raises(KeyError):
        tables.refresh("<!-- made: nothing -->\n<!-- end -->")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("maniac.yaml", "openapi: 3.1.0\npaths: {}", "the name maniac is taken"),
        ("old.yaml", "swagger: '2.0'", "this is Swagger 2.0"),
        ("torn.json", "{", "torn.json: "),
    ],
)
def test_document_that_cannot_be_taken_in_is_refused(
    concordat: Concordat, tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    (tmp_path / name).write_text(text)
    refused = concordat("new", str(tmp_path / name))
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"concordat: {complaint}")


def test_mocks_and_production_exclude_each_other(concordat: Concordat) -> None:
    refused = concordat("serve", "--mock", "--profile", "production")
    assert refused.exit_code == 2
    assert "mock answers are made up" in refused.stderr
