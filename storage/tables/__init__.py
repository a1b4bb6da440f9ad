"""Every table of the schema; importing this fills `METADATA`."""

from storage.tables.box import BoxQueryRow, BoxTotalsRow, JobWorkerRow
from storage.tables.captured import CapturedMessageRow, CapturePolicyRow, OpenStreamsRow
from storage.tables.chats import ChatCompletionRow, ContainerRow, SubmodelRow, TraceEntryRow
from storage.tables.files import BlobRow, FileRow
from storage.tables.history import RequestFeedbackRow, RequestHourRow
from storage.tables.jobs import JobEventRow, JobRow, JobScheduleRow
from storage.tables.kv import KvItemRow, KvTableRow, MeterRow
from storage.tables.responses import ResponseRow
from storage.tables.search import SearchChunkRow, SearchCollectionRow, SearchDocumentRow, SearchVectorRow
from storage.tables.secrets import ProviderCredentialRow, RegionKeyRow
from storage.tables.spending import CreditAccountRow, CreditEntryRow, LimitRow, LimitWindowRow
from storage.tables.telemetry import (
    TelemetryAttributeRow,
    TelemetryMessageRow,
    TelemetryPointRow,
    TelemetrySpanRow,
    TelemetryTraceRow,
)
from storage.tables.tenancy import AdminTokenRow, AuditRow, ChangeRow, KeyRow, OrganisationRow, ProjectRow
from storage.tables.traffic import IdempotencyRow, ProcessRow, RegisteredModelRow, RequestRow
from storage.tables.types import Row
from storage.tables.vector_stores import VectorStoreBatchRow, VectorStoreDocumentRow, VectorStoreFileRow, VectorStoreRow

METADATA = Row.metadata

__all__ = [
    "METADATA",
    "AdminTokenRow",
    "AuditRow",
    "BlobRow",
    "BoxQueryRow",
    "BoxTotalsRow",
    "CapturePolicyRow",
    "CapturedMessageRow",
    "ChangeRow",
    "ChatCompletionRow",
    "ContainerRow",
    "CreditAccountRow",
    "CreditEntryRow",
    "FileRow",
    "IdempotencyRow",
    "JobEventRow",
    "JobRow",
    "JobScheduleRow",
    "JobWorkerRow",
    "KeyRow",
    "KvItemRow",
    "KvTableRow",
    "LimitRow",
    "LimitWindowRow",
    "MeterRow",
    "OpenStreamsRow",
    "OrganisationRow",
    "ProcessRow",
    "ProjectRow",
    "ProviderCredentialRow",
    "RegionKeyRow",
    "RegisteredModelRow",
    "RequestFeedbackRow",
    "RequestHourRow",
    "RequestRow",
    "ResponseRow",
    "SearchChunkRow",
    "SearchCollectionRow",
    "SearchDocumentRow",
    "SearchVectorRow",
    "SubmodelRow",
    "TelemetryAttributeRow",
    "TelemetryMessageRow",
    "TelemetryPointRow",
    "TelemetrySpanRow",
    "TelemetryTraceRow",
    "TraceEntryRow",
    "VectorStoreBatchRow",
    "VectorStoreDocumentRow",
    "VectorStoreFileRow",
    "VectorStoreRow",
]
