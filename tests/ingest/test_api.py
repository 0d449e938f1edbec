"""Uploads through the API: sent, followed, confirmed, and refused with a word on what to do."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone
from tallymark import cli

from ingest import pipeline
from ingest.models import Upload
from provenance import ledger
from provenance.models import Dataset, DatasetVersion, Party
from tests import doors, factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def essays(ada: Party) -> Dataset:
    return factories.dataset(ada)


def file_of(rows: list[dict[str, str]], name: str = "rows.jsonl") -> io.BytesIO:
    content = io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())
    content.name = name
    return content


ROWS = [
    {"id": "a", "text": "The quick brown fox jumps over the lazy dog by the river bank."},
    {"id": "b", "text": "Nobody expects a second sentence with quite so many words in it."},
]


def work(upload: dict[str, Any]) -> dict[str, Any]:
    """What the workers and the sealer do with an upload, here and now."""
    for _ in range(20):
        pipeline.advance(UUID(upload["id"]), clock=timezone.now)
        ledger.seal()
        Upload.objects.filter(pk=upload["id"]).update(retry_at=timezone.now())
    return upload


def test_a_file_becomes_a_sealed_version(ada: Party, essays: Dataset) -> None:
    door = doors.of(ada)
    upload = door.send(f"datasets/{essays.pk}/versions", {"file": file_of(ROWS)})
    assert upload["version"]["name"] == "aurora-archive/essays@1"
    assert (upload["text_column"], upload["key_column"]) == ("text", "id")
    work(upload)
    done = door.get(f"uploads/{upload['id']}")
    assert (done["state"], done["progress"]["record_count"]) == ("sealed", 2)
    (version,) = door.get(f"datasets/{essays.pk}/versions")["results"]
    assert (version["state"], version["record_count"]) == ("sealed", 2)
    assert version["records_root"].startswith("0x")


def test_an_owner_takes_its_texts_along_and_nobody_else(
    ada: Party, ben: Party, essays: Dataset
) -> None:
    door = doors.of(ada)
    upload = work(door.send(f"datasets/{essays.pk}/versions", {"file": file_of(ROWS)}))
    path = f"versions/{upload['version']['id']}/content"
    lines = b"".join(door.raw("GET", path).streaming_content).splitlines()
    assert [json.loads(line)["text"] for line in lines] == [row["text"] for row in ROWS]
    doors.of(ben).get(path, 404)
    door.post(f"versions/{upload['version']['id']}/erase")
    assert door.get(path, 409)["code"] == "version_not_sealed"


def test_bad_rows_are_listed_with_line_and_reason(ada: Party, essays: Dataset) -> None:
    door, file = doors.of(ada), file_of(ROWS)
    file.seek(0, io.SEEK_END)
    file.write(b"{broken\n")
    file.seek(0)
    upload = work(door.send(f"datasets/{essays.pk}/versions", {"file": file}))
    (bad,) = door.get(f"uploads/{upload['id']}/bad-rows")["results"]
    assert bad["line"] == 3
    assert bad["reason"]


def test_a_delta_is_shown_and_sealed_only_when_confirmed(ada: Party, essays: Dataset) -> None:
    door, path = doors.of(ada), f"datasets/{essays.pk}/versions"
    work(door.send(path, {"file": file_of(ROWS)}))
    change = [{"id": "c", "text": "A third record that was not there before, for all we know."}]
    upload = work(door.send(path, {"file": file_of(change), "mode": "delta"}))
    assert door.get(f"uploads/{upload['id']}")["state"] == "ready"
    assert door.get(f"uploads/{upload['id']}/delta")["added"] == 1
    work(door.post(f"versions/{upload['version']['id']}/seal", None, 202))
    assert door.get(f"versions/{upload['version']['id']}")["record_count"] == 3


def test_columns_can_be_chosen_before_the_start(ada: Party, essays: Dataset) -> None:
    rows = [{"summary": "One", "text": "It was a dark and stormy night at the old harbour."}]
    door = doors.of(ada)
    fields = {"file": file_of(rows), "starts": "false"}
    upload = door.send(f"datasets/{essays.pk}/versions", fields)
    assert upload["started_at"] is None
    chosen = door.post(f"uploads/{upload['id']}/columns", {"text_column": "summary"})
    assert chosen["text_column"] == "summary"
    assert door.post(f"uploads/{upload['id']}/start")["started_at"]


def test_an_unreadable_file_fails_with_a_hint(ada: Party, essays: Dataset) -> None:
    file = io.BytesIO(b"PK\x03\x04 this is no zip")
    file.name = "data.zip"
    upload = doors.of(ada).send(f"datasets/{essays.pk}/versions", {"file": file})
    assert upload["state"] == "failed"
    assert upload["error_code"]
    assert upload["error_hint"]
    assert DatasetVersion.objects.get().state == "failed"


def test_neither_file_nor_url_is_refused(ada: Party, essays: Dataset) -> None:
    assert doors.of(ada).post(f"datasets/{essays.pk}/versions", {}, 400)["code"] == "invalid"
    assert not DatasetVersion.objects.exists()


def test_a_local_file_outside_the_allowed_roots_is_refused_and_leaves_no_version(
    ada: Party, essays: Dataset
) -> None:
    body = {"url": "file:///etc/passwd"}
    answer = doors.of(ada).post(f"datasets/{essays.pk}/versions", body, 422)
    assert answer["hint"]
    assert not DatasetVersion.objects.exists()


def test_a_repeated_upload_with_one_key_is_one_upload(ada: Party, essays: Dataset) -> None:
    door = doors.of(ada)
    answers = [
        door._client.post(
            f"/api/v1/datasets/{essays.pk}/versions",
            {"file": file_of(ROWS)},
            format="multipart",
            headers={"Idempotency-Key": "one"},
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert Upload.objects.count() == 1


def test_fingerprints_alone_register_a_dataset(ada: Party, tmp_path: Path) -> None:
    dataset = factories.dataset(ada, "secret", is_fingerprint_only=True)
    (tmp_path / "rows.jsonl").write_bytes(file_of(ROWS).read())
    prints = tmp_path / "prints.jsonl.gz"
    assert cli.main(["fingerprint", str(tmp_path / "rows.jsonl"), "-o", str(prints)]) == 0
    door = doors.of(ada)
    with prints.open("rb") as file:
        upload = work(door.send(f"datasets/{dataset.pk}/prints", {"file": file}))
    assert door.get(f"uploads/{upload['id']}")["state"] == "sealed"
    assert door.get(f"versions/{upload['version']['id']}")["record_count"] == 2


def test_a_dataset_with_content_takes_no_prints(ada: Party, essays: Dataset) -> None:
    fields = {"file": file_of(ROWS)}
    body = doors.of(ada).send(f"datasets/{essays.pk}/prints", fields, 409)
    assert body["code"] == "not_fingerprint_only"


def test_another_party_finds_neither_dataset_nor_upload(
    ada: Party, ben: Party, essays: Dataset
) -> None:
    upload = doors.of(ada).send(f"datasets/{essays.pk}/versions", {"file": file_of(ROWS)})
    door = doors.of(ben)
    door.send(f"datasets/{essays.pk}/versions", {"file": file_of(ROWS)}, 404)
    door.get(f"datasets/{essays.pk}/versions", 404)
    for path in ("", "/bad-rows", "/delta"):
        door.get(f"uploads/{upload['id']}{path}", 404)
    for path in ("columns", "start", "discard"):
        door.post(f"uploads/{upload['id']}/{path}", {}, 404)
    door.post(f"versions/{upload['version']['id']}/seal", None, 404)
    assert door.get("uploads")["results"] == []
