"""An upload's way: each row once, whatever stops it; and nothing half-registered."""

from __future__ import annotations

import gzip
import hashlib
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from ingest import bodies, erasure, leases, pipeline, reading, storage
from ingest.models import BadRow, Body, Fingerprint, Posting, Upload
from provenance import registry
from provenance.models import Dataset, DatasetVersion, Party, Record, RecordCredit
from tests import factories
from tests.cast import NOON
from tests.ingest.conftest import begin, drive, ingest, jsonl, sealed, sentence, ticking

State = Upload.State


@pytest.fixture
def essays(ada: Party) -> Dataset:
    return factories.dataset(ada)


def _stored_files() -> list[Path]:
    folder = Path(settings.DATA_FOLDER) / "uploads"
    return [path for path in folder.rglob("*") if path.is_file()]


def rows(count: int, first: int = 0) -> list[dict[str, str]]:
    return [{"id": f"r{n}", "text": sentence(n)} for n in range(first, first + count)]


def test_an_upload_is_read_sealed_and_screened(essays: Dataset):
    upload = begin(essays, rows(3))
    assert (upload.state, upload.text_column, upload.key_column) == ("received", "text", "id")
    assert bytes(upload.sha256) == hashlib.sha256(jsonl(rows(3))).digest()

    drive(upload)

    assert upload.state == State.SEALED
    assert upload.version.state == DatasetVersion.State.SEALED
    assert upload.version.sealed_sequence is not None
    assert (upload.record_count, upload.bad_count, upload.row_count) == (3, 0, 3)
    assert upload.bytes_done == upload.bytes_total == len(jsonl(rows(3)))
    records = registry.records_of(upload.version)
    assert [record.key for record in records] == ["r0", "r1", "r2"]
    assert bodies.texts_of(r.pk for r in records) == {
        record.pk: sentence(n) for n, record in enumerate(records)
    }
    assert all(r.token_count == 60 for r in records)
    assert Fingerprint.objects.filter(record__in=records).count() == 3
    assert Posting.objects.filter(kind=Posting.Kind.BAND).count() == 60


def test_a_version_keeps_the_digest_of_the_file_that_it_was_read_from(essays: Dataset):
    version = sealed(essays, rows(3))
    assert bytes(version.file_sha256) == hashlib.sha256(jsonl(rows(3))).digest()


def test_a_bad_row_is_kept_with_its_line_and_the_rest_goes_on(essays: Dataset):
    content = jsonl(rows(2)) + b"{broken\n" + jsonl(rows(1, first=5)) + b'{"id": "x"}\n'
    upload = ingest(essays, content)
    assert (upload.state, upload.record_count, upload.bad_count) == (State.SEALED, 3, 2)
    bad = BadRow.objects.filter(upload=upload).order_by("line")
    assert [row.line for row in bad] == [3, 5]
    assert "not JSON" in bad[0].reason
    assert "text" in bad[1].reason


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("rows.jsonl.gz", gzip.compress(jsonl(rows(200)))[:-20], "cut_short"),
        ("rows.parquet", b"this is no parquet file at all", "not_what_it_claims"),
        ("rows.jsonl", b"[1, 2, 3]\n", "not_what_it_claims"),
        ("rows.jsonl", b'{"id": "a"}\n{"id": "b"}\n', "no_such_column"),
        ("rows.csv.gz", b"id,text\na,b\n", "not_what_it_claims"),
    ],
)
def test_a_file_that_cannot_be_read_leaves_nothing_registered(
    essays: Dataset, name: str, content: bytes, code: str
):
    upload = ingest(essays, content, name)
    assert (upload.state, upload.error_code) == (State.FAILED, code)
    assert upload.error_detail
    assert upload.error_hint
    assert upload.version.state == DatasetVersion.State.FAILED
    assert not registry.records_of(upload.version).exists()
    erasure.sweep_records()
    assert not Posting.objects.exists()
    assert not Body.objects.exists()
    # The dataset is free for the next try.
    assert ingest(essays, rows(1)).state == State.SEALED


def test_an_empty_file_is_refused_at_once(essays: Dataset):
    with pytest.raises(storage.EmptyFile):
        begin(essays, b"")


def test_a_file_over_the_limit_is_refused_and_not_kept(essays: Dataset, settings):
    settings.UPLOAD_LIMIT_BYTES = 1_000
    before = _stored_files()
    with pytest.raises(storage.TooLarge):
        begin(essays, rows(50))
    assert _stored_files() == before
    assert not Upload.objects.exists()


def test_reading_goes_on_where_a_killed_worker_stopped(essays: Dataset, monkeypatch):
    monkeypatch.setattr(reading, "BATCH_ROWS", 4)
    upload = begin(essays, rows(18))
    clock = ticking()
    # A slice is over after a batch or two, as if the worker had died there.
    slices = 1
    while pipeline.advance(upload.pk, clock=clock, time_limit=timedelta(milliseconds=5)):
        slices += 1
    assert slices > 4
    upload.refresh_from_db()
    assert upload.state == State.SEALED
    assert upload.record_count == 18
    keys = list(registry.records_of(upload.version).values_list("key", flat=True))
    assert keys == [f"r{n}" for n in range(18)]


def test_a_batch_that_fails_half_way_leaves_no_trace(essays: Dataset, monkeypatch):
    monkeypatch.setattr(reading, "BATCH_ROWS", 4)
    upload = begin(essays, rows(10))
    real, calls = reading.leases.hold, []

    def failing(*args, **changes):
        if "row_count" in changes:
            calls.append(1)
            if len(calls) == 2:
                raise OSError("the disk is full")
        return real(*args, **changes)

    monkeypatch.setattr(reading.leases, "hold", failing)
    with pytest.raises(OSError, match="disk is full"):
        pipeline.advance(upload.pk, clock=(clock := ticking()))
    upload.refresh_from_db()
    assert (upload.row_count, upload.record_count) == (4, 4)
    assert Record.objects.filter(dataset=essays).count() == 4
    assert Fingerprint.objects.count() == 4
    drive(upload, clock)
    assert (upload.state, upload.record_count) == (State.SEALED, 10)
    assert Record.objects.filter(dataset=essays).count() == 10


def test_a_worker_that_lost_its_lease_cannot_commit(essays: Dataset):
    upload = begin(essays, rows(3))
    slow = leases.claim(upload.pk, at=NOON)
    assert slow is not None
    assert leases.claim(upload.pk, at=NOON) is None
    later = NOON + leases.LEASE + timedelta(seconds=1)
    assert leases.claim(upload.pk, at=later) is not None
    batch = next(reading.batches(reading._rows(slow)))
    with pytest.raises(leases.LeaseLost):
        reading.register(slow, batch, at=later)
    assert not Record.objects.filter(dataset=essays).exists()


def test_our_own_error_is_tried_again_and_then_given_up(essays: Dataset, monkeypatch):
    upload = begin(essays, rows(3))

    def broken(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(reading, "register", broken)
    at = NOON
    for _ in range(leases.MOST_ATTEMPTS):
        with pytest.raises(RuntimeError):
            pipeline.advance(upload.pk, clock=lambda now=at: now)
        at += timedelta(hours=1)
    upload.refresh_from_db()
    assert (upload.state, upload.error_code) == (State.FAILED, "internal_error")


def test_columns_may_be_chosen_before_the_start(essays: Dataset):
    content = [{"a": sentence(1), "b": sentence(2), "number": 7, "name": "one"}]
    upload = begin(essays, content, starts=False)
    assert not pipeline.advance(upload.pk, clock=ticking())
    with pytest.raises(pipeline.ColumnRefused):
        pipeline.choose_columns(upload=upload, text_column="c")
    upload = pipeline.choose_columns(upload=upload, text_column="b", key_column="number")
    pipeline.start_upload(upload=upload, at=NOON)
    drive(upload)
    record = registry.records_of(upload.version).get()
    assert record.key == "7"
    assert bodies.texts_of([record.pk]) == {record.pk: sentence(2)}
    with pytest.raises(pipeline.NotNow):
        pipeline.choose_columns(upload=upload, text_column="a")


def test_a_text_column_that_nobody_could_guess_is_asked_for(essays: Dataset):
    content = [{"a": "one two", "b": "three"}, {"a": "four", "b": "five six"}]
    upload = begin(essays, content, starts=False)
    assert (upload.state, upload.columns, upload.text_column) == (State.RECEIVED, ["a", "b"], "")
    with pytest.raises(pipeline.ColumnRefused):
        pipeline.start_upload(upload=upload, at=NOON)
    pipeline.choose_columns(upload=upload, text_column="b")
    pipeline.start_upload(upload=upload, at=NOON)
    assert drive(upload).record_count == 2
    # Without the chance to choose, that is an error which says what there is.
    upload = ingest(essays, [{"x": "one two", "y": "three"}])
    assert upload.error_code == "no_such_column"
    assert "x, y" in upload.error_hint


def test_a_delta_waits_until_it_is_confirmed(essays: Dataset):
    sealed(essays, rows(4))
    changes = [
        {"id": "r1", "text": "now something else " + sentence(91)},
        {"id": "r2", "text": sentence(2)},
        {"id": "r3", "_withdrawn": True},
        {"id": "r9", "text": sentence(9)},
    ]
    upload = ingest(essays, changes, mode="delta")
    assert upload.state == State.READY
    assert pipeline.preview(upload) == pipeline.DeltaPreview(
        added=1, changed=1, withdrawn=1, unchanged=2, bad=0
    )
    assert not pipeline.advance(upload.pk, clock=ticking())
    pipeline.confirm_delta(upload=upload, at=NOON)
    drive(upload)
    assert upload.state == State.SEALED
    keys = registry.records_of(upload.version).values_list("key", flat=True)
    assert sorted(keys) == ["r0", "r1", "r2", "r9"]
    # Only the two new texts were screened; the others had been.
    assert upload.screened_count == 2


def test_a_key_twice_in_a_delta_is_a_bad_row(essays: Dataset):
    sealed(essays, rows(2))
    twice = [{"id": "a", "text": sentence(5)}, {"id": "a", "text": sentence(6)}]
    upload = ingest(essays, twice, mode="delta")
    assert (upload.record_count, upload.bad_count) == (1, 1)
    assert "came before" in BadRow.objects.get(upload=upload).reason


def test_a_discarded_delta_leaves_the_dataset_as_it_was(essays: Dataset):
    before = sealed(essays, rows(3))
    upload = ingest(essays, [{"id": "r0", "text": sentence(50)}], mode="delta")
    pipeline.discard_upload(upload=upload, at=NOON)
    assert upload.version.dataset.versions.filter(state="failed").count() == 1
    erasure.sweep_records()
    assert sorted(registry.records_of(before).values_list("key", flat=True)) == ["r0", "r1", "r2"]
    assert Fingerprint.objects.count() == 3
    with pytest.raises(pipeline.NotNow):
        pipeline.discard_upload(upload=upload, at=NOON)


def test_a_full_version_again_registers_only_what_is_new(essays: Dataset):
    sealed(essays, rows(3))
    second = sealed(essays, rows(4, first=1))
    assert Record.objects.filter(dataset=essays).count() == 5
    assert Fingerprint.objects.count() == 5
    keys = registry.records_of(second).values_list("key", flat=True)
    assert sorted(keys) == ["r1", "r2", "r3", "r4"]


def test_a_version_takes_one_upload(essays: Dataset):
    upload = begin(essays, rows(1))
    with pytest.raises(pipeline.UploadExists):
        pipeline.begin_upload(
            version=upload.version, file=BytesIO(b"x"), file_name="x.txt", at=NOON
        )


def test_only_an_erased_versions_content_goes(essays: Dataset, ben: Party):
    kept = sealed(factories.dataset(ben), rows(2, first=70))
    gone = sealed(essays, rows(3))
    ids = list(registry.records_of(gone).values_list("pk", flat=True))
    assert erasure.sweep_records() == 0
    registry.erase_version(version=gone, at=NOON)
    assert erasure.sweep_records() == 3
    assert all(erasure.is_forgotten(record) for record in Record.objects.filter(pk__in=ids))
    assert not Posting.objects.filter(record_id__in=ids).exists()
    assert Fingerprint.objects.filter(record__dataset=kept.dataset).count() == 2
    assert erasure.sweep_records() == 0


def test_a_file_goes_when_its_version_is_sealed(essays: Dataset):
    upload = begin(essays, rows(1))
    path = storage.location(upload.path)
    assert erasure.sweep_files(at=NOON) == 0
    assert path.exists()
    drive(upload)
    assert erasure.sweep_files(at=NOON) == 1
    assert not path.exists()


def test_the_file_of_a_failed_upload_stays_a_day(essays: Dataset):
    upload = ingest(essays, b"[1, 2, 3]\n")
    path = storage.location(upload.path)
    assert erasure.sweep_files(at=upload.finished_at) == 0
    assert path.exists()
    assert erasure.sweep_files(at=upload.finished_at + erasure.KEPT_FAILED) == 1
    assert not path.exists()


def test_a_local_file_is_read_only_below_an_allowed_root(essays: Dataset, tmp_path, settings):
    from ingest import fetch

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "rows.jsonl").write_bytes(jsonl(rows(2)))
    (tmp_path / "out.jsonl").write_bytes(jsonl(rows(2)))
    settings.LOCAL_IMPORT_ROOTS = [tmp_path / "in"]
    version = registry.open_version(dataset=essays, at=NOON)
    for url in (f"{tmp_path}/out.jsonl", f"file://{tmp_path}/in/../out.jsonl"):
        with pytest.raises(fetch.UrlNotAllowed):
            pipeline.begin_upload(version=version, url=url, at=NOON)
    upload = pipeline.begin_upload(version=version, url=f"file://{tmp_path}/in/rows.jsonl", at=NOON)
    assert drive(upload).state == State.SEALED
    assert upload.record_count == 2


def test_postings_are_made_in_their_table_only(essays: Dataset):
    sealed(essays, rows(1))
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind, count(*), min(key) >= 0 FROM ingest_posting GROUP BY 1")
        found = {kind: (count, positive) for kind, count, positive in cursor.fetchall()}
    assert found[1] == (20, True)
    assert found[2][0] >= 1


def test_a_column_that_says_who_made_a_record_credits_it_once(essays: Dataset):
    made = [
        {**row, "annotator": name}
        for row, name in zip(rows(4), ["ann", " ann", "bob", ""], strict=True)
    ]
    upload = begin(essays, made, contributor_column="annotator")
    drive(upload)
    assert upload.state == State.SEALED
    credited = RecordCredit.objects.order_by("record").values_list(
        "record__key", "contributor__label"
    )
    assert list(credited) == [("r0", "ann"), ("r1", "ann"), ("r2", "bob")]
    # A later version keeps who made what it carries over, and credits what is new.
    made[0]["annotator"], made[3]["annotator"] = "eve", "bob"
    more = [*made, {**rows(1, first=9)[0], "annotator": "bob"}]
    drive(begin(essays, more, contributor_column="annotator"))
    assert list(credited.filter(contributor__label="eve")) == []
    assert RecordCredit.objects.filter(contributor__label="bob").count() == 2


def test_a_contributor_column_that_is_not_there_is_refused(essays: Dataset):
    upload = begin(essays, rows(2), contributor_column="annotator")
    assert (upload.state, upload.error_code) == (State.FAILED, "no_such_column")
