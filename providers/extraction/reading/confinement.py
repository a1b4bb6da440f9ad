"""Limits that a process puts on itself."""

from __future__ import annotations

import resource

from providers.extraction.limits import Limits


def confine_reader(limits: Limits) -> None:
    """It writes no files; a converter that it starts may have more memory, and write some."""
    _lower(resource.RLIMIT_AS, limits.memory_bytes, limits.converter_memory_bytes)
    _lower(resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1)
    _lower(resource.RLIMIT_FSIZE, 0, limits.converted_bytes)
    _lower(resource.RLIMIT_CORE, 0, 0)


def confine_converter(limits: Limits) -> None:
    _lower(resource.RLIMIT_AS, limits.converter_memory_bytes, limits.converter_memory_bytes)
    _lower(resource.RLIMIT_FSIZE, limits.converted_bytes, limits.converted_bytes)


def _lower(kind: int, soft: int, hard: int) -> None:
    """What is given is no more than what the server itself was given."""
    _, given = resource.getrlimit(kind)
    if given != resource.RLIM_INFINITY:
        soft, hard = min(soft, given), min(hard, given)
    resource.setrlimit(kind, (soft, hard))
