"""A quick start: two libraries are imported without what a server never uses of them.

connexion imports a test client, a template engine, another judge of schemas and three HTTP libraries, and structlog a
terminal library. Left out, they save about a quarter of the time to the first answer, and their memory.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

OF_CONNEXION = (
    "httpx",  # asks remote token services
    "jinja2",  # templates in documents
    "jsonschema",  # its judges of documents and bodies, which are Draft 4
    "jsonschema.exceptions",
    "jsonschema.validators",
    "requests",  # documents from other hosts
    "starlette.testclient",
    "werkzeug",  # WSGI requests
    "werkzeug.local",  # `connexion.request`, which no handler uses
)
OF_STRUCTLOG = ("rich",)


class Anything(type):
    """Has every attribute and every item: `Nothing`."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing

    def __getitem__(cls, key: object) -> Any:
        return Nothing


class Nothing(metaclass=Anything):
    """Stands for any class of a module that is left out."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Takes whatever the real one would."""


class StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing


@contextmanager
def standing_in(names: tuple[str, ...]) -> Iterator[None]:
    """Imports in this block find a `StandIn` for each of the modules that is not imported yet."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update({name: StandIn(name) for name in absent})
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


@contextmanager
def missing(names: tuple[str, ...]) -> Iterator[None]:
    """Imports of these modules fail in this block, unless they are imported already."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def prepare_logs() -> None:
    """To be called before anything imports structlog, where nothing else is needed."""
    with missing(OF_STRUCTLOG):
        import structlog  # noqa: F401


def prepare() -> None:
    """To be called before anything imports connexion or structlog; later it changes nothing.

    The garbage collector rests meanwhile, as what is imported stays; whoever calls this wakes it when all is there.
    """
    gc.disable()
    prepare_logs()
    with standing_in(OF_CONNEXION), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # connexion's imports of what jsonschema deprecates
        import connexion  # noqa: F401
