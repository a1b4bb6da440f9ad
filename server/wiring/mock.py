"""The applications of all APIs in mock mode: documents, and nothing behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from server.app import DialectApp, Mounts, load_document, load_wording
from server.binding.boundary import Boundary
from server.binding.pipeline import Gate, Pipeline
from server.binding.recorder import Recorder
from server.binding.watch import OpenStreams
from server.config import Settings
from server.docs_page import ShownApi, docs_app
from server.mock.endpoints import CALLER, AnyKey, LenientAuthenticator, Marked, MockEndpoints
from server.openapi31.specification import Document
from server.openapi31.validation import Limits
from server.operational import Metrics, operational_app
from server.wiring.application import with_cors
from server.wiring.services import prefixes_of
from server.wiring.stores import Background

log = structlog.get_logger("concordat.server")


@dataclass(frozen=True, slots=True)
class Mocked:
    """What `server.wiring.Wired` is elsewhere."""

    app: Any
    streams: OpenStreams = field(default_factory=OpenStreams)
    background: tuple[Background, ...] = ()
    first_start: str | None = None


class NoLedger:
    """Keeps no records (see `server.binding.recorder.Ledger`): requests of no project have none."""

    def begin(self, record: Any) -> None:
        """Nothing is written."""

    async def start(self, record: Any, begun: Any = None) -> None:
        """Nothing is written."""

    async def finish(self, record: Any) -> None:
        """Nothing is written."""

    def post(self, record: Any) -> None:
        """Nothing is written."""


@asynccontextmanager
async def build_mock(settings: Settings) -> AsyncIterator[Mocked]:
    prefixes = prefixes_of(settings)
    documents = {prefix: load_document(api, prefix) for api, prefix in prefixes.items()}
    apps = {prefix: _mock_app(api, documents[prefix], settings) for api, prefix in prefixes.items()}
    shown = [ShownApi(api, prefix) for api, prefix in prefixes.items()]
    rest = operational_app(_ready, docs_app(shown), Metrics(_no_metrics, _everybody_may))
    log.warning("mock_mode", seed=settings.mock_seed, note="every answer is made up")
    yield Mocked(Marked(with_cors(Mounts(apps, documents, rest), settings)))


def _mock_app(api: str, document: Document, settings: Settings) -> DialectApp:
    everybody = None if settings.auth else CALLER
    authenticator = LenientAuthenticator(AnyKey(), everybody, frozenset(settings.cors_origins))
    limits = Limits(settings.max_json_bytes, settings.max_upload_bytes, settings.body_idle_seconds)
    boundary = partial(Boundary, wording=load_wording(api), recorder=Recorder(api, NoLedger()))
    return DialectApp(document, boundary, Pipeline(api, MockEndpoints(settings.mock_seed), Gate(authenticator, limits)))


async def _ready() -> bool:
    return True


async def _no_metrics() -> bytes:
    return b""


async def _everybody_may(_: object) -> bool:
    return True
