"""Every table of the schema; importing this fills `METADATA`."""

from storage.tables.app_telemetry import AppEventRow, SourceMapRow
from storage.tables.batches import BatchItemRow, BatchRow
from storage.tables.box import BoxQueryRow, BoxTotalsRow, JobWorkerRow
from storage.tables.captured import CapturedMessageRow, CapturePolicyRow, OpenStreamsRow
from storage.tables.chats import ChatCompletionRow, ContainerRow, SubmodelRow, TraceEntryRow
from storage.tables.datasets import DatasetChunkRow, DatasetRow
from storage.tables.files import BlobRow, FileRow
from storage.tables.history import RequestFeedbackRow, RequestHourRow
from storage.tables.jobs import JobEventRow, JobRow, JobScheduleRow
from storage.tables.kv import KvItemRow, KvTableRow, MeterRow
from storage.tables.responses import ResponseRow
from storage.tables.s3 import (
    S3AccountRow,
    S3BucketRow,
    S3KeyRow,
    S3ObjectRow,
    S3PartRow,
    S3UploadRow,
    StorageAllocationRow,
    StoragePurchaseRow,
)
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
    "AppEventRow",
    "AuditRow",
    "BatchItemRow",
    "BatchRow",
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
    "DatasetChunkRow",
    "DatasetRow",
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
    "S3AccountRow",
    "S3BucketRow",
    "S3KeyRow",
    "S3ObjectRow",
    "S3PartRow",
    "S3UploadRow",
    "SearchChunkRow",
    "SearchCollectionRow",
    "SearchDocumentRow",
    "SearchVectorRow",
    "SourceMapRow",
    "StorageAllocationRow",
    "StoragePurchaseRow",
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
