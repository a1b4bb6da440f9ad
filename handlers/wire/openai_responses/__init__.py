"""OpenAI's Responses API, which two of the four APIs speak: bodies in, events out."""

from handlers.wire.openai_responses.events import Style, event_stream, frames
from handlers.wire.openai_responses.includes import check_include
from handlers.wire.openai_responses.items import read_items
from handlers.wire.openai_responses.request import read_ask

__all__ = ["Style", "check_include", "event_stream", "frames", "read_ask", "read_items"]
