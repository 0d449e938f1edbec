"""How conflicts end: agreement, decision, appeal, and what follows the records afterwards."""

from __future__ import annotations

import pytest

from provenance import conflicts
from provenance.conflicts.resolutions import AlreadyAppealed, NothingToDecide, TooLate
from provenance.conflicts.sides import NotAnOperator
from provenance.models import Conflict, DatasetVersion, Party, StatementOfReasons, User
from tests import factories
from tests.cast import NOON
from tests.provenance.conftest import (
    ADAS,
    BENS,
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
