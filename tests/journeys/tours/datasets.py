"""Datasets: from rows, from recorded chats, and from spans."""

from __future__ import annotations

from typing import Any

from tests.journeys.tours.tour import Tour
from tests.journeys.waiting import eventually

ROWS = [{"n": 1}, {"n": 2}]


def tour_of_january_datasets(tour: Tour, spans: dict[str, Any]) -> None:
    """`spans` says which there are, and which attribute of theirs to save."""
    path, rows, name = "/v1/datasets", "/v1/datasetio/rows", "tour::january"
    body = {"dataset_id": name, "url": {"uri": 'data:application/jsonl,{"n": 1}'}, "dataset_schema": {}}
    tour.ask("datasets_register", "POST", path, body)
    assert tour.ask("datasets_get", "GET", f"{path}/{name}")["url"] == body["url"]
    assert name in [dataset["identifier"] for dataset in tour.ask("datasets_list", "GET", path)["data"]]
    tour.ask("dataset_rows_append", "POST", rows, {"dataset_id": name, "rows": ROWS[1:]})
    page = {"dataset_id": name, "rows_in_page": -1}
    assert tour.ask("dataset_rows_list", "GET", rows, **page)["rows"] == ROWS
    tour.ask("spans_export", "POST", "/v1/telemetry/spans/export", spans | {"dataset_id": name})
    saved = tour.ask("dataset_rows_list", "GET", rows, **page)["rows"][len(ROWS) :]
    assert_saved(saved, spans)
    tour.ask("datasets_unregister", "DELETE", f"{path}/{name}")
    assert tour.ask("datasets_get", "GET", f"{path}/{name}") is None


def tour_of_october_datasets(tour: Tour, spans: dict[str, Any]) -> None:
    path = "/v1/datasets"
    body = {"purpose": "eval/question-answer", "source": {"type": "rows", "rows": ROWS[:1]}}
    name = tour.ask("datasets_register", "POST", path, body)["identifier"]
    assert tour.ask("datasets_get", "GET", f"{path}/{name}")["source"] == body["source"]
    tour.ask("dataset_rows_append", "POST", f"/v1/datasetio/append-rows/{name}", {"rows": ROWS[1:]})
    rows = f"/v1/datasetio/iterrows/{name}"
    assert tour.ask("dataset_rows_list", "GET", rows)["data"] == ROWS
    tour.ask("spans_export", "POST", "/v1/telemetry/spans/export", spans | {"dataset_id": name})
    saved = tour.ask("dataset_rows_list", "GET", rows, start_index=len(ROWS))["data"]
    assert_saved(saved, spans)
    tour.ask("datasets_unregister", "DELETE", f"{path}/{name}")
    assert name not in [dataset["identifier"] for dataset in tour.ask("datasets_list", "GET", path)["data"]]


def assert_saved(rows: list[dict[str, Any]], spans: dict[str, Any]) -> None:
    """The rows are those spans, each with the attribute that it was found by."""
    (wanted,) = spans["attribute_filters"]
    assert {row[wanted["key"]] for row in rows} == {wanted["value"]}


def spans_with(attribute: str, value: str) -> dict[str, Any]:
    wanted = {"key": attribute, "op": "eq", "value": value}
    return {"attribute_filters": [wanted], "attributes_to_save": [attribute]}


def tour_of_chats_as_datasets(tour: Tour, container: str, chats: int) -> None:
    path = "/v1/datasets"
    body = {"name": "tour", "container": container, "size": 10, "filters": [], "tags": ["tour"]}
    made = tour.ask("datasets_create", "POST", path, body)
    at = f"{path}/{made['id']}"
    built = eventually(lambda: tour.ask("datasets_retrieve", "GET", at), lambda seen: seen["size"] is not None)
    assert (built["size"], built["tags"]) == (chats, ["tour"])
    assert tour.ask("datasets_list", "GET", path, container=container)["data"] == [built]
