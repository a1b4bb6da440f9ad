"""Moments as S3's XML writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(microseconds: int) -> str:
    """By the second, as `Last-Modified` says it."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
