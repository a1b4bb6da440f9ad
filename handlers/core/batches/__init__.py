"""Requests from a file, answered in the background at the price of a batch; each fails alone."""

from handlers.core.batches.batches import NewBatch, cancel, create, get, list_batches, rows_of
from handlers.core.batches.desk import Asked, Desk, Told
from handlers.core.batches.lines import request_id
from handlers.core.batches.work import BatchWork, Endpoint
from storage.repositories.batches import Batch, Item

__all__ = [
    "Asked",
    "Batch",
    "BatchWork",
    "Desk",
    "Endpoint",
    "Item",
    "NewBatch",
    "Told",
    "cancel",
    "create",
    "get",
    "list_batches",
    "request_id",
    "rows_of",
]
