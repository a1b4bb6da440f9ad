"""Counting requests of coding sessions, one after the other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from handlers.core.coding import carried
from storage.ledger_record import Record

Key = TypeVar("Key", bound=Hashable)
MOST_GROUPS = 10_000
"""Names are the clients' own choice: beyond these, requests are in the sums alone."""


@dataclass(slots=True)
class Group:
    """What is counted of any set of requests. Ratios of nothing are 0, averages of nothing are None."""

    requests: int = 0
    coding: int = 0
    timed: int = 0
    duration_us: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_auto: int = 0
    cache_off: int = 0
    cache_keyed: int = 0
    applies: int = 0
    applied: int = 0
    apply_timed: int = 0
    apply_us: int = 0
    retrievals: int = 0
    retrieved_chunks: int = 0
    retrieved_bytes: int = 0
    file_hits: int = 0
    file_misses: int = 0
    cleaned_bytes: int = 0

    @property
    def cached_ratio(self) -> float:
        return ratio(self.cached_tokens, self.input_tokens)

    @property
    def file_hit_ratio(self) -> float:
        return ratio(self.file_hits, self.file_hits + self.file_misses)

    @property
    def apply_ratio(self) -> float:
        return ratio(self.applied, self.applies)

    @property
    def latency_ms(self) -> float | None:
        return self.duration_us / self.timed / 1000 if self.timed else None

    @property
    def apply_latency_ms(self) -> float | None:
        return self.apply_us / self.apply_timed / 1000 if self.apply_timed else None

    def add(self, record: Record, told: Mapping[str, Any]) -> None:
        self.requests += 1
        self.coding += carried.is_coding(told)
        self.input_tokens += record.prompt_tokens
        self.cached_tokens += record.cached_tokens
        self.cache_write_tokens += record.cache_write_tokens
        if record.duration_us is not None:
            self.timed += 1
            self.duration_us += record.duration_us
        if told:
            # what the document says of a policy that is not there
            off = told.get("prompt_cache_policy") == "off"
            self.cache_off += off
            self.cache_auto += not off
            self.cache_keyed += bool(told.get("prompt_cache_key"))
        self._add_session(record, told)

    def _add_session(self, record: Record, told: Mapping[str, Any]) -> None:
        if told.get("request_type") == carried.APPLY:
            self.applies += 1
            self.applied += record.state == "completed"
            self.apply_timed += record.duration_us is not None
            self.apply_us += record.duration_us or 0
        ids = told.get("semantic_retrieval_chunk_ids")
        chunks = len(ids) if isinstance(ids, list) else 0
        retrieved = carried.whole(told, "semantic_retrieval_context_bytes")
        self.retrievals += bool(chunks or retrieved)
        self.retrieved_chunks += chunks
        self.retrieved_bytes += retrieved
        self.file_hits += carried.whole(told, "read_file_cache_hits")
        self.file_misses += carried.whole(told, "read_file_cache_misses")
        self.cleaned_bytes += carried.whole(told, "context_cleaner_bytes_saved")


class Groups(dict[Key, Group], Generic[Key]):
    """By whatever they are called."""

    def of(self, key: Key) -> Group:
        if key not in self and len(self) >= MOST_GROUPS:
            return Group()
        return self.setdefault(key, Group())


@dataclass(slots=True)
class Tally:
    """All that the summary tells of a window. Requests are to be added newest first."""

    bucket_seconds: int
    total: Group = field(default_factory=Group)
    sums: Counter[str] = field(default_factory=Counter)
    maxima: dict[str, int] = field(default_factory=dict)
    means: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    index: dict[str, dict[str, int]] = field(default_factory=dict)
    apply_model_ms: int = 0
    providers: Groups[str] = field(default_factory=Groups)
    endpoints: Groups[str] = field(default_factory=Groups)
    repos: Groups[str] = field(default_factory=Groups)
    sessions: Groups[str] = field(default_factory=Groups)
    trend: Groups[int] = field(default_factory=Groups)

    def add(self, record: Record) -> None:
        told = told_by(record)
        groups = [self.total, self.endpoints.of(record.operation_id)]
        groups.append(self.trend.of(int(record.started_at) // self.bucket_seconds * self.bucket_seconds))
        if record.provider is not None:
            groups.append(self.providers.of(record.provider))
        for name, family in (("repo_id_hash", self.repos), ("session_id", self.sessions)):
            for key in carried.names(told, name):
                groups.append(family.of(key))
        for group in groups:
            group.add(record, told)
        if told:
            self._add_told(record, told)

    def _add_told(self, record: Record, told: Mapping[str, Any]) -> None:
        self.apply_model_ms += carried.whole(told, "apply_model_latency_ms_total")
        for name, source in carried.SUMS.items():
            if source in told:
                self.sums[name] += carried.whole(told, source)
        for name, source in carried.MAXIMA.items():
            if source in told:
                self.maxima[name] = max(self.maxima.get(name, 0), carried.whole(told, source))
        for name, source in carried.AVERAGES.items():
            if (value := carried.number(told, source)) is not None:
                mean = self.means[name]
                mean[0], mean[1] = mean[0] + value, mean[1] + 1
        for name, source in carried.COUNTS.items():
            self.counts[name].update(carried.names(told, source))
        if told.get("request_type") == carried.APPLY and record.error_code and "apply_failure_class" not in told:
            self.counts["apply_failure_class_counts"][record.error_code] += 1
        self._add_index(told)

    def _add_index(self, told: Mapping[str, Any]) -> None:
        """The newest request comes first, so what is known of a repository stands."""
        repo = next(carried.names(told, "repo_id_hash"), "")
        if repo in self.index or len(self.index) < MOST_GROUPS:
            for name in carried.INDEX:
                if name in told:
                    self.index.setdefault(repo, {}).setdefault(name, carried.whole(told, name))

    def index_total(self, name: str) -> int:
        return sum(state.get(name, 0) for state in self.index.values())

    def mean(self, name: str) -> float | None:
        total, size = self.means.get(name, (0.0, 0.0))
        return total / size if size else None


def told_by(record: Record) -> Mapping[str, Any]:
    """The metadata that came with the request."""
    told = (record.metadata or {}).get("metadata")
    return told if isinstance(told, dict) else {}


def ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
