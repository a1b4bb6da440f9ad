"""What a run says of itself, to people and to machines."""

from __future__ import annotations

from xml.etree import ElementTree

from server.contract import report
from server.contract.deviations import Deviation, Reason
from server.contract.documents import Departure
from server.contract.junit import junit
from server.contract.record import ApiRecord, Finding, OperationRecord, RunRecord, Standing


def record() -> RunRecord:
    good = OperationRecord("things_get", "GET", "/things", built=True)
    good.saw("coverage", "positive", 200)
    good.saw("coverage", "negative", 400)
    good.signed[200] += 1
    bad = OperationRecord("things_put", "PUT", "/things", built=True)
    bad.saw("fuzzing", "positive", 500)
    for _ in range(3):
        bad.add(Finding("not_a_server_error", "Server error: \x00 a|b", "curl -X PUT", "500 oops"))
    missing = OperationRecord("things_delete", "DELETE", "/things", built=False)
    idle = OperationRecord("things_post", "POST", "/things", built=True)
    api = ApiRecord("things", {one.operation_id: one for one in (good, bad, missing, idle)}, seconds=1.5)
    departure = Departure("status", "status 400 is not documented", ("#/x",))
    api.deviations.add([Deviation("things_get", departure, (Reason("$.x", "Bad requests are told."),))])
    return RunRecord("http://here", 7, "concordat contract --seed 7", [api])


def test_an_operation_stands_as_it_was_found() -> None:
    (api,) = record().apis
    standings = [one.standing for one in api.operations.values()]
    assert standings == [Standing.PASSED, Standing.FAILED, Standing.NOT_BUILT, Standing.NOT_TRIED]
    assert api.failed


def test_a_deviation_without_a_reason_fails_its_operation() -> None:
    run = record()
    (api,) = run.apis
    api.operations["things_put"].findings.clear()
    api.settle()
    assert not run.failed
    api.deviations.add([Deviation("things_get", Departure("body", "x: it is no colour", ("#/y",)), ())])
    api.settle()
    assert run.failed
    assert api.operations["things_get"].standing is Standing.FAILED


def test_a_fault_of_the_run_fails_it() -> None:
    run = record()
    run.apis[0].operations["things_put"].findings.clear()
    run.apis[0].faults.append("the server went away")
    assert run.failed
    assert "**Fault:** the server went away" in report.markdown(run)
    assert "  ! the server went away" in report.summary(run)


def test_the_report_says_what_was_tried_and_found() -> None:
    text = report.markdown(record())
    for expected in (
        "http://here: **deviates**. Seed 7",
        "| things | 4 | 1 | 1 | 1 | 1 | 3 | 0 | 2 |",
        "| `things_get` GET /things | passed | coverage 1 + 1 | 200: 1, 400: 1; signed 200: 1 |  |",
        "#### `things_put` (PUT /things)",
        "- **not_a_server_error**, 3 times: Server error:",
        "      curl -X PUT",
        "- Bad requests are told.\n  - status 400 is not documented, 1 in `things_get`",
        "### Not built\n\nEach answers 501 in its API's words, unless it is told of above.\n\n`things_delete`",
    ):
        assert expected in text


def test_the_summary_is_short_and_says_how_to_repeat() -> None:
    lines = list(report.summary(record()))
    assert lines[0] == (
        "things: 1 passed, 1 failed, 1 not built, 1 not tried; 3 requests; "
        "1 known deviations from the document as received"
    )
    assert lines[1].startswith("  ! things_put (PUT /things), not_a_server_error: Server error")
    assert lines[-1] == "seed 7; again with: concordat contract --seed 7"


def test_junit_has_a_case_for_each_operation() -> None:
    (suite,) = ElementTree.fromstring(junit(record()))
    counted = {name: suite.get(name) for name in ("name", "tests", "failures", "errors", "skipped")}
    assert counted == {"name": "things", "tests": "4", "failures": "1", "errors": "0", "skipped": "2"}
    assert {one.get("name"): one.get("value") for one in suite.iter("property")}["seed"] == "7"
    outcomes = {str(case.get("name")).split()[0]: [child.tag for child in case] for case in suite.iter("testcase")}
    assert outcomes == {
        "things_get": ["system-out"],
        "things_put": ["failure"],
        "things_delete": ["skipped"],
        "things_post": ["skipped"],
    }
    (failure,) = suite.iter("failure")
    assert "Server error: ? a|b" in str(failure.text)
    assert "curl -X PUT" in str(failure.text)
