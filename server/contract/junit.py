"""A run told to machines: JUnit's XML, a suite for each API and a case for each operation."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, tostring

from server.contract.record import ApiRecord, OperationRecord, RunRecord, Standing

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold, not even escaped."""


def junit(run: RunRecord) -> bytes:
    root = Element("testsuites", name="concordat contract")
    for api in run.apis:
        root.append(_suite(api, run))
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _suite(api: ApiRecord, run: RunRecord) -> Element:
    standings = [one.standing for one in api.operations.values()]
    failures = standings.count(Standing.FAILED)
    skipped = standings.count(Standing.NOT_BUILT) + standings.count(Standing.NOT_TRIED)
    suite = Element(
        "testsuite", name=api.api, tests=str(len(standings)), failures=str(failures), errors=str(len(api.faults)),
        skipped=str(skipped), time=f"{api.seconds:.3f}",
    )  # fmt: skip
    properties = SubElement(suite, "properties")
    for name, value in (("seed", str(run.seed)), ("url", run.url), ("command", run.command)):
        SubElement(properties, "property", name=name, value=clean(value))
    for one in api.operations.values():
        suite.append(_case(api, one))
    for fault in api.faults:
        case = SubElement(suite, "testcase", classname=api.api, name="the run", time="0")
        SubElement(case, "error", message=clean(fault))
    return suite


def _case(api: ApiRecord, one: OperationRecord) -> Element:
    case = Element(
        "testcase", classname=api.api, name=clean(f"{one.operation_id} {one.method} {one.path}"), time="0"
    )  # fmt: skip
    if one.standing in (Standing.NOT_BUILT, Standing.NOT_TRIED):
        SubElement(case, "skipped", message=one.standing.value)
    for finding in one.findings.values():
        told = SubElement(case, "failure", type=finding.check, message=clean(finding.says[:500]))
        told.text = clean("\n\n".join(filter(None, (finding.says, finding.reproduce, finding.answer))))
    known = [found for found in api.deviations.known() if found.operation_id == one.operation_id]
    lines = [f"{found.departure.says}: {'; '.join(reason.says for reason in found.reasons)}" for found in known]
    if lines:
        SubElement(case, "system-out").text = clean(
            "known deviations from the document as received\n" + "\n".join(lines)
        )
    return case


def clean(text: str) -> str:
    return FORBIDDEN.sub("?", text)
