"""A headless Chromium, driven over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 60
"""How long anything may take, on a machine that has much else to do."""


def find_chromium() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass
class Page:
    """One tab. `requested` are the addresses that it asked for, `faults` what it complained about."""

    socket: aiohttp.ClientWebSocketResponse
    session: str
    requested: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _last: int = 0

    async def call(self, method: str, **params: Any) -> Any:
        """The result of one command; events that come before it are noted."""
        self._last += 1
        await self.socket.send_json({"id": self._last, "method": method, "params": params, "sessionId": self.session})
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.receive_str(), SECONDS))
            self._note(message)
            if message.get("id") == self._last:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])
        elif message.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.faults.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif message.get("method") == "Runtime.exceptionThrown":
            self.faults.append(str(params["exceptionDetails"]))

    async def open(self, url: str) -> None:
        for domain in ("Page", "Network", "Log", "Runtime"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    async def wait(self, script: str) -> Any:
        """Until the expression is true; its value, or true for an element."""
        script = f"(found => found instanceof Node || found)({script})"
        async with asyncio.timeout(SECONDS):
            while not (value := await self.run(script)):  # noqa: ASYNC110 - the page tells of nothing
                await asyncio.sleep(0.05)
        return value

    async def type(self, selector: str, text: str) -> None:
        """As a person does, so that the page's own code takes note."""
        await self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.call("Input.insertText", text=text)

    async def shoot(self, file: Path) -> bytes:
        """A picture of what is to be seen, as PNG, written to a file."""
        picture = base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])
        await asyncio.to_thread(file.write_bytes, picture)
        return picture


@asynccontextmanager
async def opened(program: str, folder: Path) -> AsyncIterator[Page]:
    """A new browser with one empty page; its profile is kept in `folder`. It reaches only the loopback."""
    process = await asyncio.create_subprocess_exec(
        program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--window-size=1280,1000",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-port=0",
        f"--user-data-dir={folder}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        address = await _address(folder / "DevToolsActivePort", process)
        async with aiohttp.ClientSession() as client, client.ws_connect(address, max_msg_size=0) as socket:
            yield await _attach(socket)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), SECONDS)


async def _address(file: Path, process: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(SECONDS):
        while not (file.exists() and len(file.read_text().splitlines()) == 2):  # noqa: ASYNC240
            if process.returncode is not None:
                raise RuntimeError(f"Chromium ended with {process.returncode}")
            await asyncio.sleep(0.05)
    port, path = file.read_text().splitlines()  # noqa: ASYNC240
    return f"ws://127.0.0.1:{port}{path}"


async def _attach(socket: aiohttp.ClientWebSocketResponse) -> Page:
    """A page of the browser, asked for on the browser's own socket."""

    async def ask(number: int, method: str, **params: Any) -> Any:
        await socket.send_json({"id": number, "method": method, "params": params})
        while True:
            message = json.loads(await asyncio.wait_for(socket.receive_str(), SECONDS))
            if message.get("id") == number:
                return message["result"]

    target = (await ask(-1, "Target.createTarget", url="about:blank"))["targetId"]
    session = (await ask(-2, "Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
    return Page(socket, session)
