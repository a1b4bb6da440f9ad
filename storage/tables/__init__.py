"""Every table of the schema; importing this fills `METADATA`."""

from storage.tables.chats import ChatCompletionRow, ContainerRow, SubmodelRow, TraceEntryRow
from storage.tables.history import RequestFeedbackRow, RequestHourRow
from storage.tables.jobs import JobEventRow, JobRow, JobScheduleRow
from storage.tables.responses import ResponseRow
from storage.tables.secrets import ProviderCredentialRow, RegionKeyRow
from storage.tables.spending import CreditAccountRow, CreditEntryRow, LimitRow, LimitWindowRow
from storage.tables.tenancy import AdminTokenRow, AuditRow, ChangeRow, KeyRow, OrganisationRow, ProjectRow
from storage.tables.traffic import IdempotencyRow, ProcessRow, RegisteredModelRow, RequestRow
from storage.tables.types import Row

METADATA = Row.metadata

__all__ = [
    "METADATA",
    "AdminTokenRow",
    "AuditRow",
    "ChangeRow",
    "ChatCompletionRow",
    "ContainerRow",
    "CreditAccountRow",
    "CreditEntryRow",
    "IdempotencyRow",
    "JobEventRow",
    "JobRow",
    "JobScheduleRow",
    "KeyRow",
    "LimitRow",
    "LimitWindowRow",
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
    "SubmodelRow",
    "TraceEntryRow",
]
