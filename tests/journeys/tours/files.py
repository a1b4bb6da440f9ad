from __future__ import annotations

from tests.journeys.tours.tour import Tour


def tour_of_files(tour: Tour, path: str, *, get: str, content_get: str) -> None:
    """APIs differ in the names of their operations, and in nothing else that is asked here."""
    content = b"what a tour left behind"
    file_id = uploaded(tour, path, content)
    assert file_id in listed(tour, path)
    assert tour.ask(get, "GET", f"{path}/{file_id}")["bytes"] == len(content)
    assert tour.send(content_get, "GET", f"{path}/{file_id}/content").content == content
    tour.ask("files_delete", "DELETE", f"{path}/{file_id}")
    assert file_id not in listed(tour, path)


def uploaded(tour: Tour, path: str, content: bytes) -> str:
    """The id of a file with that content."""
    upload = {"data": {"purpose": "batch"}, "files": {"file": ("tour.txt", content, "text/plain")}}
    file_id: str = tour.send("files_create", "POST", path, **upload).json()["id"]
    return file_id


def listed(tour: Tour, path: str) -> list[str]:
    return [file["id"] for file in tour.ask("files_list", "GET", path)["data"]]
