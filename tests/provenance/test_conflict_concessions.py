"""What a side may settle by its own word: its claim, and pairs it gives up; never the other's."""

from __future__ import annotations

import pytest

from provenance import conflicts
from provenance.conflicts.claims import ClaimWithdrawn
from provenance.conflicts.concessions import NothingToConcede, NotYoursToGive
from provenance.conflicts.sides import NotASide, WrongMoment
from provenance.models import Conflict, DatasetVersion, Event, Party, StatementOfReasons, User
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


def own_claim(conflict: Conflict, party: Party):
    return conflict.claims.get(claimant=party)


def conceded(conflict: Conflict, party: Party, outcome: str, at=NOON, **more):
    return conflicts.concede(conflict=conflict, party=party, outcome=outcome, at=at, **more)


# Withdrawing


def test_a_claim_taken_back_releases_what_it_held_and_both_sides_are_told(
    conflict: Conflict, bens: DatasetVersion, ada: Party
) -> None:
    claimed(conflict, ada)
    conflicts.withdraw_claim(claim=own_claim(conflict, ada), at=NOON + DAY)
    assert held(bens) == 0
    assert fresh(conflict).state == State.CLOSED
    assert StatementOfReasons.objects.filter(kind="claim_withdrawn").count() == 2
    event = Event.objects.get(kind="conflict.claim_withdrawn")
    assert event.body["claimant"] == str(ada.pk)


def test_taking_back_twice_changes_nothing_and_claiming_again_is_refused(
    conflict: Conflict, ada: Party, bens: DatasetVersion
) -> None:
    claimed(conflict, ada)
    for _ in range(2):
        conflicts.withdraw_claim(claim=own_claim(conflict, ada), at=NOON + DAY)
    assert Event.objects.filter(kind="conflict.claim_withdrawn").count() == 1
    with pytest.raises(ClaimWithdrawn):
        claimed(conflict, ada, NOON + 2 * DAY)
    assert held(bens) == 0


def test_a_newcomer_does_not_end_its_own_hold_by_claiming_and_taking_it_back(
    conflict: Conflict, adas: DatasetVersion, bens: DatasetVersion, ben: Party, olga: User
) -> None:
    claimed(conflict, ben, evidence="Printed in 2019.")
    conflicts.admit_claim(claim=own_claim(conflict, ben), by=olga, at=NOON + DAY)
    assert (held(adas), held(bens)) == (3, 3)
    conflicts.withdraw_claim(claim=own_claim(conflict, ben), at=NOON + 2 * DAY)
    assert (held(adas), held(bens)) == (0, 3)
    assert (fresh(conflict).state, fresh(conflict).deadline_at) == (State.OPEN, NOON + 14 * DAY)
    conflicts.pass_deadlines(NOON + 14 * DAY)
    assert (held(bens), fresh(conflict).state) == (0, State.RELEASED)


def test_the_other_sides_claim_outlives_one_that_is_taken_back(
    conflict: Conflict, adas: DatasetVersion, bens: DatasetVersion, ada: Party, ben: Party, olga
) -> None:
    claimed(conflict, ada)
    claimed(conflict, ben, evidence="Printed in 2019.")
    conflicts.admit_claim(claim=own_claim(conflict, ben), by=olga, at=NOON)
    conflicts.withdraw_claim(claim=own_claim(conflict, ada), at=NOON + DAY)
    assert (held(adas), held(bens)) == (3, 0)
    now = fresh(conflict)
    assert (now.state, now.awaits, now.deadline_at) == (State.CLAIMED, ada, NOON + 15 * DAY)


def test_a_claim_that_waits_for_an_operator_can_be_taken_back_and_is_not_admitted_after(
    conflict: Conflict, adas: DatasetVersion, ben: Party, olga: User
) -> None:
    claimed(conflict, ben, evidence="Printed in 2019.")
    claim = own_claim(conflict, ben)
    conflicts.withdraw_claim(claim=claim, at=NOON)
    with pytest.raises(ClaimWithdrawn):
        conflicts.admit_claim(claim=claim, by=olga, at=NOON)
    assert held(adas) == 0
    assert fresh(conflict).state == State.OPEN


def test_what_is_decided_is_not_undone_by_taking_the_claim_back(
    conflict: Conflict, bens: DatasetVersion, ada: Party, olga: User
) -> None:
    to_decide(conflict)
    decided(conflict, olga)
    with pytest.raises(WrongMoment):
        conflicts.withdraw_claim(claim=own_claim(conflict, ada), at=NOON)
    assert earned(bens, ada) == 3


# Conceding


def test_the_earlier_owner_lets_the_newcomer_keep_all_of_it_at_once(
    conflict: Conflict, bens: DatasetVersion, ada: Party, ben: Party
) -> None:
    conceded(conflict, ada, "common", text="Press releases; anybody may have them.")
    assert (earned(bens, ben), held(bens)) == (5, 0)
    assert fresh(conflict).state == State.CLOSED
    texts = StatementOfReasons.objects.filter(kind="conceded").values_list("text", flat=True)
    assert len(texts) == 2
    assert all("Press releases" in text and "common material" in text for text in texts)


def test_the_newcomer_gives_the_records_up_and_their_money_follows(
    conflict: Conflict, bens: DatasetVersion, ada: Party, ben: Party
) -> None:
    conceded(conflict, ben, "to_earlier")
    assert (earned(bens, ada), earned(bens, ben), held(bens)) == (3, 2, 0)
    assert fresh(conflict).state == State.CLOSED


def test_what_the_filter_leaves_out_stays_in_question(ada: Party, ben: Party) -> None:
    keys = ["wire/1", "wire/2", "desk/1"]
    mine = factories.version(factories.dataset(ada), SAME, keys=keys)
    theirs = factories.version(factories.dataset(ben, "notes"), SAME)
    conflict = opened(theirs, mine)
    conceded(conflict, ada, "common", filter={"key_starts": "wire/"})
    assert (held(theirs), earned(theirs, ben)) == (1, 2)
    assert fresh(conflict).state == State.OPEN
    assert conflict.resolutions.get().filter == {}
    claimed(conflict, ada)
    conceded(conflict, ben, "to_earlier")
    assert (earned(theirs, ada), held(theirs)) == (1, 0)
    assert fresh(conflict).state == State.CLOSED


def test_one_cannot_narrow_by_the_keys_of_the_other_side(ada: Party, ben: Party) -> None:
    mine = factories.version(factories.dataset(ada), SAME, keys=["a1", "a2", "a3"])
    theirs = factories.version(factories.dataset(ben, "notes"), SAME, keys=["b1", "b2", "b3"])
    conflict = opened(theirs, mine)
    with pytest.raises(NothingToConcede):
        conceded(conflict, ada, "common", filter={"key_starts": "b"})
    assert held(theirs) == 3


def test_nobody_concedes_what_is_not_its_own(
    conflict: Conflict, bens: DatasetVersion, ada: Party, ben: Party, lab: Party
) -> None:
    for party, outcome in ((ada, "to_earlier"), (ben, "to_later"), (ada, "shared"), (ada, "x")):
        with pytest.raises(NotYoursToGive):
            conceded(conflict, party, outcome)
    with pytest.raises(NotASide):
        conceded(conflict, lab, "common")
    with pytest.raises(NothingToConcede):
        conceded(conflict, ben, "common")
    assert held(bens) == 3


def test_each_keeps_its_own_never_ends_what_the_other_side_claims(
    conflict: Conflict, adas: DatasetVersion, bens: DatasetVersion, ada: Party, ben: Party, olga
) -> None:
    claimed(conflict, ben, evidence="Printed in 2019.")
    conflicts.admit_claim(claim=own_claim(conflict, ben), by=olga, at=NOON)
    conceded(conflict, ada, "common")
    assert (held(adas), held(bens)) == (3, 0)
    assert fresh(conflict).state == State.CLAIMED


def test_the_same_records_in_the_next_version_are_not_asked_about_again(
    conflict: Conflict, bens: DatasetVersion, adas: DatasetVersion, ada: Party, ben: Party
) -> None:
    conceded(conflict, ada, "common")
    again = factories.version(
        bens.dataset, [*SAME, "a new one of Ben's"], keys=["n1", "n2", "n3", "n4"], at=NOON + DAY
    )
    found = factories.overlap(again, adas, [(text, text) for text in SAME])
    conflicts.open_from_overlap(overlap=found, at=NOON + DAY)
    assert (held(again), earned(again, ben)) == (0, 4)
    assert fresh(conflict).state == State.CLOSED
    assert StatementOfReasons.objects.filter(kind="hold").count() == 2


def test_an_appeal_looks_at_what_was_decided_not_at_what_was_given_up(
    conflict: Conflict, bens: DatasetVersion, ada: Party, ben: Party, olga: User, otto: User
) -> None:
    to_decide(conflict)
    first = conflict.contested.filter(record__dataset=bens.dataset).earliest("pk")
    conceded(conflict, ben, "to_earlier", filter={"record_ids": [first.record_id]})
    assert fresh(conflict).state == State.DECIDING
    decided(conflict, olga, "to_earlier")
    assert earned(bens, ada) == 3
    conflicts.appeal(conflict=conflict, party=ben, text="Look again.", at=NOON)
    conflicts.decide_appeal(
        conflict=conflict, outcome="to_later", reasons="Ben's drafts are older.", by=otto, at=NOON
    )
    assert (earned(bens, ada), earned(bens, ben)) == (1, 4)


def test_once_the_rest_is_given_up_a_partial_decision_may_be_appealed(
    conflict: Conflict, bens: DatasetVersion, ada: Party, olga: User
) -> None:
    to_decide(conflict)
    first = conflict.contested.filter(record__dataset=bens.dataset).earliest("pk")
    decided(conflict, olga, filter={"record_ids": [first.record_id]})
    conceded(conflict, ada, "common")
    assert (fresh(conflict).state, held(bens)) == (State.DECIDED, 0)
