"""Responses: one exchange with a model each, kept, and continued by `previous_response_id`."""

from handlers.core.responses.background import enqueue, follow, follow_new
from handlers.core.responses.output import Step
from handlers.core.responses.response import Item, Response, ResponseAsk
from handlers.core.responses.run import Begun, Created, Ended, Event, Queued, Running, count_input, create, stream
from handlers.core.responses.shelf import ItemPage, cancel, delete, get, input_items, list_responses
from handlers.core.responses.work import DEFINITION

__all__ = [
    "DEFINITION",
    "Begun",
    "Created",
    "Ended",
    "Event",
    "Item",
    "ItemPage",
    "Queued",
    "Response",
    "ResponseAsk",
    "Running",
    "Step",
    "cancel",
    "count_input",
    "create",
    "delete",
    "enqueue",
    "follow",
    "follow_new",
    "get",
    "input_items",
    "list_responses",
    "stream",
]
