"""Everything that handlers work with, built once in the server's wiring and carried by every `Call`.

What is given here as a Protocol is a port: any object of that shape fits, so tests hand in their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from handlers.core.answer_cache import AnswerCache
from handlers.core.app_telemetry import AppTelemetry
from handlers.core.breakers import Breakers
from handlers.core.call import Caller
from handlers.core.capture import Capture
from handlers.core.catalog import CatalogHolder
from handlers.core.credentials import Book
from handlers.core.files import FileStore
from handlers.core.jobs import Jobs
from handlers.core.kv import KvStore
from handlers.core.latencies import Latencies
from handlers.core.model_lists import ContainerLists, ModelLists
from handlers.core.open_streams import Streams
from handlers.core.patience import Patience
from handlers.core.regions import Regions
from handlers.core.retrieval.desk import Retrieval
from handlers.core.s3 import AccessKeys, ObjectStore
from providers.embeddings.interface import Embedder
from providers.inference.interface import Inference
from providers.parquet.interface import ParquetReader
from providers.sandbox.interface import Sandbox
from providers.tools.interface import Tools
from storage.ledger_record import Record
from storage.repositories.completions import ChatCompletions
from storage.repositories.containers import Containers
from storage.repositories.feedback import Feedback
from storage.repositories.history import History
from storage.repositories.models import RegisteredModel
from storage.repositories.responses import Responses
from storage.repositories.telemetry import Telemetry
from storage.repositories.traces import Traces

Profile = Literal["local", "production"]

SIMULATOR = "simulator"
"""The vendor name of the deterministic provider that answers where no vendor can, in the `local` profile."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of one API, as the server mounts it: `path` as in the document, `bound` when it has a handler."""

    method: str
    path: str
    operation_id: str
    bound: bool


@dataclass(frozen=True, slots=True)
class Traits:
    """What the operator says of a vendor: one that is `internal` runs in this process or in the operator's own
    network, one that is `private` keeps nothing of what it is sent."""

    internal: bool = False
    private: bool = False


class RegisteredModels(Protocol):
    """What projects registered: `put` replaces a model of the same id, `delete` says whether there was one. `look` is
    a `get` that sees at once what another process has put."""

    async def put(self, model: RegisteredModel) -> None: ...

    async def get(self, project_id: str, identifier: str) -> RegisteredModel | None: ...

    async def look(self, project_id: str, identifier: str) -> RegisteredModel | None: ...

    async def list(self, project_id: str) -> Sequence[RegisteredModel]: ...

    async def delete(self, project_id: str, identifier: str) -> bool: ...


class Quota(Protocol):
    """Limits and prepaid credits. `admit` raises `RateLimited`, `Invalid` for more than a limit will ever allow, or
    `PaymentRequired` for what is not `free`, or answers what `settle` wants back; every admission is settled once,
    with what was really used (0 when nothing was), here or in another process: packed, it is JSON. `is_solvent` tells
    whether there is money to spend."""

    async def admit(self, caller: Caller, tokens_estimate: int, *, free: bool = False) -> Any: ...

    async def is_solvent(self, caller: Caller) -> bool: ...

    async def settle(self, admission: Any, *, tokens: int, cost_micros: int) -> None: ...

    def pack(self, admission: Any) -> Any: ...

    def unpack(self, packed: Any) -> Any: ...


class Ledger(Protocol):
    """`storage.ledger.Ledger`, for requests that outlive their answers and for calls made on behalf of a request.
    `post` writes behind, before what is written later. All raise `storage.errors.StorageUnavailable`."""

    async def start(self, record: Record) -> None: ...

    async def finish(self, record: Record) -> None: ...

    def post(self, record: Record) -> None: ...


class Addresses(Protocol):
    """Judges addresses that callers choose. Both raise `providers.errors.Refused`: `check` by what is written, `look`
    also by what the host resolves to."""

    def check(self, url: str, *, only_https: bool = False) -> None: ...

    async def look(self, url: str) -> None: ...


class Page(Protocol):
    """What stands at an address; names of headers are in lower case."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


class Fetcher(Protocol):
    """Reads what stands at an address that a caller chose, under the same rules. Raises `providers.errors`."""

    async def get(self, url: str, largest_bytes: int) -> Page: ...


@dataclass(frozen=True, slots=True)
class Services:
    """`inference` holds every vendor that has a key (and the simulator, outside production or when asked for) by its
    name, `embeddings` likewise those that make embeddings; `embedded` names the vendors that need no key, such as
    `local`.

    `traits` are those of a vendor, by its name.

    `clock` is unix seconds, `random` is in [0, 1), `new_id("chatcmpl")` is `chatcmpl-...`; `ready` tells whether
    storage answers. By API: `documents` are the overlaid documents as JSON text, `routes` their operations,
    `base_paths` where they are mounted (`/ipop/v1`, or `/v1` as the root).
    """

    profile: Profile
    version: str
    catalog: CatalogHolder
    inference: Mapping[str, Inference]
    embeddings: Mapping[str, Embedder]
    embedded: frozenset[str]
    patience: Patience
    breakers: Breakers
    latencies: Latencies
    answer_cache: AnswerCache
    registered_models: RegisteredModels
    containers: Containers
    completions: ChatCompletions
    traces: Traces
    responses: Responses
    files: FileStore
    retrieval: Retrieval
    kv: KvStore
    objects: ObjectStore
    access_keys: AccessKeys
    history: History
    feedback: Feedback
    quota: Quota
    ledger: Ledger
    jobs: Jobs
    clock: Callable[[], float]
    random: Callable[[], float]
    new_id: Callable[[str], str]
    ready: Callable[[], Awaitable[bool]]
    documents: Mapping[str, bytes]
    routes: Mapping[str, Sequence[Route]]
    base_paths: Mapping[str, str]
    addresses: Addresses
    fetcher: Fetcher
    parquet: ParquetReader
    credentials: Book
    regions: Regions
    traits: Callable[[str], Traits]
    sandbox: Sandbox
    tools: Tools
    telemetry: Telemetry
    capture: Capture
    app_telemetry: AppTelemetry
    streams: Streams
    model_lists: ModelLists = field(default_factory=ModelLists)
    container_lists: ContainerLists = field(default_factory=ContainerLists)
