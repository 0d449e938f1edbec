"""Signed reports: only the lab's own key counts, once, here, for exactly what it signed."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, transaction
from tallymark import receipts as wire
from tallymark import secp256k1
from tallymark.typed import Domain

from provenance import ledger, licensing, receipts, reporting_keys, signers, usage
from provenance.models import DatasetVersion, Event, Party, ReportingKey, Run, Usage, UsageReceipt
from tests import doors, factories
from tests.cast import NOON
from tests.signing import KEY, OTHER_KEY, body, introduced, registered


@pytest.fixture
def essays(ada: Party) -> DatasetVersion:
    return factories.version(factories.dataset(ada), ["one essay", "another essay"])


@pytest.fixture
def run(lab: Party) -> Run:
    return usage.start_run(lab=lab, purpose="pretrain", name="train", at=NOON)


@pytest.fixture
def rival(db: None) -> Party:
    """Another lab, Dun Models."""
    return factories.party("Dun Models", is_lab=True)


@pytest.fixture
def door(lab: Party) -> doors.Door:
    registered(lab)
    return doors.of(lab)


def last_event() -> Event:
    return Event.objects.filter(kind="dataset.used").latest("id")


def test_a_signed_report_is_kept_and_the_ledger_commits_to_its_signature(door, lab, run, essays):
    answer = door.post("usages", body(lab, run, essays), 202)
    assert (answer["is_signed"], answer["meter"]) == (True, "receipt")
    kept = UsageReceipt.objects.get()
    assert (kept.revision, kept.record_count, kept.key.address) == (1, 10, KEY.address)
    receipt = receipts._receipt(kept)
    mark = wire.mark(receipt.digest(reporting_keys.domain()), bytes(kept.signature))
    assert last_event().body["receipts"] == wire.marks_digest([mark]).hex()


def test_an_unsigned_report_is_kept_and_flagged(door, run, essays, lab):
    unsigned = body(lab, run, essays) | {"signature": ""}
    assert door.post("usages", unsigned, 202)["is_signed"] is False
    assert "receipts" not in last_event().body
    assert [row["id"] for row in door.get("usages?is_signed=false")["results"]]
    assert door.get("usages?is_signed=true")["results"] == []


def test_a_lab_may_have_unsigned_reports_refused(door, run, essays, lab):
    assert door.post("signing-terms", {"is_required": True})["is_required"] is True
    unsigned = body(lab, run, essays) | {"signature": ""}
    assert door.post("usages", unsigned, 403)["code"] == "signature_missing"
    assert not Usage.objects.exists()
    door.post("usages", body(lab, run, essays), 202)
    door.post("signing-terms", {"is_required": False})
    door.post("usages", unsigned | {"sequence": 2}, 202)


def test_a_lab_without_a_key_cannot_require_signatures(lab, ada):
    answer = doors.of(lab).post("signing-terms", {"is_required": True}, 400)
    assert answer["code"] == "bad_reporting_key"
    assert doors.of(ada).post("signing-terms", {"is_required": True}, 409)["code"] == "not_a_lab"


CHANGES = {
    "run": None,
    "subject": "aurora-archive/essays@1",
    "purpose": "finetune",
    "stream": "rank-1",
    "sequence": 2,
    "records": 11,
    "tokens": 101,
    "epochs": 2,
    "fetches": 1,
    "used_at": "2026-03-01T12:00:00.000001+00:00",
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_signature_holds_for_nothing_but_what_was_signed(field, door, lab, run, essays):
    signed = body(lab, run, essays)
    other = usage.start_run(lab=lab, purpose="pretrain", at=NOON)
    changed = signed | {field: CHANGES[field] or str(other.pk)}
    assert door.post("usages", changed, 403)["code"] == "signature_not_ours"
    assert not Usage.objects.exists()


def test_a_receipt_cannot_be_replayed_by_another_lab(door, lab, rival, run, essays):
    """Not even for a run of the same id: the organisation is signed too."""
    registered(rival, OTHER_KEY)
    theirs = usage.start_run(lab=rival, purpose="pretrain", at=NOON)
    for_theirs = body(lab, theirs, essays)
    assert doors.of(rival).post("usages", for_theirs, 403)["code"] == "signature_not_ours"
    assert doors.of(rival).post("usages", body(lab, run, essays), 404)["code"] == "run_unknown"
    with_labs_key = body(rival, theirs, essays, key=KEY)
    assert doors.of(rival).post("usages", with_labs_key, 403)["code"] == "signature_not_ours"


@pytest.mark.parametrize(
    "domain",
    [Domain("https://elsewhere.example", signers.DEVELOPMENT_CHAIN), Domain("HERE", 1)],
)
def test_a_receipt_for_another_service_or_chain_counts_nothing(domain, door, lab, run, essays):
    here = Domain(domain.service.replace("HERE", reporting_keys.domain().service), domain.chain_id)
    signed = body(lab, run, essays)
    receipt = wire.Receipt(
        str(lab.pk), str(run.pk), str(essays.pk), "pretrain", "rank-0", 1, 10, 100, 1, 0,
        wire.micros(NOON),
    )  # fmt: skip
    elsewhere = "0x" + KEY.sign(receipt.digest(here)).hex()
    answer = door.post("usages", signed | {"signature": elsewhere}, 403)
    assert answer["code"] == "signature_not_ours"
    assert reporting_keys.domain().service in answer["detail"]


def test_a_number_is_signed_once_and_counters_never_fall(door, lab, run, essays):
    first = body(lab, run, essays)
    door.post("usages", first, 202)
    door.post("usages", first, 202)
    assert UsageReceipt.objects.count() == 1
    for given in ({"records": 11}, {"sequence": 2, "records": 9}):
        again = body(lab, run, essays, **given)
        assert door.post("usages", again, 422)["code"] == "signed_otherwise"
    assert Usage.objects.get().record_count == 10


def test_ranks_that_sign_add_up_to_what_the_ledger_commits_to(door, lab, run, essays):
    for sequence, stream, records in ((1, "rank-0", 10), (1, "rank-1", 5), (2, "rank-0", 30)):
        signed = body(lab, run, essays, sequence=sequence, stream=stream, records=records)
        used = door.post("usages", signed, 202)
    assert used["record_count"] == 35
    row = Usage.objects.get()
    behind = receipts.behind(row, row.revision)
    assert sorted(one.record_count for one in behind) == [5, 30]
    marks = [
        wire.mark(receipts._receipt(one).digest(reporting_keys.domain()), bytes(one.signature))
        for one in behind
    ]
    assert last_event().body["receipts"] == wire.marks_digest(marks).hex()
    assert [one.record_count for one in receipts.behind(row, 1)] == [10]


def test_what_was_reported_unsigned_and_more_is_not_called_signed(door, lab, run, essays):
    """Signed receipts outrank the rest, but they must add up to all that is charged."""
    door.post("usages", body(lab, run, essays, records=100) | {"signature": ""}, 202)
    used = door.post("usages", body(lab, run, essays, sequence=2, records=20), 202)
    assert (used["meter"], used["record_count"], used["is_signed"]) == ("receipt", 100, False)
    grown = body(lab, run, essays, sequence=3, records=150, tokens=200)
    used = door.post("usages", grown, 202)
    assert (used["record_count"], used["is_signed"]) == (150, True)
    assert [one.sequence for one in receipts.behind(Usage.objects.get(), 99)] == [3]


def test_a_key_signs_for_one_party_and_shows_that_it_is_theirs(lab, rival, ada):
    key = registered(lab)
    assert registered(lab).pk == key.pk
    theirs, mine = doors.of(rival), doors.of(lab)
    stolen = theirs.post("reporting-keys", introduced(lab), 403)
    assert stolen["code"] == "not_the_reporting_key"
    taken = theirs.post("reporting-keys", introduced(rival), 409)
    assert taken["code"] == "reporting_key_taken"
    shown = introduced(lab, OTHER_KEY) | {"address": KEY.address}
    assert mine.post("reporting-keys", shown, 403)["code"] == "not_the_reporting_key"
    assert doors.of(ada).post("reporting-keys", introduced(ada), 409)["code"] == "not_a_lab"
    assert doors.read_only(lab).post("reporting-keys", introduced(lab), 403)
    assert theirs.get("reporting-keys")["results"] == []
    theirs.post(f"reporting-keys/{key.pk}/revoke", status=404)
    assert ReportingKey.objects.get().revoked_at is None


def test_a_revoked_key_signs_nothing_more_and_stays_revoked(door, lab, run, essays):
    (row,) = door.get("reporting-keys")["results"]
    door.post("usages", body(lab, run, essays), 202)
    assert door.post(f"reporting-keys/{row['id']}/revoke")["revoked_at"]
    later = body(lab, run, essays, sequence=2, records=20)
    assert door.post("usages", later, 403)["code"] == "signature_not_ours"
    assert door.post("reporting-keys", introduced(lab), 400)["code"] == "bad_reporting_key"
    assert [one["signer"] for one in door.get(f"usages/{Usage.objects.get().pk}/receipts")]


def test_the_service_signs_for_what_it_took(door, lab, run, essays, ada, ben):
    licence = licensing.offer_licence(
        dataset=essays.dataset, name="Open", text="Go on.", purposes=["pretrain"],
        is_automatic=True, at=NOON,
    )  # fmt: skip
    licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=NOON)
    door.post("usages", body(lab, run, essays), 202)
    row = Usage.objects.get()
    assert door.get(f"usages/{row.pk}/receipts")[0]["taken"] is None
    assert (receipts.countersign(), receipts.countersign()) == (1, 0)
    (shown,) = doors.of(ada).get(f"usages/{row.pk}/receipts")
    assert str(run.pk) not in str(shown)
    assert "rank-0" not in str(shown)
    kept, taken = UsageReceipt.objects.get(), shown["taken"]
    assert (taken["usage"], taken["run"]) == (str(row.pk), run.pseudonym)
    stated = wire.Taken(
        taken["usage"], taken["version"], taken["run"], taken["revision"], taken["received_at"]
    )
    domain = reporting_keys.domain()
    receipt = receipts._receipt(kept).digest(domain)
    digest = stated.digest(domain, receipt, bytes(kept.signature), KEY.address)
    signature = bytes.fromhex(taken["signature"][2:])
    assert secp256k1.signer_of(digest, signature) == signers.address("anchorer").lower()
    doors.of(ben).get(f"usages/{row.pk}/receipts", 404)


@pytest.mark.django_db(transaction=True)
def test_the_database_keeps_what_was_signed(door, lab, run, essays):
    door.post("usages", body(lab, run, essays), 202)
    for change in ({"record_count": 1}, {"signature": b"x"}, {"revision": 9}):
        with pytest.raises(DatabaseError), transaction.atomic():
            UsageReceipt.objects.update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        ReportingKey.objects.update(address="0x" + "11" * 20)
    with pytest.raises(DatabaseError), transaction.atomic():
        UsageReceipt.objects.all()._raw_delete("default")
    ledger.seal()
    assert ledger.first_break() is None


@pytest.mark.parametrize("spoiled", [b"", b"\0" * 65, b"\xff" * 65, bytes(64) + b"\x1b"])
def test_rubbish_is_no_signature_for_the_client_and_the_service_alike(spoiled):
    for read in (reporting_keys.signer_of, secp256k1.signer_of):
        with pytest.raises(secp256k1.NotSigned):
            read(b"\x01" * 32, spoiled)


def test_the_service_reads_signatures_as_the_client_does():
    for seed in range(8):
        digest = wire.marks_digest([bytes([seed])])
        signature = KEY.sign(digest)
        assert reporting_keys.signer_of(digest, signature) == KEY.address
        assert secp256k1.signer_of(digest, signature) == KEY.address
        high = secp256k1.ORDER - int.from_bytes(signature[32:64], "big")
        twin = signature[:32] + high.to_bytes(32, "big") + bytes([27 + 28 - signature[64]])
        for read in (reporting_keys.signer_of, secp256k1.signer_of):
            with pytest.raises(secp256k1.NotSigned):
                read(digest, twin)
