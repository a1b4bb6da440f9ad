"""What is asked for a response, and the response itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from handlers.core.asks import Usage, Wishes
from handlers.core.call import Call
from handlers.core.file_search import FileSearch
from storage.repositories.responses import RUNNING, StoredResponse
from storage.tables.types import instant

Item = dict[str, Any]
"""One item of a conversation, always with an `id` and a `status`, by `type`:

- `message`: `role` and `content`, a list of parts: `input_text` and `output_text` (`text`), `refusal`, `input_image`
  (`image_url`, `detail`), `input_file` (`file_data`, `filename`, `file_id`)
- `function_call`: `call_id`, `name`, `arguments` (JSON text)
- `function_call_output`: `call_id`, `output` (text)
- `reasoning`: `summary`, a list of parts `summary_text`
- `file_search_call`: `queries`, and `results` where they were asked for
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseAsk:
    """`options` are those of a chat. `truncate` lets go of the oldest messages where the model cannot hold them all.
    `shown` is what the response tells of its request, under the request's own names. `stream` matters only to one in
    the background: whether it tells what it says while it does."""

    model: str
    items: Sequence[Item]
    instructions: Sequence[Item] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    previous_response_id: str | None = None
    store: bool = True
    truncate: bool = False
    background: bool = False
    stream: bool = False
    show_reasoning: bool = False
    shown: Mapping[str, Any] = field(default_factory=dict)
    wishes: Wishes = field(default_factory=Wishes)
    file_search: FileSearch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """`status` is `queued`, `in_progress`, `completed`, `incomplete`, `failed` or `cancelled`; `created_at` is in unix
    seconds; `error` has `code` and `message`; `asked` holds what of its request is told nowhere, see `asked_of`."""

    id: str
    created_at: float
    model: str
    status: str
    input: Sequence[Item]
    output: Sequence[Item] = ()
    previous_response_id: str | None = None
    usage: Usage | None = None
    error: Mapping[str, str] | None = None
    incomplete_reason: str | None = None
    shown: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def in_background(self) -> bool:
        return self.shown.get("background") is True

    @property
    def is_running(self) -> bool:
        return self.status in RUNNING

    @property
    def text(self) -> str:
        parts = (part for item in self.output if item["type"] == "message" for part in item["content"])
        return "".join(part["text"] for part in parts if part["type"] == "output_text")


def new_id(noun: str, call: Call) -> str:
    """`resp_...`: what belongs to responses is spelled with an underscore."""
    return call.services.new_id(noun).replace("-", "_", 1)


def asked_of(ask: ResponseAsk) -> dict[str, Any]:
    """What it takes to ask again, beside the response's input and what it continues."""
    return {
        "model": ask.model,
        "instructions": list(ask.instructions),
        "options": dict(ask.options),
        "truncate": ask.truncate,
    }


def to_stored(response: Response, call: Call) -> StoredResponse:
    return StoredResponse(
        id=response.id,
        project_id=call.caller.project_id,
        created_at=instant(response.created_at),
        status=response.status,
        model=response.model,
        previous_response_id=response.previous_response_id,
        request_id=call.request_id,
        content={
            "input": list(response.input),
            "output": list(response.output),
            "usage": asdict(response.usage) if response.usage else None,
            "error": response.error,
            "incomplete_reason": response.incomplete_reason,
            "shown": dict(response.shown),
            "asked": dict(response.asked),
        },
    )


def from_stored(stored: StoredResponse) -> Response:
    usage = stored.content["usage"]
    return Response(
        id=stored.id,
        created_at=stored.created_at.timestamp(),
        model=stored.model,
        status=stored.status,
        previous_response_id=stored.previous_response_id,
        **(stored.content | {"usage": Usage(**usage) if usage else None}),
    )
