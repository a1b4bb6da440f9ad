"""What a request asks of a model, by the operation that it calls: the same word in every API."""

from __future__ import annotations

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "chat_completions_create": "chat",
    "completions_create": "completion",
    "responses_create": "response",
    "embeddings_create": "embedding",
    "batch_chat_completions_create": "chat_batch",
    "batch_completions_create": "completion_batch",
    "request_history_replay": "chat",
}
"""Requests of other operations are in no history."""
