"""The applications of all APIs behind one door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handlers.core.services import Services
from server.app import Mounts, dialect_app, load_wording
from server.auth.credentials import Authenticator
from server.auth.signed_requests import SignedRequests
from server.binding.endpoint import Serving
from server.binding.pipeline import Gate
from server.binding.recorder import Recorder
from server.config import Settings
from server.docs_page import ShownApi, docs_app
from server.openapi31.specification import Document
from server.openapi31.validation import Limits
from server.operational import operational_app
from server.wiring.services import prefixes_of
from server.wiring.stores import Stores
from server.wiring.watching import Watching


async def build_application(
    settings: Settings,
    stores: Stores,
    documents: Mapping[str, Document],
    services: Services,
    watching: Watching,
) -> Any:
    everybody = None if settings.auth else await stores.keys.member("default")
    gate = Gate(
        Authenticator(
            stores.keys,
            everybody,
            frozenset(settings.cors_origins),
            SignedRequests(services.access_keys, services.clock),
        ),
        Limits(settings.max_json_bytes, settings.max_upload_bytes, settings.body_idle_seconds),
        stores.idempotency,
    )
    prefixes = prefixes_of(settings)
    apps = {}
    for api, document in documents.items():
        wording = load_wording(api)
        serving = Serving(
            api=api,
            services=services,
            wording=wording,
            recorder=Recorder(api, stores.ledger, watching.observers),
            streams=watching.streams,
            keep_alive_seconds=settings.keep_alive_seconds,
            validate_responses=settings.validate_responses,
            exports_traces=watching.exporter is not None,
        )
        apps[prefixes[api]] = dialect_app(document, serving, gate)
    shown = [
        ShownApi(api, prefixes[api], [f"{r.method} {r.path}" for r in services.routes[api] if not r.bound])
        for api in documents
    ]
    rest = operational_app(services.ready, docs_app(shown), watching.metrics)
    mounts = Mounts(apps, {prefixes[api]: document for api, document in documents.items()}, rest)
    return with_cors(mounts, settings)


def with_cors(app: Any, settings: Settings) -> Any:
    if not settings.cors_origins:
        return app
    from starlette.middleware.cors import CORSMiddleware

    return CORSMiddleware(
        app,
        settings.cors_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["x-request-id", "x-concordat-mock", "preference-applied"]
        if settings.mock
        else ["x-request-id"],
    )
