"""Logs: one shape for all, the request's id, and no secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import BaseModel, SecretStr

from server import logs
from server.config import load

ENVIRON = {"OPENAI_API_KEY": "an-odd-vendor-key", "CONCORDAT_BOOTSTRAP_KEYS": "default=plain-bootstrap-key"}


@pytest.fixture
def out(tmp_path: Path) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    logs.configure(load({"data_dir": tmp_path, "log_format": "json"}, ENVIRON).settings, stream)
    yield stream
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_our_lines_and_uvicorns_have_one_shape_and_the_requests_id(out: io.StringIO) -> None:
    token = logs.request_id.set("req_7")
    structlog.get_logger("server").info("ours", models=3)
    logging.getLogger("uvicorn.error").info("theirs %s", 4)
    logs.request_id.reset(token)
    structlog.get_logger("server").info("later")
    ours, theirs, later = lines(out)
    assert (ours["event"], ours["level"], ours["models"], ours["request_id"]) == ("ours", "info", 3, "req_7")
    assert (theirs["event"], theirs["logger"], theirs["request_id"]) == ("theirs 4", "uvicorn.error", "req_7")
    assert "request_id" not in later


def test_lines_below_the_level_and_chatty_libraries_are_left_out(out: io.StringIO) -> None:
    structlog.get_logger("server").debug("no")
    logging.getLogger("httpx").info("no")
    logging.getLogger("httpx").warning("yes")
    assert [line["event"] for line in lines(out)] == ["yes"]


@pytest.mark.parametrize(
    "fields",
    [
        {"authorization": "hunter22"},
        {"headers": {"X-Api-Key": "hunter22", "Authorization": "hunter22"}},
        {"api_key": SecretStr("hunter22")},
        {"value": SecretStr("hunter22")},
        {"body": {"messages": [{"role": "user", "content": "hunter22"}]}},
        {"messages": ["hunter22"], "prompt": "hunter22", "input": "hunter22"},
        {"said": "Authorization: Bearer hunter22hunter22"},
        {"said": b"bearer hunter22hunter22"},
        {"said": ["key ck_hunter22hunter22", ("sk-proj-hunter22hunter22",)]},
        {"url": "postgresql://me:hunter22@h/db"},
        {"path": "/solana-rpc/mainnet?api-key=hunter22&x=1"},
        {"said": "refused an-odd-vendor-key"},
        {"said": "refused plain-bootstrap-key"},
    ],
)
def test_no_secret_and_no_prompt_is_logged(out: io.StringIO, fields: dict[str, Any]) -> None:
    structlog.get_logger("server").warning("something", **fields)
    logging.getLogger("uvicorn.error").warning("something %s", fields.get("said", ""))
    text = out.getvalue()
    assert len(lines(out)) == 2
    assert "hunter22" not in text
    assert "odd-vendor-key" not in text
    assert "plain-bootstrap-key" not in text


def test_counts_of_tokens_are_no_secrets(out: io.StringIO) -> None:
    structlog.get_logger("server").info("done", prompt_tokens=7, completion_tokens=9)
    assert (lines(out)[0]["prompt_tokens"], lines(out)[0]["completion_tokens"]) == (7, 9)


def test_a_traceback_is_logged_without_the_values_that_were_refused(out: io.StringIO) -> None:
    class Model(BaseModel):
        temperature: float

    refused = {"temperature": "my secret prompt"}
    try:
        Model.model_validate(refused)
    except ValueError:
        structlog.get_logger("server").exception("failed")
        logging.getLogger("uvicorn.error").exception("failed")
    assert ["test_logs.py" in line["exception"] for line in lines(out)] == [True, True]
    assert "secret prompt" not in out.getvalue()


def test_a_console_gets_text(tmp_path: Path) -> None:
    stream = io.StringIO()
    logs.configure(load({"data_dir": tmp_path, "log_format": "console"}, {}).settings, stream)
    structlog.get_logger("server").info("hello", port=1)
    structlog.reset_defaults()
    assert "hello" in stream.getvalue()
    assert "port=1" in stream.getvalue()
