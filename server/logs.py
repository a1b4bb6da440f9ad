"""Structured logs: one JSON object a line, or coloured text on a terminal, with the request's id and no secrets.

`configure` is called once, by the process that serves or works. Modules log through `structlog.get_logger(__name__)`;
what uvicorn and libraries write through `logging` goes the same way.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TextIO

import orjson
import structlog

if TYPE_CHECKING:
    from server.config import Settings

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Set for the time of a request; every line that is logged meanwhile carries it."""

ROOMS = ("server", "handlers", "providers", "storage", "codegen", "uvicorn")
MASK = "[redacted]"
TELLING_NAMES = re.compile(
    r"(^|[_-])(authorization|api[_-]?keys?|keys?|tokens?|secrets?|passwords?|cookies?|credentials?|prompts?|messages|"
    r"contents?|input|inputs|output|outputs|body|completion|arguments)$",
    re.IGNORECASE,
)
COUNTS = re.compile(r"_tokens$")
"""`prompt_tokens` is a number of tokens, not a token."""

SECRETS_IN_TEXT = (
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\b(ck|sk|pk|gsk|xai|pat|hf|AKIA|AIza)[-_]?[A-Za-z0-9][\w-]{11,}"), MASK),
    (
        re.compile(
            r"((?:authorization|x-api-key|api[-_]key|token|password|secret|signature)[\"']?\s*[:=]\s*[\"']?)[^\s\"'&,}]+",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?<=://)([^:/@\s]*):[^@\s]*@"), rf"\1:{MASK}@"),
    (re.compile(r"input_value=.*?, input_type="), f"input_value={MASK}, input_type="),
    (re.compile(r"\[parameters: .*?\]\s*(?=\n|$)", re.DOTALL), f"[parameters: {MASK}]"),
)

Event = MutableMapping[str, Any]
Processor = Callable[[Any, str, Event], Any]


class Redaction:
    """A processor that masks fields with telling names, and secrets wherever they stand in a text.

    `known` are the secrets in force, which are masked whatever they look like.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        longest_first = sorted((re.escape(secret) for secret in known if len(secret) >= 6), key=len, reverse=True)
        self._known = re.compile("|".join(longest_first)) if longest_first else None

    def __call__(self, logger: Any, method: str, event: Event) -> Event:
        return {name: self._clean(name, value) for name, value in event.items()}

    def _clean(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if name != "event" and TELLING_NAMES.search(name) and not COUNTS.search(name):
            return MASK
        if isinstance(value, Mapping):
            return {str(key): self._clean(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean("", inner) for inner in value]
        return self._clean_text(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))

    def _clean_text(self, text: str) -> str:
        if self._known:
            text = self._known.sub(MASK, text)
        for pattern, mask in SECRETS_IN_TEXT:
            text = pattern.sub(mask, text)
        return text


def configure(settings: Settings, stream: TextIO | None = None, worker: int | None = None) -> None:
    """Replaces whatever logging was configured before. `stream` is standard error unless given. Every line carries the
    number of the `worker`, where several share a port."""
    out = stream or sys.stderr
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not out.isatty())
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared = _shared_processors(Redaction(settings.secret_values()), worker)
    renderer = (
        _render_json
        if as_json
        else structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shared, renderer],
        )
    )
    _install(handler, level)


def _shared_processors(redaction: Redaction, worker: int | None) -> list[Processor]:
    def add_worker(logger: Any, method: str, event: Event) -> Event:
        return event if worker is None else {"worker": worker, **event}

    return [
        add_worker,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
        structlog.processors.format_exc_info,
        redaction,
    ]


def _add_request_id(logger: Any, method: str, event: Event) -> Event:
    current = request_id.get()
    if current is not None:
        event["request_id"] = current
    return event


def _render_json(logger: Any, method: str, event: Event) -> str:
    return orjson.dumps(event, default=str).decode()


def _install(handler: logging.Handler, level: int) -> None:
    """Our rooms and uvicorn speak from `level` on, libraries only when something is wrong."""
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))
    for name in ROOMS:
        logging.getLogger(name).setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
