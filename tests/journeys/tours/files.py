from __future__ import annotations

from tests.journeys.tours.tour import Tour


def tour_of_files(tour: Tour, path: str, *, get: str, content_get: str) -> None:
    """APIs differ in the names of their operations, and in nothing else that is asked here."""
    content = b"what a tour left behind"
    upload = {"data": {"purpose": "batch"}, "files": {"file": ("tour.txt", content, "text/plain")}}
    made = tour.send("files_create", "POST", path, **upload).json()
    assert made["id"] in [file["id"] for file in tour.ask("files_list", "GET", path)["data"]]
    assert tour.ask(get, "GET", f"{path}/{made['id']}")["bytes"] == len(content)
    assert tour.send(content_get, "GET", f"{path}/{made['id']}/content").content == content
    tour.ask("files_delete", "DELETE", f"{path}/{made['id']}")
    assert tour.ask("files_list", "GET", path)["data"] == []
