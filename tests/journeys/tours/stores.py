"""What is kept for a client: documents to search, objects of S3, chats to be answered later."""

from __future__ import annotations

from typing import Any

import orjson

from tests.journeys.dialects import USER
from tests.journeys.tours.files import uploaded
from tests.journeys.tours.tour import MODEL, Tour
from tests.journeys.waiting import eventually

CATS = b"A cat sleeps for most of the day and hunts mice at dusk."
FINAL = ("completed", "failed", "cancelled")


def tour_of_vector_stores(tour: Tour) -> None:
    path, file_id = "/vector_stores", uploaded(tour, "/files", CATS)
    url = tour_into_a_store(tour, path, file_id)
    before = indexed(tour, url, file_id)["indexed_at"]
    assert tour.ask("vector_stores_reindex", "POST", f"{url}/reindex")["status"] == "in_progress"
    assert indexed(tour, url, file_id)["indexed_at"] > before
    tour_out_of_a_store(tour, path, url, file_id)


def tour_of_october_stores(tour: Tour) -> None:
    openai = "/v1/openai/v1"
    path, file_id = f"{openai}/vector_stores", uploaded(tour, f"{openai}/files", CATS)
    url = tour_into_a_store(tour, path, file_id)
    of_file = f"{url}/files/{file_id}"
    changed = tour.ask("vector_store_files_update", "POST", of_file, {"attributes": {"kind": "cat"}})
    content = tour.ask("vector_store_files_content_get", "GET", f"{of_file}/content")
    assert content["attributes"] == changed["attributes"] == {"kind": "cat"}
    assert content["content"][0]["text"] == CATS.decode()
    batches, second = f"{url}/file_batches", uploaded(tour, f"{openai}/files", b"A dog barks.")
    batch = tour.ask("vector_store_file_batches_create", "POST", batches, {"file_ids": [second]})
    at = f"{batches}/{batch['id']}"
    done = settled(tour, "vector_store_file_batches_get", at)
    assert (done["status"], done["file_counts"]["completed"]) == ("completed", 1)
    (listed,) = tour.ask("vector_store_file_batches_files_list", "GET", f"{at}/files")["data"]
    assert listed["id"] == second
    assert tour.ask("vector_store_file_batches_cancel", "POST", f"{at}/cancel")["status"] == "cancelled"
    tour_out_of_a_store(tour, path, url, file_id)


def tour_into_a_store(tour: Tour, path: str, file_id: str) -> str:
    """The path of a store in which the file can be found."""
    made = tour.ask("vector_stores_create", "POST", path, {"name": "tour"})
    url = f"{path}/{made['id']}"
    tour.ask("vector_store_files_create", "POST", f"{url}/files", {"file_id": file_id})
    assert indexed(tour, url, file_id)["status"] == "completed"
    (hit,) = tour.ask("vector_stores_search", "POST", f"{url}/search", {"query": "when do felines rest?"})["data"]
    assert (hit["file_id"], hit["content"][0]["text"]) == (file_id, CATS.decode())
    (listed,) = tour.ask("vector_store_files_list", "GET", f"{url}/files")["data"]
    assert listed == tour.ask("vector_store_files_get", "GET", f"{url}/files/{file_id}")
    assert tour.ask("vector_stores_get", "GET", url)["file_counts"]["completed"] == 1
    return url


def tour_out_of_a_store(tour: Tour, path: str, url: str, file_id: str) -> None:
    changed = tour.ask("vector_stores_update", "POST", url, {"name": "toured"})
    assert changed["id"] in [store["id"] for store in tour.ask("vector_stores_list", "GET", path)["data"]]
    tour.ask("vector_store_files_delete", "DELETE", f"{url}/files/{file_id}")
    left = tour.ask("vector_store_files_list", "GET", f"{url}/files")["data"]
    assert file_id not in [file.get("file_id", file["id"]) for file in left]
    assert tour.ask("vector_stores_delete", "DELETE", url)["deleted"] is True
    assert changed["id"] not in [store["id"] for store in tour.ask("vector_stores_list", "GET", path)["data"]]


def indexed(tour: Tour, url: str, file_id: str) -> Any:
    return settled(tour, "vector_store_files_get", f"{url}/files/{file_id}")


def settled(tour: Tour, operation_id: str, path: str) -> Any:
    """What the operation shows once it has a final status."""
    return eventually(lambda: tour.ask(operation_id, "GET", path), lambda seen: seen["status"] in FINAL)


def tour_of_storage(tour: Tour) -> None:
    gateway, before = "/storage/s3", tour.ask("storage_get", "GET", "/storage")
    bucket, large = f"{gateway}/tour-of-storage", f"{gateway}/tour-of-storage/large"
    tour.send("s3_buckets_create", "PUT", bucket)
    tour.send("s3_buckets_head", "HEAD", bucket)
    assert "<Name>tour-of-storage</Name>" in tour.send("s3_buckets_list", "GET", gateway).text
    tour.send("s3_objects_put", "PUT", f"{bucket}/a.txt", content=CATS)
    assert tour.send("s3_objects_get", "GET", f"{bucket}/a.txt").content == CATS
    assert tour.send("s3_objects_head", "HEAD", f"{bucket}/a.txt").headers["content-length"] == str(len(CATS))
    begun = tour.send("s3_objects_post", "POST", large, params={"uploads": ""}).text
    upload = {"uploadId": begun.partition("<UploadId>")[2].partition("<")[0]}
    etag = tour.send("s3_objects_put", "PUT", large, params=upload | {"partNumber": "1"}, content=CATS).headers["etag"]
    part = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    whole = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>"
    tour.send("s3_objects_post", "POST", large, params=upload, content=whole)
    assert tour.send("s3_objects_get", "GET", large).content == CATS
    shown = tour.ask("storage_get", "GET", "/storage")["allocation"]
    assert shown["used_bytes"] == before["allocation"]["used_bytes"] + 2 * len(CATS)
    tour.send("s3_objects_delete", "DELETE", f"{bucket}/a.txt")
    listed = tour.send("s3_buckets_get", "GET", bucket, params={"list-type": "2"}).text
    assert ("<Key>large</Key>" in listed, "<KeyCount>1</KeyCount>" in listed) == (True, True)
    rest = "<Delete><Object><Key>large</Key></Object></Delete>"
    assert "<Key>large</Key>" in tour.send("s3_buckets_post", "POST", bucket, params={"delete": ""}, content=rest).text
    tour.send("s3_buckets_delete", "DELETE", bucket)
    bought = tour.ask("storage_allocations_create", "POST", "/storage/allocations", {"blocks": 1})
    assert bought["allocation_bytes"] == shown["allocation_bytes"] + 10**12


def tour_of_batches(tour: Tour) -> None:
    path, quick = "/batches", {"model": MODEL, "messages": USER}
    slow = {"model": "simulator/slow-100ms", "messages": [{"role": "user", "content": "word " * 100}]}
    first, second = (tour.ask("batches_create", "POST", path, batch_of(tour, body)) for body in (quick, slow))
    asked = tour.ask("batches_cancel", "POST", f"{path}/{second['id']}/cancel")
    assert asked["status"] in ("cancelling", "cancelled")
    done = settled(tour, "batches_get", f"{path}/{first['id']}")
    assert (done["status"], done["request_counts"]) == ("completed", {"total": 1, "completed": 1, "failed": 0})
    answers = tour.send("files_content_get", "GET", f"/files/{done['output_file_id']}/content").content
    assert orjson.loads(answers)["response"]["body"]["choices"]
    settled(tour, "batches_get", f"{path}/{second['id']}")
    listed = tour.ask("batches_list", "GET", path)["data"]
    assert [batch["id"] for batch in listed] == [second["id"], first["id"]]


def batch_of(tour: Tour, body: dict[str, Any]) -> dict[str, str]:
    row = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return {"input_file_id": uploaded(tour, "/files", orjson.dumps(row))}
