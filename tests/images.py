"""The Containerfile and docker-compose.yaml as an engine reads them, and their commands run without one.

What is run is as it is written, but for places: the image's folders are folders of the test, every address is on the
loopback, and ports are free ones.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.live import ROOT

FOLDERS = ("/app", "/data")
COPIED = shutil.ignore_patterns("__pycache__", ".venv")


@dataclass(frozen=True)
class Instruction:
    word: str
    rest: str

    @property
    def arguments(self) -> list[str]:
        """In brackets they are JSON and no shell reads them."""
        return json.loads(self.rest) if self.rest.startswith("[") else ["/bin/sh", "-c", self.rest]


def instructions(text: str) -> list[Instruction]:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [Instruction(word, rest) for word, rest in (line.split(" ", 1) for line in lines)]


def containerfile() -> list[Instruction]:
    return instructions((ROOT / "Containerfile").read_text())


def last_stage(found: Sequence[Instruction]) -> list[Instruction]:
    start = max(at for at, one in enumerate(found) if one.word == "FROM")
    return list(found[start:])


def compose(variables: Mapping[str, str]) -> dict[str, Any]:
    """With `${NAME}`, `${NAME:-default}` and `${NAME:?complaint}` filled in. Raises `KeyError` for one that must be
    given."""

    def fill(found: re.Match[str]) -> str:
        name, _, rest = found[1].partition(":")
        return variables[name] if rest.startswith("?") or not rest else variables.get(name) or rest.removeprefix("-")

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [filled(one) for one in value]
        return re.sub(r"\$\{([^}]+)\}", fill, value) if isinstance(value, str) else value

    read: dict[str, Any] = filled(yaml.safe_load((ROOT / "docker-compose.yaml").read_text()))
    return read


@dataclass
class Place:
    """Where the image's folders are in the test, and what else is elsewhere: `moved` are texts by what stands for
    them."""

    folder: Path
    moved: dict[str, str] = field(default_factory=dict)

    def map(self, text: str) -> str:
        for name in FOLDERS:
            text = re.sub(rf"(?<![\w.-]){name}(?![\w-])", f"{self.folder}{name}", text)
        for old, new in self.moved.items():
            text = text.replace(old, new)
        return text.replace("0.0.0.0", "127.0.0.1")

    def environment(self, *given: Mapping[str, str]) -> dict[str, str]:
        """Nothing of the test's own but what a machine has."""
        merged = {"HOME": str(self.folder), "LANG": "C.UTF-8"}
        for one in given:
            merged |= {name: self.map(str(value)) for name, value in one.items()}
        return merged

    def run(
        self, arguments: Iterable[str], environment: Mapping[str, str], seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """In the image's working directory."""
        command = [self.map(one) for one in arguments]
        command[0] = shutil.which(command[0], path=environment["PATH"]) or command[0]
        return subprocess.run(
            command,
            cwd=f"{self.folder}/app",
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def start(self, arguments: Iterable[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        command = [self.map(one) for one in arguments]
        command[0] = shutil.which(command[0], path=environment["PATH"]) or command[0]
        with log.open("ab") as file:
            return subprocess.Popen(command, cwd=f"{self.folder}/app", env=dict(environment), stdout=file, stderr=file)

    def copy(self, one: Instruction) -> None:
        """`COPY` from the checkout, to the working directory."""
        *sources, target = shlex.split(one.rest)
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, self.folder / "app" / target, ignore=COPIED)
            else:
                shutil.copy(ROOT / source, self.folder / "app" / target)


def variables_of(found: Iterable[Instruction]) -> dict[str, str]:
    return dict(one.rest.split("=", 1) for one in found if one.word == "ENV")  # type: ignore[misc]


def health_of(found: Iterable[Instruction]) -> list[str]:
    (check,) = [one.rest.partition(" CMD ")[2] for one in found if one.word == "HEALTHCHECK"]
    return Instruction("CMD", check).arguments


def of_image(place: Place, *given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a container."""
    return place.environment(variables_of(last_stage(containerfile())), *given)


@contextmanager
def container(place: Place, command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[None]:
    """One that runs until it is told to stop, as an engine tells it, and then ends well."""
    (how,) = [one.rest for one in last_stage(containerfile()) if one.word == "STOPSIGNAL"]
    process = place.start(command, environment, log)
    try:
        yield
        process.send_signal(signal.Signals[how])
        assert process.wait(timeout=90) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def is_well(place: Place, check: list[str], environment: Mapping[str, str]) -> bool:
    return place.run(check, environment).returncode == 0
