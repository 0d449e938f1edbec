"""One answer to many conflicts: all that it can reach, each once, and nothing of anybody else's."""

from __future__ import annotations

import pytest
from django.utils import timezone

from provenance import conflicts
from provenance.conflicts.answering import NothingToAnswer, WordsMissing
from provenance.models import AnsweredConflict, BulkAnswer, Conflict, DatasetVersion, Party
from tests import factories
from tests.cast import NOON
from tests.provenance.conftest import SAME, claimed, earned, fresh, held, opened, to_decide

State = Conflict.State
SECONDS = 30.0


@pytest.fixture
def others(adas: DatasetVersion, lab: Party) -> list[DatasetVersion]:
    """Three newcomers' datasets, each with records of Ada's."""
    parties = [factories.party(f"Reader {n}", is_owner=True) for n in range(3)]
    return [factories.version(factories.dataset(one, "copies"), SAME) for one in parties]


@pytest.fixture
def inbox(adas: DatasetVersion, others: list[DatasetVersion]) -> list[Conflict]:
    return [opened(one, adas) for one in others]


def given(party: Party, choice: str, **more) -> BulkAnswer:
    made = conflicts.answer_all(
        conflicts=Conflict.objects.all(), party=party, choice=choice, at=NOON, **more
    )
    assert not conflicts.advance(made.pk, clock=lambda: NOON, seconds=SECONDS)
    made.refresh_from_db()
    return made


def test_one_answer_settles_every_pair_of_every_conflict(
    inbox: list[Conflict], others: list[DatasetVersion], ada: Party
) -> None:
    made = given(ada, "keep")
    assert [held(one) for one in others] == [0, 0, 0]
    assert {fresh(one).state for one in inbox} == {State.CLOSED}
    assert sum(made.cases.values_list("pair_count", flat=True)) == 9
    assert made.finished_at == NOON


def test_it_may_be_carried_out_twice_and_in_turns(inbox: list[Conflict], ada: Party) -> None:
    made = conflicts.answer_all(
        conflicts=Conflict.objects.all(), party=ada, choice="claim", text="Ours.", at=NOON
    )
    assert conflicts.advance(made.pk, clock=lambda: NOON, seconds=0)
    assert conflicts.unfinished().get() == made
    for _ in range(2):
        assert not conflicts.advance(made.pk, clock=lambda: NOON, seconds=SECONDS)
    assert [one.claims.count() for one in inbox] == [1, 1, 1]
    assert not conflicts.unfinished().exists()


def test_it_reaches_only_conflicts_of_its_party_that_can_be_answered_so(
    inbox: list[Conflict], ada: Party, ben: Party, bens: DatasetVersion, others
) -> None:
    with pytest.raises(NothingToAnswer):
        given(ben, "keep")
    with pytest.raises(NothingToAnswer):
        given(ada, "dispute", text="No.")
    to_decide(inbox[0])
    claimed(inbox[1], ada)
    made = given(others[1].dataset.owner, "dispute", text="We bought them.")
    assert [case.conflict for case in made.cases.all()] == [inbox[1]]
    assert fresh(inbox[1]).state == State.ANSWERED
    assert fresh(inbox[2]).state == State.OPEN


def test_what_moved_on_meanwhile_says_why_it_was_not_answered(
    inbox: list[Conflict], others: list[DatasetVersion], ada: Party
) -> None:
    made = conflicts.answer_all(conflicts=Conflict.objects.all(), party=ada, choice="keep", at=NOON)
    conflicts.concede(
        conflict=inbox[0], party=others[0].dataset.owner, outcome="to_earlier", at=NOON
    )
    conflicts.advance(made.pk, clock=lambda: NOON, seconds=SECONDS)
    refused = made.cases.get(conflict=inbox[0])
    assert "Closed" in refused.refusal
    assert refused.pair_count == 0
    assert made.cases.filter(refusal="").count() == 2
    assert earned(others[0], ada) == 3


def test_words_that_others_read_must_be_there(inbox: list[Conflict], ada: Party) -> None:
    for choice in ("claim", "dispute", "reply"):
        with pytest.raises(WordsMissing):
            given(ada, choice, text="  ")
    assert not AnsweredConflict.objects.exists()


def test_pairs_found_after_the_answer_was_given_are_left_in_question(
    inbox: list[Conflict], others: list[DatasetVersion], ada: Party, adas: DatasetVersion
) -> None:
    seen = inbox[0].contested.order_by("-pk").first()
    assert seen is not None
    more = factories.version(others[0].dataset, [*SAME, "only Ada wrote this"])
    opened(more, adas, ["only Ada wrote this"])
    given(ada, "keep", filter={"up_to": seen.pk})
    assert held(more) == 1
    assert fresh(inbox[0]).state == State.OPEN


def test_claims_are_withdrawn_at_once(
    inbox: list[Conflict], others: list[DatasetVersion], ada: Party
) -> None:
    given(ada, "claim", text="Ours.")
    given(ada, "withdraw")
    assert [held(one) for one in others] == [0, 0, 0]
    assert all(one.claims.get().withdrawn_at for one in inbox)


def test_many_pairs_of_one_conflict_are_one_statement_whatever_their_number(
    ada: Party, ben: Party, django_assert_max_num_queries
) -> None:
    texts = [f"dispatch {n} of the harbour office, as printed" for n in range(400)]
    mine = factories.version(factories.dataset(ada), texts)
    theirs = factories.version(factories.dataset(ben, "notes"), texts)
    overlap = factories.overlap(theirs, mine, [])
    records = dict(theirs.dataset.records.values_list("digest", "pk"))
    own = dict(mine.dataset.records.values_list("digest", "pk"))
    overlap.matches.bulk_create(
        overlap.matches.model(
            overlap=overlap, later_id=pk, earlier_id=own[digest], kind="exact", evidence={}
        )
        for digest, pk in records.items()
    )
    opened_now = conflicts.open_from_overlap(overlap=overlap, at=timezone.now())
    assert opened_now is not None
    with django_assert_max_num_queries(60):
        made = given(ada, "keep")
    assert made.cases.get().pair_count == 400
    assert held(theirs) == 0
