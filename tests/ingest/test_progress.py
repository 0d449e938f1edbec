"""What whoever waits for an upload is told: how fast, how far, against what, and how long yet."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client

from ingest import pipeline
from ingest.admin.standing import against, state_of
from ingest.models import Upload
from ingest.models.progress import MOST_MARKS, STALE, begun, marked, speed
from provenance import registry
from provenance.models import Dataset, Party
from tests import factories
from tests.cast import NOON
from tests.ingest.conftest import begin, drive, sealed, sentence, ticking

State = Upload.State


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def rows(count: int, first: int = 0) -> list[dict[str, str]]:
    return [{"id": f"r{n}", "text": sentence(n)} for n in range(first, first + count)]


def test_the_speed_is_that_of_the_last_batches_and_not_of_the_whole_stage() -> None:
    marks = begun(NOON)
    for second in range(1, 31):
        marks = marked(marks, after(second), 10 * second)
    for second in range(31, 61):
        marks = marked(marks, after(second), 300 + 100 * (second - 30))
    assert len(marks) == MOST_MARKS
    assert speed(marks, after(60)) == pytest.approx(100)


def test_quick_batches_leave_one_mark_a_second() -> None:
    marks = begun(NOON)
    for tenth in range(1, 101):
        marks = marked(marks, after(tenth / 10), tenth)
    assert speed(marks, after(10)) == pytest.approx(10, rel=0.1)
    assert marks[-1] == [after(10).timestamp(), 100.0]


def test_a_pause_says_nothing_of_the_speed() -> None:
    marks = marked(begun(NOON), after(2), 200)
    assert speed(marks, after(3)) == 100
    late = after(3) + STALE
    assert speed(marks, late) is None
    again = marked(marks, late, 200)
    assert again == [[late.timestamp(), 200.0]]


@pytest.mark.django_db
def test_what_is_left_follows_from_bytes_while_reading_and_from_records_while_comparing(
    ada: Party,
) -> None:
    upload = begin(factories.dataset(ada), rows(4))
    upload.state, upload.record_count = State.READING, 250
    upload.bytes_done, upload.bytes_total = 25, 100
    upload.pace = [[NOON.timestamp(), 0.0], [after(5).timestamp(), 250.0]]
    told = upload.progress(after(6))
    assert (told.records_per_second, told.record_estimate, told.remaining_seconds) == (50, 1000, 15)
    upload.state, upload.to_compare_count, upload.screened_count = State.SCREENING, 1000, 250
    assert upload.progress(after(6)).remaining_seconds == 15
    assert upload.progress(after(6) + STALE).remaining_seconds is None


@pytest.mark.django_db
def test_it_says_with_how_many_records_of_how_many_others_and_names_none(
    ada: Party, ben: Party
) -> None:
    sealed(factories.dataset(ada, "one"), rows(3))
    sealed(factories.dataset(ada, "two"), rows(2, first=10))
    pictures = registry.register_dataset(
        owner=ada, name="pictures", title="P", kind=Dataset.Kind.IMAGE, at=NOON
    )
    factories.version(pictures, ["not of this kind"])
    sealed(factories.dataset(ben, "bens-first"), rows(4, first=20))
    upload = begin(factories.dataset(ben, "bens"), rows(5, first=30))
    drive(upload)
    assert (upload.against_records, upload.against_owners) == (5, 1)
    assert upload.to_compare_count == upload.screened_count == 5
    words = against(upload)
    assert "5 records of 1 other owner" in words
    assert str(ada) not in words


@pytest.mark.django_db
def test_a_version_that_adds_little_is_compared_as_little_and_comes_to_its_end(
    ada: Party,
) -> None:
    essays = factories.dataset(ada)
    sealed(essays, rows(5))
    upload = begin(essays, rows(7))
    drive(upload)
    assert (upload.record_count, upload.to_compare_count, upload.screened_count) == (7, 2, 2)


@pytest.mark.django_db
def test_the_page_says_the_step_and_that_a_stopped_upload_goes_on(ada: Party) -> None:
    upload = begin(factories.dataset(ada), rows(3))
    clock = ticking()
    pipeline.advance(upload.pk, clock=clock, time_limit=timedelta(0))
    upload.refresh_from_db()
    assert state_of(upload)["step_title"] == "Waiting for a worker"
    pipeline.advance(upload.pk, clock=clock, time_limit=timedelta(milliseconds=3))
    upload.refresh_from_db()
    assert upload.state == State.READING
    told = state_of(upload)
    assert (told["step_title"], told["step_number"], told["step_count"]) == ("Reading", 1, 3)
    web = Client()
    web.force_login(factories.user("ada@aurora.example", party=ada))
    page = web.get(f"/admin/ingest/upload/{upload.pk}/progress/").content.decode()
    assert "step 1 of 3" in page
    assert "records a second" in page
    assert "goes on by itself where it stopped" in page
