"""Responses: one exchange with a model each, kept, and continued by `previous_response_id`."""

from handlers.core.responses.output import Step
from handlers.core.responses.response import Item, Response, ResponseAsk
from handlers.core.responses.run import Begun, Created, Ended, Event, Running, count_input, create, stream
from handlers.core.responses.shelf import ItemPage, cancel, delete, get, input_items, list_responses

__all__ = [
    "Begun",
    "Created",
    "Ended",
    "Event",
    "Item",
    "ItemPage",
    "Response",
    "ResponseAsk",
    "Running",
    "Step",
    "cancel",
    "count_input",
    "create",
    "delete",
    "get",
    "input_items",
    "list_responses",
    "stream",
]
