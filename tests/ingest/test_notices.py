"""Owners hear what became of an upload: done, like something of others, or failed; once each."""

from __future__ import annotations

from ingest import pipeline
from provenance import notices
from provenance.models import Notice, Party
from tests import factories
from tests.cast import NOON
from tests.ingest.conftest import begin, drive, ingest, sealed, sentence


def told(party: Party) -> list[str]:
    return sorted(Notice.objects.filter(party=party).values_list("kind", flat=True))


def texts(*numbers: int) -> list[dict[str, str]]:
    return [{"id": f"r{n}", "text": sentence(n)} for n in numbers]


def test_an_upload_that_is_like_nothing_of_others_is_told_when_it_is_done(ada: Party):
    upload = begin(factories.dataset(ada, "essays"), texts(1, 2, 3))
    assert told(ada) == []
    drive(upload)
    assert told(ada) == ["registration.done"]
    said = notices.say(Notice.objects.get(party=ada))
    assert "aurora-archive/essays@1" in said.title
    assert "adds or changes: 3." in said.words
    assert str(upload.version.pk) in said.path


def test_overlaps_with_others_are_told_instead_of_the_end(ada: Party, ben: Party):
    sealed(factories.dataset(ada), texts(1, 2, 3))
    sealed(factories.dataset(ben, "copies"), texts(2, 3, 50))
    assert "overlap.found" in told(ben)
    assert "registration.done" not in told(ben)


def test_what_is_like_ones_own_data_alone_is_like_nothing_of_others(ada: Party):
    sealed(factories.dataset(ada), texts(1, 2, 3))
    sealed(factories.dataset(ada, "again"), texts(1, 2, 3))
    assert told(ada) == ["registration.done"] * 2


def test_a_failed_upload_is_told_with_the_page_that_says_why(ada: Party):
    upload = ingest(factories.dataset(ada, "essays"), b"not a table", name="rows.parquet")
    assert upload.state == "failed"
    assert told(ada) == ["registration.failed"]
    assert str(upload.pk) in notices.say(Notice.objects.get(party=ada)).path


def test_of_a_delta_is_said_what_was_compared_and_no_more(ada: Party, ben: Party):
    sealed(factories.dataset(ada), texts(1, 2, 3))
    copies = factories.dataset(ben, "copies")
    first = sealed(copies, texts(*range(2, 12)))
    upload = ingest(copies, texts(50, 51), mode="delta")
    drive(pipeline.confirm_delta(upload=upload, at=NOON))
    later = first.dataset.versions.get(number=2)
    assert (later.record_count, later.mode) == (12, "delta")
    said = notices.say(Notice.objects.get(party=ben, kind="registration.done"))
    assert "what it brings" in said.title
    assert "adds or changes: 2." in said.words


def test_who_discards_an_upload_is_not_told_of_it(ada: Party):
    essays = factories.dataset(ada)
    sealed(essays, texts(1))
    upload = ingest(essays, texts(2), mode="delta")
    pipeline.discard_upload(upload=upload, at=NOON)
    assert told(ada) == ["registration.done"]
