"""Made-up log-probabilities: the same request always gets the same ones, and likelier tokens come first."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from providers.errors import Refused
from providers.tokens import Piece

MOST_ALTERNATIVES = 20


def entries(pieces: Sequence[Piece], options: Mapping[str, Any], digest: str) -> list[dict[str, Any]] | None:
    """OpenAI's `logprobs.content`, an entry for each piece; None when nobody asked."""
    wanted = options.get("logprobs")
    if wanted is None or wanted is False:
        return None
    count = options.get("top_logprobs") or 0 if wanted is True else wanted
    if not isinstance(count, int) or not 0 <= count <= MOST_ALTERNATIVES:
        raise Refused(f"top_logprobs must be a whole number from 0 to {MOST_ALTERNATIVES}", param="top_logprobs")
    return [_entry(piece, count, f"{digest}:{index}") for index, piece in enumerate(pieces)]


def _entry(piece: Piece, count: int, seed: str) -> dict[str, Any]:
    first = -_unit(seed) / 2
    top = [_token(piece.text, first)]
    top += [_token(f"{piece.text}~{rank}", first - rank - _unit(f"{seed}:{rank}") / 2) for rank in range(1, count)]
    return {**_token(piece.text, first), "top_logprobs": top[:count]}


def _token(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": round(logprob, 6), "bytes": list(text.encode())}


def _unit(seed: str) -> float:
    """From 0 to 1, evenly spread."""
    return int.from_bytes(hashlib.blake2s(seed.encode(), digest_size=4).digest(), "big") / 0xFFFFFFFF
