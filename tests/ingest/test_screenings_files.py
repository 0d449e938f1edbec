"""A whole candidate file: screened in slices, reported, signed, and forgotten."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from tallymark import signed

from ingest import hints, leases, storage, tasks
from ingest.gateways import allowance, files, findings, notices, reports, watching
from ingest.gateways.screenings import LabsOnly
from ingest.models import ScreenedMatch, Screening, ScreeningNotice, WatchedPrint
from provenance import licensing, registry, signers
from provenance.models import Dataset, Event, Party
from tests import doors, factories
from tests.ingest.conftest import holding, jsonl, sealed, sentence

pytestmark = pytest.mark.django_db


@pytest.fixture
def essays(ada: Party) -> Dataset:
    made = factories.dataset(ada)
    sealed(made, [{"id": f"r{n}", "text": sentence(n)} for n in range(5)])
    return made


CANDIDATES = [
    {"id": "copy", "text": sentence(1)},
    {"id": "fresh", "text": sentence(70)},
    {"id": "long", "text": f"{sentence(71)} {sentence(2)} {sentence(72, 200)}"},
    {"id": "again", "text": sentence(1)},
]


def begin(lab: Party, content: Any = None, name: str = "rows.jsonl", **given: Any) -> Screening:
    data = content if isinstance(content, bytes) else jsonl(content or CANDIDATES)
    given = {"purpose": "pretrain", "at": timezone.now()} | given
    return files.begin_file(party=lab, file=io.BytesIO(data), file_name=name, **given)


def drive(screening: Screening) -> Screening:
    while files.advance(screening.pk, clock=timezone.now):
        pass
    screening.refresh_from_db()
    return screening


def screened(lab: Party, *rows: Any, **given: Any) -> Screening:
    done = drive(begin(lab, *rows, **given))
    assert done.state == Screening.State.DONE, (done.error_code, done.error_detail)
    return done


def folder(screening: Screening) -> Path:
    return storage.folder_of(screening.pk, storage.SCREENINGS)


def test_a_file_is_reported_with_matches_terms_and_what_was_not_checked(
    lab: Party, essays: Dataset
) -> None:
    bad = jsonl(CANDIDATES) + b"{broken\n"
    report = screened(lab, bad).report
    assert report is not None
    assert report["rows"] == {
        "compared": 4, "unreadable": 1, "short_copies": 0,
        "nothing_found": 1, "possible": 0, "usable": 0, "on_offer": 0, "reserved": 3,
    }  # fmt: skip
    (found,) = report["datasets"]
    assert found["rows"] == {"exact": 2, "near": 0, "contained": 1, "possible": 0}
    assert found["owner"]["name"] == "Aurora Archive"
    assert found["terms"] == {"standing": "reserved"}
    assert any("could not be read" in words for words in report["not_checked"])
    assert report["corpus"]["event_hash"]


def test_nothing_of_the_file_stays(lab: Party, essays: Dataset, capfd) -> None:
    rows = [*CANDIDATES, {"id": "zanzibar-key", "text": f"{sentence(3)} unmistakable zanzibar"}]
    screening = begin(lab, rows)
    assert list(folder(screening).iterdir())
    drive(screening)
    assert ScreenedMatch.objects.filter(screening=screening, row=5).exists()
    assert not holding("zanzibar")
    assert not folder(screening).exists()
    assert not WatchedPrint.objects.exists()
    assert "zanzibar" not in "".join(capfd.readouterr())


def test_a_file_that_cannot_be_read_fails_with_a_hint_and_is_deleted(lab: Party) -> None:
    screening = begin(lab, b"PK\x03\x04 this is no zip", "data.zip")
    assert screening.state == "failed"
    assert screening.error_hint
    assert not folder(screening).exists()


def test_a_file_that_breaks_on_the_way_leaves_nothing(
    lab: Party, essays: Dataset, monkeypatch
) -> None:
    screening = begin(lab)
    monkeypatch.setattr(files, "screen_batch", lambda *_, **__: 1 / 0)
    at = timezone.now()
    for attempt in range(leases.MOST_ATTEMPTS):
        moment = at + timedelta(hours=attempt)
        with pytest.raises(ZeroDivisionError):
            files.advance(screening.pk, clock=lambda moment=moment: moment)
    screening.refresh_from_db()
    assert (screening.state, screening.error_code) == ("failed", "internal_error")
    assert not folder(screening).exists()


def test_the_sweeper_deletes_what_a_crash_left(lab: Party, essays: Dataset) -> None:
    at = timezone.now()
    working, done = begin(lab), screened(lab)
    unknown = uuid4()
    for pk in (done.pk, unknown):
        storage.store(pk, "left.jsonl", io.BytesIO(b"content"), part=storage.SCREENINGS)
    assert files.sweep(at=at) == 1
    assert storage.folder_of(unknown, storage.SCREENINGS).exists()
    assert files.sweep(at=at + timedelta(hours=2)) == 1
    assert not storage.folder_of(unknown, storage.SCREENINGS).exists()
    assert folder(working).exists()


def test_a_worker_that_died_is_followed_by_one_that_counts_nothing_twice(
    lab: Party, essays: Dataset, monkeypatch
) -> None:
    rows = [{"id": f"c{n}", "text": sentence(n % 7)} for n in range(40)]
    whole = screened(lab, rows)
    monkeypatch.setattr("ingest.reading.BATCH_ROWS", 10)
    screening, real, batches = begin(lab, rows), files.screen_batch, []

    def dying(*given: Any, **named: Any) -> None:
        real(*given, **named)
        batches.append(given)
        if len(batches) == 2:
            raise SystemExit("killed")

    monkeypatch.setattr(files, "screen_batch", dying)
    with pytest.raises(SystemExit):
        files.advance(screening.pk, clock=timezone.now)
    monkeypatch.setattr(files, "screen_batch", real)
    assert not files.advance(screening.pk, clock=timezone.now), "its lease is still held"
    screening.refresh_from_db()
    assert (screening.state, screening.row_count) == ("screening", 20)
    later = timezone.now() + leases.LEASE * 2
    while files.advance(screening.pk, clock=lambda: later):
        pass
    screening.refresh_from_db()
    assert screening.report is not None
    assert whole.report is not None
    assert screening.report["rows"] == whole.report["rows"]
    assert screening.report["datasets"] == whole.report["datasets"]


def test_what_is_registered_meanwhile_is_not_in_the_report(
    lab: Party, ada: Party, essays: Dataset, monkeypatch
) -> None:
    monkeypatch.setattr("ingest.reading.BATCH_ROWS", 2)
    screening = begin(lab)
    files.advance(screening.pk, clock=timezone.now, time_limit=timedelta(0))
    sealed(factories.dataset(ada, "later"), [{"id": "x", "text": CANDIDATES[3]["text"]}])
    done = drive(screening)
    assert {row.version.dataset for row in done.matches.all()} == {essays}


def test_short_copies_count_only_in_numbers(lab: Party, ada: Party) -> None:
    phrases = [f"good day number {n}" for n in range(30)]
    made = factories.dataset(ada, "phrases")
    sealed(made, [{"id": f"p{n}", "text": text} for n, text in enumerate(phrases)])
    few = screened(lab, [{"text": text} for text in phrases[:5]]).report
    many = screened(lab, [{"text": text} for text in phrases]).report
    assert few is not None
    assert many is not None
    assert (few["rows"]["reserved"], few["rows"]["short_copies"]) == (0, 5)
    assert (many["rows"]["reserved"], many["rows"]["short_copies"]) == (30, 0)


def test_the_signed_report_verifies_and_a_changed_one_does_not(lab: Party, essays: Dataset) -> None:
    done = screened(lab)
    document = doors.of(lab).get(f"screenings/files/{done.pk}/report")
    service = signers.address("anchorer").lower()
    assert signed.signer_of(document) == service
    document["report"]["rows"]["reserved"] -= 1
    assert signed.signer_of(document) != service


def test_the_ledger_has_the_reports_digest(lab: Party, essays: Dataset) -> None:
    done = screened(lab)
    event = Event.objects.get(kind="screening.reported")
    assert event.party == lab
    document = doors.of(lab).get(f"screenings/files/{done.pk}/report")
    assert event.body["report_sha256"] == signed.digest_of(document).hex()


def test_a_report_is_nobody_elses(lab: Party, ada: Party, essays: Dataset) -> None:
    done = screened(lab)
    for stranger in (ada, factories.party("Delta Labs", is_lab=True)):
        door = doors.of(stranger)
        assert door.get("screenings/files")["results"] == []
        for path in ("", "/report", "/report.pdf", "/matches", "/notices"):
            door.get(f"screenings/files/{done.pk}{path}", 404)
        door.post(f"screenings/files/{done.pk}/seen", None, 404)


def test_a_lab_sends_a_file_and_reads_its_report(lab: Party, essays: Dataset) -> None:
    door, file = doors.of(lab), io.BytesIO(jsonl(CANDIDATES))
    file.name = "candidates.jsonl"
    sent = door.send("screenings/files", {"file": file, "purpose": "finetune"})
    path = f"screenings/files/{sent['id']}"
    assert door.get(f"{path}/report", 409)["code"] == "not_reported_yet"
    tasks.screen_file(sent["id"])
    assert door.get(path)["state"] == "done"
    assert door.get(f"{path}/report")["report"]["file"]["sha256"] == sent["sha256"][2:]
    paper = door.get(f"{path}/report.pdf")
    assert paper.content.startswith(b"%PDF")
    rows = door.get(f"{path}/matches")["results"]
    assert [(row["row"], row["kind"]) for row in rows] == [
        (1, "exact"), (3, "contained"), (4, "exact"),
    ]  # fmt: skip
    assert door.get(f"{path}/matches?kind=contained")["results"] == rows[1:2]


def test_counts_on_paper_stand_under_their_headings(lab: Party, essays: Dataset) -> None:
    (row,) = screened(lab).report["datasets"]
    row["rows"] = {"near": 2, "exact": 1, "possible": 4, "contained": 3}
    assert reports.headings()[2] == "Rows: exact, near, contained, possible"
    assert reports.lines_of([row])[0][2] == "1, 2, 3, 4"


def test_only_labs_send_candidate_files(ada: Party) -> None:
    with pytest.raises(LabsOnly):
        begin(ada)


def test_a_days_records_of_files_are_limited_and_the_rest_waits_for_tomorrow(
    lab: Party, essays: Dataset, settings, monkeypatch
) -> None:
    monkeypatch.setattr("ingest.reading.BATCH_ROWS", 2)
    settings.SCREENING_FILE_RECORDS_PER_DAY = 2
    at = timezone.now().replace(hour=23, minute=0)
    screening = begin(lab, at=at)
    files.advance(screening.pk, clock=lambda: at)
    screening.refresh_from_db()
    assert (screening.row_count, "used up" in screening.stage) == (2, True)
    assert screening.retry_at == at + allowance.until_tomorrow(at)
    tomorrow = at + timedelta(hours=1)
    files.advance(screening.pk, clock=lambda: tomorrow)
    screening.refresh_from_db()
    assert screening.state == "done"


def offered(dataset: Dataset) -> Any:
    return licensing.offer_licence(
        dataset=dataset, name="Training", text="x", purposes=["pretrain"], at=timezone.now()
    )


def test_other_terms_raise_a_notice_for_every_report(lab: Party, essays: Dataset) -> None:
    done, other = screened(lab), screened(lab, purpose="retrieve")
    soon = timezone.now() + notices.CHECKED_EVERY
    assert notices.check_terms(at=soon) == 0
    offered(essays)
    assert notices.check_terms(at=soon + notices.CHECKED_EVERY) == 1
    (notice,) = ScreeningNotice.objects.all()
    assert (notice.screening, notice.cause) == (done, "terms")
    assert (notice.before["standing"], notice.after["standing"]) == ("reserved", "on_request")
    assert "Training" in notices.sentence(notice)
    assert Event.objects.get(kind="screening.changed").party == lab
    assert notices.check_terms(at=soon + 2 * notices.CHECKED_EVERY) == 0
    door = doors.of(lab)
    assert door.get(f"screenings/files/{done.pk}")["new_notice_count"] == 1
    assert door.get(f"screenings/files/{other.pk}")["new_notice_count"] == 0
    assert door.post(f"screenings/files/{done.pk}/seen")["new_notice_count"] == 0


def test_a_price_an_expiry_and_a_withdrawal_raise_notices(lab: Party, essays: Dataset) -> None:
    now = timezone.now()
    licence = offered(essays)
    grant = licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=now)
    licensing.give_grant(grant=grant, at=now)
    done = screened(lab)
    assert done.report is not None
    assert done.report["rows"]["usable"] == 3
    expired = now + timedelta(days=364, hours=23)
    Screening.objects.update(finished_at=expired)
    assert notices.check_terms(at=expired) == 0
    assert notices.check_terms(at=now + timedelta(days=366)) == 1
    licensing.set_rate(
        licence=licence, basis="flat_per_run", price_units=5, asset="iso4217:EUR",
        valid_from=now + timedelta(days=366), at=now,
    )  # fmt: skip
    assert notices.check_terms(at=now + timedelta(days=367)) == 1
    registry.withdraw_version(version=essays.versions.get(), at=now, reason="x")
    assert notices.check_terms(at=now + timedelta(days=368)) == 1
    causes = ScreeningNotice.objects.order_by("pk").values_list("cause", flat=True)
    assert list(causes) == ["terms", "terms", "withdrawn"]


def watch(at: Any) -> None:
    for pk in watching.due(at).values_list("pk", flat=True):
        while watching.look(pk, clock=lambda: at):
            pass


def test_a_later_registration_raises_a_notice_for_who_opted_in(
    lab: Party, ada: Party, essays: Dataset
) -> None:
    watched, other = screened(lab, watch_days=30), screened(lab)
    soon = timezone.now() + watching.EVERY
    watch(soon)
    assert not ScreeningNotice.objects.exists()
    later = factories.dataset(ada, "later")
    sealed(later, [{"id": "x", "text": CANDIDATES[1]["text"]}])
    watch(soon + watching.EVERY)
    watch(soon + 2 * watching.EVERY)
    (notice,) = ScreeningNotice.objects.all()
    assert (notice.screening, notice.dataset, notice.cause) == (watched, later, "registered")
    assert notice.after["rows"] == 1
    assert list(watched.matches.filter(is_later=True).values_list("row", flat=True)) == [2]
    watched.refresh_from_db()
    assert findings.by_dataset(watched) == findings.by_dataset(other)
    offered(later)
    assert notices.check_terms(at=soon + timedelta(hours=1)) == 1


def test_fingerprints_are_kept_for_the_days_chosen_and_hold_no_content(
    lab: Party, essays: Dataset
) -> None:
    rows = [{"id": "zanzibar", "text": f"{sentence(8)} unmistakable zanzibar"}]
    screened(lab, rows, watch_days=30)
    assert WatchedPrint.objects.count() == 1
    assert not holding("zanzibar")
    at = timezone.now()
    assert watching.forget_old(at + timedelta(days=29)) == 0
    assert watching.forget_old(at + timedelta(days=31)) == 1
    assert not WatchedPrint.objects.exists()


def test_hints_carry_a_file_to_its_report(
    lab: Party, essays: Dataset, monkeypatch, django_capture_on_commit_callbacks
) -> None:
    sent: list[tuple[str, UUID]] = []
    monkeypatch.setattr(hints._Broker, "silent_until", 0.0)
    monkeypatch.setattr(hints, "_send", lambda task, pk: sent.append((task, pk)))
    with django_capture_on_commit_callbacks(execute=True):
        screening = begin(lab)
    assert sent == [(hints.SCREEN, screening.pk)]
    sent.clear()
    with django_capture_on_commit_callbacks(execute=True):
        tasks.sweep_screenings()
    assert sent == [(hints.SCREEN, screening.pk)]
    tasks.screen_file(str(screening.pk))
    tasks.screen_file(str(screening.pk))
    tasks.watch_screening(str(screening.pk))
    tasks.sweep_reports()
    screening.refresh_from_db()
    assert screening.state == "done"
