"""Decision 14, rule by rule: order is a date, never a right."""

from __future__ import annotations

import pytest

from provenance import conflicts, ledger, registry
from provenance.conflicts.claims import EvidenceMissing
from provenance.conflicts.evidence import NotAsked, OtherText
from provenance.conflicts.sides import NotASide, WrongMoment
from provenance.models import (
    Conflict,
    ContestedRecord,
    DatasetVersion,
    Event,
    Opening,
    Party,
    StatementOfReasons,
    User,
)
from tests import factories
from tests.cast import NOON
from tests.provenance.conftest import (
    DAY,
    SAME,
    claimed,
    decided,
    earned,
    fresh,
    held,
    opened,
    to_decide,
)

State = Conflict.State


# Opening


def test_the_newcomers_matching_records_are_held_at_once(
    conflict: Conflict, bens: DatasetVersion, ben: Party
) -> None:
    assert held(bens) == 3
    assert earned(bens, ben) == 2


def test_nothing_of_the_earlier_owner_is_held_without_an_admitted_claim(
    conflict: Conflict, adas: DatasetVersion, ada: Party
) -> None:
    assert held(adas) == 0
    assert earned(adas, ada) == 4


def test_the_order_is_that_of_the_ledger_whatever_the_overlap_calls_later(
    adas: DatasetVersion, bens: DatasetVersion
) -> None:
    conflict = opened(adas, bens)
    assert (conflict.later, conflict.earlier) == (bens.dataset, adas.dataset)


def test_a_version_that_nobody_numbered_yet_is_numbered_first(ada: Party, ben: Party) -> None:
    def unnumbered(owner: Party) -> DatasetVersion:
        version = registry.open_version(dataset=factories.dataset(owner), at=NOON)
        registry.add_records(version=version, rows=factories.rows(SAME))
        return registry.seal_version(version=version, at=NOON)

    first, second = unnumbered(ada), unnumbered(ben)
    conflict = opened(second, first)
    assert conflict.later == second.dataset
    assert ledger.first_break() is None


def test_matches_within_one_owners_data_open_nothing(ada: Party, adas: DatasetVersion) -> None:
    own = factories.version(factories.dataset(ada, "copies"), SAME)
    found = factories.overlap(own, adas, [(SAME[0], SAME[0])])
    assert conflicts.open_from_overlap(overlap=found, at=NOON) is None
    assert held(own) == 0


def test_likeness_of_meaning_alone_opens_and_holds_nothing(
    adas: DatasetVersion, bens: DatasetVersion
) -> None:
    found = factories.overlap(bens, adas, [(SAME[0], SAME[0])], kind="semantic")
    assert conflicts.open_from_overlap(overlap=found, at=NOON) is None
    assert held(bens) == 0


def test_a_persons_claim_on_a_lead_opens_a_conflict_that_holds_nothing_until_admitted(
    adas: DatasetVersion, bens: DatasetVersion, ada: Party, olga: User
) -> None:
    lead = factories.overlap(bens, adas, [(SAME[0], SAME[0])], kind="semantic")
    said = {"overlap": lead, "claimant": ada, "statement": "A translation of ours.", "at": NOON}
    with pytest.raises(EvidenceMissing):
        conflicts.claim_lead(**said, evidence="")
    claim = conflicts.claim_lead(**said, evidence="Our edition of 2017.")
    assert claim.needs_admission
    assert held(bens) == 0
    conflicts.admit_claim(claim=claim, by=olga, at=NOON + DAY)
    assert (held(bens), held(adas)) == (1, 0)


def test_opening_twice_changes_nothing(conflict: Conflict, bens: DatasetVersion) -> None:
    assert conflict.overlap is not None
    again = conflicts.open_from_overlap(overlap=conflict.overlap, at=NOON + DAY)
    assert again == conflict
    assert held(bens) == 3
    assert StatementOfReasons.objects.filter(conflict=conflict).count() == 2
    assert Event.objects.filter(kind="conflict.opened").count() == 1


def test_both_sides_are_told_why_with_kinds_interval_and_detector_together(
    conflict: Conflict, ada: Party, ben: Party
) -> None:
    statements = StatementOfReasons.objects.filter(conflict=conflict)
    assert {statement.party for statement in statements} == {ada, ben}
    for statement in statements:
        assert statement.kind == "hold"
        for words in ("3 exact", f"{factories.DETECTOR}: 3.", "at most 1,000", "15 Mar 2026"):
            assert words in statement.text
        assert "infringe" not in statement.text.lower()
        assert "%" not in statement.text


# Deadlines


def test_what_is_held_is_released_after_14_days_if_nobody_claims(
    conflict: Conflict, bens: DatasetVersion, ben: Party
) -> None:
    assert conflicts.pass_deadlines(NOON + 13 * DAY) == 0
    assert held(bens) == 3
    assert conflicts.pass_deadlines(NOON + 14 * DAY) == 1
    assert held(bens) == 0
    assert earned(bens, ben) == 5
    assert fresh(conflict).state == State.RELEASED
    assert StatementOfReasons.objects.filter(kind="released").count() == 2
    assert conflicts.pass_deadlines(NOON + 15 * DAY) == 0


def test_a_claim_keeps_what_is_held(conflict: Conflict, bens: DatasetVersion, ada: Party) -> None:
    claimed(conflict, ada, NOON + 13 * DAY)
    conflicts.pass_deadlines(NOON + 20 * DAY)
    assert held(bens) == 3
    assert fresh(conflict).state == State.CLAIMED
    assert fresh(conflict).deadline_at == NOON + 27 * DAY


def test_a_silent_respondent_goes_to_a_person(
    conflict: Conflict, bens: DatasetVersion, ada: Party
) -> None:
    claimed(conflict, ada)
    assert conflicts.pass_deadlines(NOON + 14 * DAY) == 1
    assert fresh(conflict).state == State.DECIDING
    assert held(bens) == 3


def test_a_silent_claimant_releases(
    conflict: Conflict, bens: DatasetVersion, ada: Party, ben: Party
) -> None:
    claimed(conflict, ada)
    conflicts.answer(conflict=conflict, party=ben, text="Ours.", agrees=False, at=NOON)
    assert fresh(conflict).awaits == ada
    assert conflicts.pass_deadlines(NOON + 14 * DAY) == 1
    assert held(bens) == 0
    assert fresh(conflict).state == State.CLOSED
    assert StatementOfReasons.objects.filter(kind="silence").count() == 2


def test_no_clock_decides_for_a_late_operator(
    conflict: Conflict, bens: DatasetVersion, ada: Party
) -> None:
    to_decide(conflict)
    assert conflicts.pass_deadlines(NOON + 100 * DAY) == 0
    assert fresh(conflict).state == State.DECIDING
    assert held(bens) == 3


def test_a_decision_is_final_after_30_days(conflict: Conflict, olga: User) -> None:
    to_decide(conflict)
    decided(conflict, olga)
    assert conflicts.pass_deadlines(NOON + 29 * DAY) == 0
    assert conflicts.pass_deadlines(NOON + 30 * DAY) == 1
    assert fresh(conflict).state == State.CLOSED


# Claims


def test_the_newcomers_claim_holds_nothing_until_an_operator_admits_it(
    conflict: Conflict, adas: DatasetVersion, ben: Party, olga: User
) -> None:
    claimed(conflict, ben, evidence="Printed in 2019.")
    assert held(adas) == 0
    assert fresh(conflict).state == State.OPEN
    conflicts.admit_claim(claim=conflict.claims.get(), by=olga, at=NOON + DAY)
    assert held(adas) == 3
    assert fresh(conflict).state == State.CLAIMED
    assert fresh(conflict).awaits == conflict.earlier.owner


def test_the_newcomer_claims_only_with_evidence(conflict: Conflict, ben: Party) -> None:
    with pytest.raises(EvidenceMissing):
        claimed(conflict, ben)


def test_a_rejected_claim_holds_nothing_and_its_side_is_told_why(
    conflict: Conflict, adas: DatasetVersion, bens: DatasetVersion, ben: Party, olga: User
) -> None:
    claimed(conflict, ben, evidence="Trust us.")
    conflicts.pass_deadlines(NOON + 14 * DAY)
    assert fresh(conflict).state == State.OPEN
    assert held(bens) == 0
    conflicts.reject_claim(
        claim=conflict.claims.get(), reason="That is no evidence.", by=olga, at=NOON + 15 * DAY
    )
    assert held(adas) == 0
    assert fresh(conflict).state == State.RELEASED
    told = StatementOfReasons.objects.filter(kind="claim_rejected")
    assert all("That is no evidence." in statement.text for statement in told)
    assert told.count() == 2


def test_admitting_the_newcomers_claim_leaves_its_own_hold_to_its_14_days(
    conflict: Conflict, bens: DatasetVersion, ben: Party, olga: User
) -> None:
    claimed(conflict, ben, evidence="Printed in 2019.")
    conflicts.admit_claim(claim=conflict.claims.get(), by=olga, at=NOON + DAY)
    assert held(bens) == 3
    assert conflicts.pass_deadlines(NOON + 14 * DAY) == 1
    assert held(bens) == 0
    assert fresh(conflict).state == State.CLAIMED


def test_a_claim_after_the_release_needs_an_operator_too(
    conflict: Conflict, bens: DatasetVersion, ada: Party, olga: User
) -> None:
    conflicts.pass_deadlines(NOON + 14 * DAY)
    with pytest.raises(EvidenceMissing):
        claimed(conflict, ada, NOON + 20 * DAY)
    claimed(conflict, ada, NOON + 20 * DAY, evidence="Our catalogue of 2018.")
    assert held(bens) == 0
    conflicts.admit_claim(claim=conflict.claims.get(), by=olga, at=NOON + 21 * DAY)
    assert held(bens) == 3


def test_claiming_twice_is_claiming_once(conflict: Conflict, ada: Party) -> None:
    claimed(conflict, ada)
    claimed(conflict, ada)
    assert conflict.claims.count() == 1


def test_a_stranger_cannot_claim(conflict: Conflict, lab: Party) -> None:
    with pytest.raises(NotASide):
        claimed(conflict, lab)


def test_only_the_side_that_is_awaited_speaks(conflict: Conflict, ada: Party, ben: Party) -> None:
    claimed(conflict, ada)
    with pytest.raises(NotASide):
        conflicts.answer(conflict=conflict, party=ada, text="Yes.", agrees=False, at=NOON)
    with pytest.raises(WrongMoment):
        conflicts.reply(conflict=conflict, party=ada, text="Yes.", at=NOON)


# Fingerprints only


@pytest.fixture
def blind(ada: Party, ben: Party) -> Conflict:
    """Ada registered fingerprints only, and claims."""
    texts = [f"text number {number} of eight" for number in range(8)]
    kept = factories.version(factories.dataset(ada, is_fingerprint_only=True), texts)
    copied = factories.version(factories.dataset(ben), texts)
    conflict = opened(copied, kept, texts)
    claimed(conflict, ada)
    return conflict


def test_a_fingerprint_only_claimant_gets_nothing_before_it_opened_its_sample(
    blind: Conflict, ada: Party, ben: Party
) -> None:
    copied = blind.later.versions.get()
    conflicts.answer(conflict=blind, party=ben, text="", agrees=True, at=NOON)
    assert (earned(copied, ada), held(copied)) == (0, 8)
    told = {statement.party: statement.text for statement in blind.statements.filter(kind="agreed")}
    assert ("open the records" in told[ada], "open the records" in told[ben]) == (True, False)
    drawn = list(Opening.objects.filter(conflict=blind).select_related("record"))
    assert len(drawn) == 5
    assert {opening.record.dataset_id for opening in drawn} == {blind.earlier_id}
    for count, opening in enumerate(drawn):
        assert held(copied) == 8, count
        text = f"text number {opening.record.key.removeprefix('r')} of eight"
        conflicts.open_record(conflict=blind, record=opening.record, text=text, at=NOON)
    assert (earned(copied, ada), held(copied)) == (8, 0)


def test_a_text_that_does_not_hash_to_the_record_opens_nothing(blind: Conflict) -> None:
    drawn = Opening.objects.filter(conflict=blind)
    record = drawn.select_related("record")[0].record
    with pytest.raises(OtherText):
        conflicts.open_record(conflict=blind, record=record, text="guessed", at=NOON)
    others = ContestedRecord.objects.filter(conflict=blind).exclude(
        record__in=drawn.values("record")
    )
    with pytest.raises(NotAsked):
        conflicts.open_record(conflict=blind, record=others[0].record, text="x", at=NOON)
    assert not Opening.objects.filter(opened_at__isnull=False).exists()


def test_every_step_is_an_event_that_both_sides_see(
    conflict: Conflict, olga: User, ada: Party, ben: Party
) -> None:
    to_decide(conflict)
    decided(conflict, olga)
    events = Event.objects.filter(subject_id=conflict.pk).order_by("id")
    kinds = [event.kind.removeprefix("conflict.") for event in events]
    assert kinds == ["opened", "claimed", "held", "answered", "replied", "decided"]
    assert all({event.party, event.other_party} == {ada, ben} for event in events)
    assert not any("wrote" in str(event.body) for event in events)
