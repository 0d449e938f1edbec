"""Decision 14, rule by rule: order is a date, never a right."""

from __future__ import annotations

from datetime import timedelta

import pytest

from provenance import conflicts, ledger, registry
from provenance.conflicts.claims import EvidenceMissing
from provenance.conflicts.evidence import NotAsked, OtherText
from provenance.conflicts.resolutions import AlreadyAppealed, NothingToDecide, TooLate
from provenance.conflicts.sides import NotAnOperator, NotASide, WrongMoment
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

DAY = timedelta(days=1)
SAME = ["the elder stands tall", "a fir grows slowly", "larches lose their needles"]
ADAS = [*SAME, "only Ada wrote this"]
BENS = [*SAME, "only Ben wrote this", "and this is Ben's as well"]
State = Conflict.State


@pytest.fixture
def adas(ada: Party) -> DatasetVersion:
    return factories.version(factories.dataset(ada), ADAS)


@pytest.fixture
def bens(adas: DatasetVersion, ben: Party) -> DatasetVersion:
    """Registered after Ada's."""
    return factories.version(factories.dataset(ben, "notes"), BENS)


@pytest.fixture
def conflict(adas: DatasetVersion, bens: DatasetVersion) -> Conflict:
    """Ben is the newcomer; three of his records are Ada's, found today."""
    return opened(bens, adas)


def opened(later: DatasetVersion, earlier: DatasetVersion, texts=SAME, at=NOON) -> Conflict:
    found = factories.overlap(later, earlier, [(text, text) for text in texts])
    conflict = conflicts.open_from_overlap(overlap=found, at=at)
    assert conflict is not None
    return conflict


def fresh(conflict: Conflict) -> Conflict:
    return Conflict.objects.get(pk=conflict.pk)


def held(version: DatasetVersion) -> int:
    """How many records of the version are held."""
    shares = conflicts.claimant_shares(version)
    return sum(share.record_count for share in shares if share.conflict_id)


def earned(version: DatasetVersion, party: Party) -> int:
    """How many records earn for `party` alone."""
    shares = conflicts.claimant_shares(version)
    return sum(
        share.record_count
        for share in shares
        if share.holders == ((party.pk, 1),) and not share.conflict_id
    )


def claimed(conflict: Conflict, by: Party, at=NOON, evidence="") -> None:
    conflicts.claim(
        conflict=conflict, claimant=by, statement="We wrote these.", evidence=evidence, at=at
    )


def to_decide(conflict: Conflict, at=NOON) -> None:
    """Ada claims, Ben denies, Ada replies."""
    claimed(conflict, conflict.earlier.owner, at)
    conflicts.answer(
        conflict=conflict, party=conflict.later.owner, text="Ours.", agrees=False, at=at
    )
    conflicts.reply(conflict=conflict, party=conflict.earlier.owner, text="No.", at=at)


def decided(conflict: Conflict, by: User, outcome="to_earlier", at=NOON, **more):
    return conflicts.decide(
        conflict=conflict, outcome=outcome, reasons="Ada's was published.", by=by, at=at, **more
    )


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
        for words in ("3 exact", "Between 3 and 3", factories.DETECTOR, "0.001", "2026-03-15"):
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


# Settling


def test_agreement_settles_it_for_the_claimant_at_once(
    conflict: Conflict, bens: DatasetVersion, ada: Party, ben: Party
) -> None:
    claimed(conflict, ada)
    conflicts.answer(conflict=conflict, party=ben, text="", agrees=True, at=NOON)
    assert fresh(conflict).state == State.CLOSED
    assert (earned(bens, ada), earned(bens, ben), held(bens)) == (3, 2, 0)
    assert conflict.resolutions.get().decided_by is None


def test_the_copier_who_came_first_loses_the_share_by_a_decision(
    ada: Party, ben: Party, olga: User
) -> None:
    copier = factories.version(factories.dataset(ben, "notes"), BENS)
    author = factories.version(factories.dataset(ada), ADAS)
    conflict = opened(author, copier)
    claimed(conflict, ada, evidence="Printed in 2019.")
    conflicts.admit_claim(claim=conflict.claims.get(), by=olga, at=NOON)
    assert held(copier) == 3
    conflicts.answer(conflict=conflict, party=ben, text="Ours.", agrees=False, at=NOON)
    conflicts.reply(conflict=conflict, party=ada, text="No.", at=NOON)
    decided(conflict, olga, "to_later")
    assert (earned(copier, ada), earned(copier, ben)) == (3, 2)
    assert (earned(author, ada), held(author)) == (4, 0)


@pytest.mark.parametrize(
    ("outcome", "adas_part", "bens_part"),
    [("to_earlier", 3, 2), ("to_later", 0, 5), ("common", 0, 5), ("shared", 0, 2)],
)
def test_a_decision_moves_the_records_as_it_says(
    conflict: Conflict,
    bens: DatasetVersion,
    ada: Party,
    ben: Party,
    olga: User,
    outcome: str,
    adas_part: int,
    bens_part: int,
) -> None:
    to_decide(conflict)
    decided(conflict, olga, outcome, earlier_basis_points=3_000)
    assert (earned(bens, ada), earned(bens, ben)) == (adas_part, bens_part)
    assert fresh(conflict).state == State.DECIDED
    shared = [s for s in conflicts.claimant_shares(bens) if len(s.holders) == 2]
    if outcome == "shared":
        [share] = shared
        assert share.holders == ((ada.pk, 3_000), (ben.pk, 7_000))
        assert share.record_count == 3


def test_a_decision_on_some_records_leaves_the_others_held(
    conflict: Conflict, adas: DatasetVersion, bens: DatasetVersion, ada: Party, olga: User
) -> None:
    to_decide(conflict)
    of_ada = factories.record(adas, SAME[0])
    decided(conflict, olga, filter={"record_ids": [of_ada.pk]})
    assert fresh(conflict).state == State.DECIDING
    assert (held(bens), earned(bens, ada)) == (2, 1)
    decided(conflict, olga, "common", filter={"kind": ["exact"]})
    assert fresh(conflict).state == State.DECIDED
    assert (held(bens), earned(bens, ada)) == (0, 1)


def test_a_decision_on_records_that_are_not_in_question_is_refused(
    conflict: Conflict, olga: User
) -> None:
    to_decide(conflict)
    with pytest.raises(NothingToDecide):
        decided(conflict, olga, filter={"kind": ["near"]})


def test_a_decision_from_now_on_leaves_what_was_used_before(
    conflict: Conflict, bens: DatasetVersion, ada: Party, ben: Party, olga: User
) -> None:
    to_decide(conflict)
    decided(conflict, olga, at=NOON + DAY, from_the_start=False)
    before, after = (
        {share.holders[0][0]: share.record_count for share in shares}
        for shares in (
            conflicts.claimant_shares(bens, NOON),
            conflicts.claimant_shares(bens, NOON + 2 * DAY),
        )
    )
    assert before == {ben.pk: 5}
    assert after == {ada.pk: 3, ben.pk: 2}


def test_a_decision_needs_an_operator_who_belongs_to_neither_side(
    conflict: Conflict, olga: User, ada: Party
) -> None:
    to_decide(conflict)
    with pytest.raises(NotAnOperator):
        decided(conflict, factories.user("ada@aurora.example", party=ada))
    factories.user("x@example.com")
    ada.memberships.create(user=olga, role="admin", created_at=NOON)
    with pytest.raises(NotAnOperator):
        decided(conflict, olga)


def test_both_sides_get_the_reasons_of_a_decision(conflict: Conflict, olga: User) -> None:
    to_decide(conflict)
    decided(conflict, olga)
    told = StatementOfReasons.objects.filter(kind="decision")
    assert told.count() == 2
    assert all("Ada's was published." in statement.text for statement in told)


# Appeals


def test_another_operator_decides_the_appeal(
    conflict: Conflict, bens: DatasetVersion, ben: Party, ada: Party, olga: User, otto: User
) -> None:
    to_decide(conflict)
    first = decided(conflict, olga)
    conflicts.appeal(conflict=conflict, party=ben, text="Look again.", at=NOON + DAY)
    again = {"outcome": "common", "reasons": "A press release.", "at": NOON + 2 * DAY}
    with pytest.raises(NotAnOperator):
        conflicts.decide_appeal(conflict=conflict, by=olga, **again)
    assert earned(bens, ada) == 3
    second = conflicts.decide_appeal(conflict=conflict, by=otto, **again)
    first.refresh_from_db()
    assert first.superseded_by == second
    assert fresh(conflict).state == State.CLOSED
    assert (earned(bens, ada), earned(bens, ben)) == (0, 5)


def test_there_is_one_appeal_within_30_days(conflict: Conflict, ben: Party, olga: User) -> None:
    to_decide(conflict)
    decided(conflict, olga)
    with pytest.raises(TooLate):
        conflicts.appeal(conflict=conflict, party=ben, text="Late.", at=NOON + 30 * DAY)
    conflicts.appeal(conflict=conflict, party=ben, text="In time.", at=NOON + 29 * DAY)
    with pytest.raises(AlreadyAppealed):
        conflicts.appeal(conflict=conflict, party=ben, text="Again.", at=NOON + 29 * DAY)


# Later versions


def test_a_resolution_follows_the_digests_into_later_versions(
    conflict: Conflict, adas: DatasetVersion, bens: DatasetVersion, ada: Party, olga: User
) -> None:
    to_decide(conflict)
    decided(conflict, olga)
    moved = factories.version(bens.dataset, SAME, keys=["x", "y", "z"])
    assert earned(moved, ada) == 0
    assert conflicts.carry_into(moved, at=NOON) == 3
    assert earned(moved, ada) == 3
    found = factories.overlap(moved, adas, [(text, text) for text in SAME])
    conflicts.open_from_overlap(overlap=found, at=NOON + DAY)
    assert (earned(moved, ada), held(moved)) == (3, 0)
    assert fresh(conflict).state == State.DECIDED


def test_a_record_carried_unchanged_stays_as_it_was_settled(
    conflict: Conflict, bens: DatasetVersion, ada: Party, olga: User
) -> None:
    to_decide(conflict)
    decided(conflict, olga)
    next_version = factories.version(bens.dataset, [*BENS, "something new"])
    assert earned(next_version, ada) == 3


def test_the_authors_next_version_is_not_a_newcomer_to_the_copy(
    conflict: Conflict, adas: DatasetVersion, bens: DatasetVersion
) -> None:
    again = factories.version(adas.dataset, ADAS, keys=["a", "b", "c", "d"])
    found = factories.overlap(again, bens, [(text, text) for text in SAME])
    assert conflicts.open_from_overlap(overlap=found, at=NOON) == conflict
    assert held(again) == 0
    assert Conflict.objects.count() == 1


def test_records_found_after_the_release_begin_a_new_round(
    conflict: Conflict, adas: DatasetVersion, bens: DatasetVersion, ada: Party
) -> None:
    conflicts.pass_deadlines(NOON + 14 * DAY)
    more = factories.version(bens.dataset, [*BENS, ADAS[3]])
    opened(more, adas, [ADAS[3]], at=NOON + 20 * DAY)
    conflict = fresh(conflict)
    assert (conflict.state, conflict.round) == (State.OPEN, 2)
    assert held(more) == 1
    claimed(conflict, ada, NOON + 21 * DAY)
    assert fresh(conflict).state == State.CLAIMED


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
