"""Which of an operation's documented answers is given, and what is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from codegen.operation import Operation, Payload, Response
from handlers.core.errors import NotFound, NotImplementedYet
from server.mock.conjunction import Impossible, Schema, both
from server.mock.instances import Maker, Manner
from server.mock.preferences import Preferences
from server.mock.samples import sample
from server.openapi31.specification import Document

EVENTS = "text/event-stream"
LINES = ("application/jsonl", "application/x-ndjson", "application/ndjson", "application/json-lines")
ANYTHING = "*/*"
EVENT_COUNT = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a request decides about its answer: `streamed` whether its body or query says `stream`, `accept` its
    header, `address` its path and query."""

    preferences: Preferences = field(default_factory=Preferences)
    streamed: bool = False
    accept: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """`media_type` is None where there is no body. `frames` are the parts of a stream, or the whole body."""

    status: int
    media_type: str | None
    frames: tuple[bytes, ...]
    headers: Mapping[str, str]

    @property
    def is_stream(self) -> bool:
        return self.media_type == EVENTS


class Answers:
    """Answers for the operations of one document, the same for the same seed."""

    def __init__(self, document: Document, seed: int) -> None:
        self._document = document
        self._maker = Maker(document)
        self._seed = seed

    def answer(self, operation: Operation, wish: Wish) -> Answer:
        """Raises `NotFound` for a preference that the document knows nothing of, `NotImplementedYet` where no instance
        can be made."""
        response, status = choose_response(operation, wish.preferences.code)
        payload = choose_payload(self._by_weight(response), wish)
        seed = f"{self._seed} {operation.operation_id} {response.status}"
        if wish.preferences.dynamic:
            seed += wish.address
        try:
            headers = dict(self._headers(operation, response, seed))
            if payload is None or status in (204, 304):
                return Answer(status, None, (), headers)
            frames = self._frames(_Wanted(operation, response, payload, wish.preferences, seed))
        except Impossible as error:
            where = f"{operation.operation_id}, {response.status}"
            raise NotImplementedYet(f"no answer can be made for {where}: {error}", code="mock_impossible") from None
        media_type = payload.media_type if "*" not in payload.media_type else "application/octet-stream"
        return Answer(status, media_type, frames, headers)

    def _by_weight(self, response: Response) -> list[Payload]:
        """JSON of which the schema says more than that it is text, then bytes, JSON, text, and streams."""
        return sorted(response.payloads, key=self._weight)

    def _weight(self, payload: Payload) -> int:
        schema = self._document.schema_at(payload.schema) if payload.schema else True
        said = schema if isinstance(schema, dict) else {}
        if is_json(payload.media_type):
            is_plain = said.get("type", "string") == "string" and not set(said) - {"type", "format", "description"}
            return 2 if is_plain else 0
        if _is_events(payload):
            return 4
        return 1 if said.get("format") == "binary" or payload.media_type == ANYTHING else 3

    def _frames(self, wanted: _Wanted) -> tuple[bytes, ...]:
        node = self._media(wanted)
        found, example = self._example(wanted, node)
        media_type = wanted.payload.media_type
        if found:
            return _as_example(example, media_type)
        if "x-transcript" in node and not wanted.preferences.dynamic:
            return tuple(self._transcript(wanted, node["x-transcript"]))
        if wanted.payload.schema is None or self._is_text(wanted):
            return sample(media_type, Random(wanted.seed)) if not is_json(media_type) else (b"{}",)  # noqa: S311
        if media_type == EVENTS:
            made = [self._make(wanted, number) for number in range(EVENT_COUNT)]
            return tuple(_event(value) for value in made)
        if media_type in LINES:
            return (b"".join(orjson.dumps(self._make(wanted, number)) + b"\n" for number in range(EVENT_COUNT)),)
        if not is_json(media_type) and media_type != ANYTHING:
            raise Impossible(f"{media_type} cannot be made from a schema, only from an example")
        return (orjson.dumps(self._make(wanted)),)

    def _make(self, wanted: _Wanted, number: int = 0, also: Schema = True) -> Any:
        dynamic = wanted.preferences.dynamic
        manner = Manner(by_example=not dynamic, full=also is True, varied=dynamic)
        schema = both({"$ref": str(wanted.payload.schema)}, also)
        return self._maker.make(schema, f"{wanted.seed} {number}", manner)

    def _transcript(self, wanted: _Wanted, events: list[Any]) -> Iterator[bytes]:
        """`x-transcript` has what is particular about each event; a text is sent as it is."""
        for number, event in enumerate(events):
            if isinstance(event, str) or self._is_text(wanted):
                yield b"data: %b\n\n" % (event.encode() if isinstance(event, str) else orjson.dumps(event))
            else:
                yield _event(self._make(wanted, 0 if isinstance(event, dict) else number, like(event)))

    def _is_text(self, wanted: _Wanted) -> bool:
        """Whether the body itself is text or bytes, of which the schema says no more."""
        schema = self._document.schema_at(str(wanted.payload.schema)) if wanted.payload.schema else True
        text = isinstance(schema, dict) and schema.get("type") == "string"
        return text and not is_json(wanted.payload.media_type)

    def _media(self, wanted: _Wanted) -> Mapping[str, Any]:
        content: Mapping[str, Any] = self._response(wanted.operation, wanted.response)["content"]
        node: Mapping[str, Any] = content[wanted.payload.media_type]
        return node

    def _response(self, operation: Operation, response: Response) -> Mapping[str, Any]:
        responses = self._document["paths"][operation.path][operation.method.lower()]["responses"]
        return self._followed(responses[response.status])

    def _followed(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Any = self._document.schema_at(node["$ref"]) if "$ref" in node else node
        return found  # type: ignore[no-any-return]

    def _example(self, wanted: _Wanted, node: Mapping[str, Any]) -> tuple[bool, Any]:
        """Whether there is an example to be given, and which. One that nobody asked for must fit its schema."""
        named = {name: self._followed(one).get("value") for name, one in node.get("examples", {}).items()}
        name = wanted.preferences.example
        if name is not None:
            if name not in named:
                known = ", ".join(named) or "none"
                raise NotFound(f"there is no example {name!r} here; there are: {known}", code="example_not_found")
            return True, named[name]
        candidates = [*([node["example"]] if "example" in node else []), *named.values()]
        if wanted.preferences.dynamic:
            candidates = []
        return next(((True, value) for value in candidates if self._fits(wanted, value)), (False, None))

    def _fits(self, wanted: _Wanted, value: Any) -> bool:
        pointer = wanted.payload.schema
        return pointer is None or bool(self._document.validator(pointer).is_valid(value))

    def _headers(self, operation: Operation, response: Response, seed: str) -> Iterator[tuple[str, str]]:
        """The documented ones, but those that describe the body."""
        for name, written in self._response(operation, response).get("headers", {}).items():
            node = self._followed(written)
            if name.lower() in ("content-type", "content-length", "transfer-encoding") or "schema" not in node:
                continue
            value = node.get("example")
            if value is None:
                value = self._maker.make(node["schema"], f"{seed} {name}", name=name)
            yield name, value if isinstance(value, str) else orjson.dumps(value).decode()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One body to be made."""

    operation: Operation
    response: Response
    payload: Payload
    preferences: Preferences
    seed: str


def choose_response(operation: Operation, code: str | None) -> tuple[Response, int]:
    """The documented answer and its status: the one asked for, else the first success, else whatever there is.

    Raises `NotFound` when the document has none of that status.
    """
    by_status = {response.status.upper(): response for response in operation.responses}
    if code is not None:
        for status in (code, f"{code[0]}XX", "DEFAULT"):
            if status in by_status:
                return by_status[status], int(code)
        known = ", ".join(by_status) or "none"
        message = f"{operation.operation_id} documents no status {code}, only: {known}"
        raise NotFound(message, code="status_not_documented")
    for first in ("2", "D", "3", ""):
        for status, response in sorted(by_status.items()):
            if status.startswith(first):
                return response, _number(status)
    raise NotImplementedYet(f"{operation.operation_id} documents no answer", code="mock_impossible")


def _number(status: str) -> int:
    return 200 if status == "DEFAULT" else int(status.replace("XX", "00"))


def choose_payload(payloads: Sequence[Payload], wish: Wish) -> Payload | None:
    """The media type to be sent: a stream for a request that asks for one, else what `Accept` likes best."""
    if not payloads:
        return None
    if wish.streamed and (stream := next(filter(_is_events, payloads), None)):
        return stream
    liked = [(*_liking(wish.accept, payload.media_type), -number) for number, payload in enumerate(payloads)]
    quality, _, best = max(liked)
    return payloads[-best] if quality > 0 else payloads[0]


def _is_events(payload: Payload) -> bool:
    return payload.media_type == EVENTS


def _liking(accept: str, media_type: str) -> tuple[float, int]:
    """How much an `Accept` header (RFC 9110, section 12.5.1) likes a media type, and how precisely it says so. What may
    be of any type is of the one that is wanted."""
    exact = media_type.lower()
    precisions = {exact: 3, f"{exact.partition('/')[0]}/*": 1, ANYTHING: 0}
    best = (-1, 0.0)
    for part in accept.split(","):
        wanted, *parameters = [word.strip().lower() for word in part.split(";")]
        precision = precisions.get(wanted, 2 if wanted and media_type == ANYTHING else -1)
        if precision >= 0:
            given = next((word[2:] for word in parameters if word.startswith("q=")), "1")
            best = max(best, (precision, float(given) if given.replace(".", "", 1).isdigit() else 1.0))
    return best[1], best[0]


def like(value: Any) -> Schema:
    """A schema of the values that have at least what this one has."""
    if isinstance(value, dict):
        return {
            "type": "object",
            "properties": {name: like(inner) for name, inner in value.items()},
            "required": list(value),
        }
    if isinstance(value, list):
        places: dict[str, Any] = {"prefixItems": [like(inner) for inner in value]} if value else {}
        return {"type": "array", "minItems": len(value), "maxItems": len(value), **places}
    return {"const": value}


def is_json(media_type: str) -> bool:
    essence = media_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")


def _event(value: Any) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(value)


def _as_example(example: Any, media_type: str) -> tuple[bytes, ...]:
    if is_json(media_type) or not isinstance(example, str):
        text = orjson.dumps(example)
        return (b"data: %b\n\n" % text,) if media_type == EVENTS else (text,)
    return (example.encode(),)
