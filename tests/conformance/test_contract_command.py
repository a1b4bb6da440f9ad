"""`concordat contract` without a server: it starts one, asks it, writes its reports, and stops it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.live import ROOT, SETTINGS


def concordat(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not SETTINGS.search(name)}
    command = [sys.executable, "-m", "server.cli", "contract", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )  # fmt: skip


def test_a_server_of_its_own_is_tried_and_reported_on(tmp_path: Path) -> None:
    markdown, xml = tmp_path / "report.md", tmp_path / "report.xml"
    done = concordat(
        "--api", "ipop", "--operation", "s3_buckets_list", "--operation", "admin_inference_stats_get",
        "--operation", "files_create", "--operation", "chat_completions_create",
        "--examples", "3", "--seed", "5", "--report", str(markdown), "--junit", str(xml),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("seed 5\n")
    assert "--seed 5 --api ipop --operation" in done.stdout
    (suite,) = ElementTree.fromstring(xml.read_bytes())
    assert (suite.get("tests"), suite.get("failures")) == ("4", "0")
    told = {line.split("`")[1]: line for line in markdown.read_text().splitlines() if "| `" in line}
    assert "signed 200: " in told["s3_buckets_list"]
    assert "200: " in told["admin_inference_stats_get"]
    assert "200: " in told["files_create"]
    assert "streams 3 + 0" in told["chat_completions_create"]


def test_what_is_not_there_is_said_in_words() -> None:
    for arguments, words in (
        (("--api", "nobody"), "there is no API 'nobody'"),
        (("--operation", "nothing"), "there is no operation 'nothing'"),
        (("--url", "http://127.0.0.1:1"), "--url needs --key"),
        (("--prefix", "/v1"), "--prefix is for one --api"),
    ):
        done = concordat(*arguments)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_a_server_that_is_not_there_is_said_in_words() -> None:
    done = concordat("--url", "http://127.0.0.1:1", "--key", "k", "--api", "maniac", "--seconds", "1")
    assert done.returncode == 1
    assert "http://127.0.0.1:1 does not answer" in done.stderr
