"""A run told to people: Markdown, and a summary for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from server.contract.allowances import reasons
from server.contract.deviations import Deviation
from server.contract.record import ApiRecord, Finding, OperationRecord, RunRecord, Standing

SHOWN = 12
"""Operations named for one reason, and findings shown on a terminal for one API."""


def markdown(run: RunRecord) -> str:
    lines = [
        "# Contract report",
        "",
        f"{run.url}: **{'deviates' if run.failed else 'keeps to its documents'}**. Seed {run.seed}; again with",
        "",
        f"    {run.command}",
        "",
        "| API | operations | passed | failed | not built | not tried | requests | streams | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(_figures(api)) for api in run.apis),
    ]
    for api in run.apis:
        lines += ["", f"## {api.api}", *_api(api)]
    return "\n".join(lines) + "\n"


def summary(run: RunRecord) -> Iterator[str]:
    """A few lines for each API, and what is wrong."""
    for api in run.apis:
        standings = _standings(api)
        tried = ", ".join(f"{standings[one]} {one.value}" for one in Standing if standings[one])
        known = len(api.deviations.known())
        requests = sum(one.tried for one in api.operations.values())
        yield f"{api.api}: {tried}; {requests} requests; {known} known deviations from the document as received"
        yield from (f"  ! {fault}" for fault in api.faults)
        findings = [(one, finding) for one in api.operations.values() for finding in one.findings.values()]
        for one, finding in findings[:SHOWN]:
            yield f"  ! {one.operation_id} ({one.method} {one.path}), {finding.check}: {_line(finding.says, 300)}"
        if len(findings) > SHOWN:
            yield f"  ! and {len(findings) - SHOWN} more"
    yield f"seed {run.seed}; again with: {run.command}"


def _standings(api: ApiRecord) -> Counter[Standing]:
    return Counter(one.standing for one in api.operations.values())


def _figures(api: ApiRecord) -> list[str]:
    standings = _standings(api)
    counts = (standings[one] for one in (Standing.PASSED, Standing.FAILED, Standing.NOT_BUILT, Standing.NOT_TRIED))
    requests = sum(one.tried for one in api.operations.values())
    streams = sum(one.streams for one in api.operations.values())
    return [api.api, str(len(api.operations)), *map(str, counts), str(requests), str(streams), f"{api.seconds:.0f}"]


def _api(api: ApiRecord) -> Iterator[str]:
    for note in [*api.faults, *api.notes]:
        yield from ("", f"{'**Fault:** ' if note in api.faults else ''}{note}")
    failed = [one for one in api.operations.values() if one.findings]
    if failed:
        yield from ("", "### What was found")
    for one in failed:
        yield from _findings(one)
    built = [one for one in api.operations.values() if one.built]
    if built:
        yield from ("", "### What was tried", "")
        yield "| operation | result | requests: valid + invalid, by phase | statuses | streams |"
        yield "|---|---|---|---|---|"
        yield from (_row(_tried(one)) for one in built)
    yield from _known(api)
    yield from _allowed(api)
    missing = [one for one in api.operations.values() if not one.built]
    if missing:
        yield from ("", "### Not built", "", "Each answers 501 in its API's words, unless it is told of above.", "")
        yield ", ".join(f"`{one.operation_id}`" for one in missing)


def _findings(one: OperationRecord) -> Iterator[str]:
    yield from ("", f"#### `{one.operation_id}` ({one.method} {one.path})")
    for key, finding in one.findings.items():
        times = one.times[key]
        yield from ("", f"- **{finding.check}**{f', {times} times' if times > 1 else ''}: {_line(finding.says, 1000)}")
        yield from _code(finding)


def _code(finding: Finding) -> Iterator[str]:
    for text in (finding.reproduce, finding.answer):
        if text:
            yield from ("", "      " + _line(text, 2000))


def _tried(one: OperationRecord) -> list[str]:
    phases = dict.fromkeys(phase for phase, _ in one.cases)
    cases = (f"{phase} {one.cases[phase, 'positive']} + {one.cases[phase, 'negative']}" for phase in phases)
    return [
        f"`{one.operation_id}` {one.method} {one.path}",
        one.standing.value,
        ", ".join(cases),
        _statuses(one.statuses) + (f"; signed {_statuses(one.signed)}" if one.signed else ""),
        str(one.streams or ""),
    ]


def _statuses(counted: Counter[int]) -> str:
    return ", ".join(f"{status or 'none'}: {number}" for status, number in sorted(counted.items()))


def _known(api: ApiRecord) -> Iterator[str]:
    """By what is said of them, for one action of an overlay speaks of many operations."""
    by_reason: dict[tuple[str, ...], list[Deviation]] = {}
    for one in api.deviations.known():
        by_reason.setdefault(tuple(reason.says for reason in one.reasons), []).append(one)
    if not by_reason:
        return
    yield from ("", "### Known deviations from the document as received", "")
    for says, found in by_reason.items():
        yield f"- {_line(' / '.join(says), 1000)}"
        kinds = Counter(_kind(one) for one in found)
        for kind, number in kinds.items():
            names = list(dict.fromkeys(f"`{one.operation_id}`" for one in found if _kind(one) == kind))
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            yield f"  - {kind}, {number} in {', '.join(names[:SHOWN])}{more}"


def _kind(one: Deviation) -> str:
    """Bodies differ in too many words to tell them all."""
    return one.departure.kind if one.departure.kind in ("body", "request") else _line(one.departure.says, 120)


def _allowed(api: ApiRecord) -> Iterator[str]:
    tried = [one.operation_id for one in api.operations.values() if one.built and one.tried]
    found = reasons(tried)
    if found:
        yield from ("", "### What no schema says", "")
        yield from (f"- `{name}`: {' '.join(why)}" for name, why in found.items())


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _line(text: str, most: int) -> str:
    """On one line, and not for ever. Keys are none of a report's business: whatever makes findings leaves them out."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}..."
