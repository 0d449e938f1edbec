"""A conflict through the API: each side says its word, an operator decides, no more is seen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone

from provenance import conflicts
from provenance.models import Conflict, DatasetVersion, Match, Party, Record, User
from tests import doors, factories

pytestmark = pytest.mark.django_db

TEXTS = [f"story number {n} of the collection" for n in range(4)]


@pytest.fixture
def first(ada: Party) -> DatasetVersion:
    keys = [f"ada-key-{n}" for n in range(4)]
    return factories.version(factories.dataset(ada, "originals"), TEXTS, keys=keys)


@pytest.fixture
def second(ben: Party, first: DatasetVersion) -> DatasetVersion:
    keys = ["ben-key-0", "ben-key-1", "ben-key-2"]
    mine = [*TEXTS[:2], "an own story of Ben's"]
    return factories.version(factories.dataset(ben, "copies"), mine, keys=keys)


@pytest.fixture
def conflict(first: DatasetVersion, second: DatasetVersion) -> Conflict:
    overlap = factories.overlap(second, first, [(text, text) for text in TEXTS[:2]])
    opened = conflicts.open_from_overlap(overlap=overlap, at=timezone.now())
    assert opened is not None
    return opened


def test_each_side_sees_the_overlap_but_not_the_others_keys(
    conflict: Conflict, ada: Party, ben: Party
) -> None:
    (seen,) = doors.of(ada).get("overlaps")["results"]
    assert seen["conflict"] == str(conflict.pk)
    assert (seen["exact_count"], seen["false_accusation_rate"]) == (2, 0.001)
    for party, own, other in ((ada, "ada-key", "ben-key"), (ben, "ben-key", "ada-key")):
        door = doors.of(party)
        shown = json.dumps(
            [
                door.get(f"overlaps/{conflict.overlap_id}/matches"),
                door.get(f"conflicts/{conflict.pk}/contested"),
            ]
        )
        assert own in shown
        assert other not in shown


def test_matches_are_found_by_kind_and_walked_by_page(conflict: Conflict, ada: Party) -> None:
    door, path = doors.of(ada), f"overlaps/{conflict.overlap_id}/matches"
    assert len(door.get(f"{path}?limit=1")["results"]) == 1
    assert door.get(f"{path}?limit=1")["next"]
    assert len(door.get(f"{path}?kind=exact")["results"]) == Match.objects.count()
    assert door.get(f"{path}?kind=near")["results"] == []


def test_each_side_was_told_why_and_reads_only_its_own(
    conflict: Conflict, ada: Party, ben: Party
) -> None:
    for party in (ada, ben):
        statements = doors.of(party).get(f"conflicts/{conflict.pk}/statements")["results"]
        assert statements
        assert {statement["party"]["name"] for statement in statements} == {party.name}


def test_a_claim_is_answered_replied_to_decided_and_appealed(
    conflict: Conflict, ada: Party, ben: Party, operator: Party, olga: User, otto: User
) -> None:
    path = f"conflicts/{conflict.pk}"
    claimant, respondent = doors.of(ada), doors.of(ben)
    judge, other_judge = doors.of(operator, by=olga), doors.of(operator, by=otto)
    claimed = claimant.post(f"{path}/claim", {"statement": "I wrote them.", "evidence": "Drafts."})
    assert (claimed["state"], claimed["awaits"]["name"]) == ("claimed", ben.name)
    assert claimant.post(f"{path}/answer", {"text": "No."}, 403)
    assert respondent.post(f"{path}/answer", {"text": "So did I."})["state"] == "answered"
    assert claimant.post(f"{path}/reply", {"text": "Look at the dates."})["state"] == "deciding"
    decision = {"outcome": "to_earlier", "reasons": "The drafts are dated."}
    assert claimant.post(f"{path}/decide", decision, 403)["code"] == "operators_only"
    decided = judge.post(f"{path}/decide", decision)
    assert decided["state"] == "decided"
    assert decided["resolutions"][0]["outcome"] == "to_earlier"
    assert (
        respondent.post(f"{path}/appeal", {"text": "The drafts are forged."})["state"] == "appealed"
    )
    assert judge.post(f"{path}/decide-appeal", decision, 403)
    final = other_judge.post(f"{path}/decide-appeal", decision)
    assert final["state"] == "closed"


def test_a_claim_against_an_earlier_registration_waits_to_be_admitted(
    conflict: Conflict, ben: Party, operator: Party, olga: User
) -> None:
    path = f"conflicts/{conflict.pk}"
    words = {"statement": "They copied me.", "evidence": "My blog of 2019."}
    (claim,) = doors.of(ben).post(f"{path}/claim", words)["claims"]
    assert claim["needs_admission"]
    judge = doors.of(operator, by=olga)
    assert doors.of(ben).post(f"{path}/admit", {"claim": claim["id"]}, 403)
    (admitted,) = judge.post(f"{path}/admit", {"claim": claim["id"]})["claims"]
    assert admitted["admitted_at"]


def test_an_operators_key_without_a_person_behind_it_judges_nothing(
    conflict: Conflict, operator: Party
) -> None:
    decision = {"outcome": "common", "reasons": "x"}
    body = doors.of(operator).post(f"conflicts/{conflict.pk}/decide", decision, 403)
    assert body["code"] == "needs_person"


def test_a_fingerprint_only_claimant_opens_what_it_is_asked_to(ada: Party, ben: Party) -> None:
    mine = factories.dataset(ada, "secret", is_fingerprint_only=True)
    sealed = factories.version(mine, TEXTS)
    theirs = factories.version(factories.dataset(ben, "copies"), TEXTS[:2])
    overlap = factories.overlap(theirs, sealed, [(text, text) for text in TEXTS[:2]])
    opened = conflicts.open_from_overlap(overlap=overlap, at=timezone.now())
    assert opened is not None
    door, path = doors.of(ada), f"conflicts/{opened.pk}"
    door.post(f"{path}/claim", {"statement": "Mine.", "evidence": "Drafts."})
    asked = door.get(f"{path}/openings")["results"]
    keys = dict(Record.objects.values_list("pk", "key"))
    assert all(one["key"] == keys[one["record"]] for one in asked)
    assert asked
    assert doors.of(ben).get(f"{path}/openings")["results"] == []
    record = asked[0]["record"]
    wrong = door.post(f"{path}/openings", {"record": record, "text": "Something else."}, 400)
    assert wrong["hint"]
    texts: dict[int, str] = {factories.record(sealed, text).pk: text for text in TEXTS}
    assert door.post(f"{path}/openings", {"record": record, "text": texts[record]})["opened_at"]


def test_a_decision_may_name_kinds_or_records(
    conflict: Conflict, operator: Party, olga: User
) -> None:
    judge, path = doors.of(operator, by=olga), f"conflicts/{conflict.pk}/decide"
    body: dict[str, Any] = {"outcome": "common", "reasons": "x", "filter": {"kind": ["song"]}}
    assert judge.post(path, body, 400)["code"] == "invalid"


def test_a_side_takes_its_claim_back_and_nobody_else_can(
    conflict: Conflict, ada: Party, ben: Party, lab: Party
) -> None:
    path = f"conflicts/{conflict.pk}"
    doors.of(ada).post(f"{path}/claim", {"statement": "I wrote them."})
    doors.of(ben).post(f"{path}/withdraw", {}, 404)
    doors.of(lab).post(f"{path}/withdraw", {}, 404)
    now = doors.of(ada).post(f"{path}/withdraw", {})
    assert now["state"] == "closed"
    assert now["claims"][0]["withdrawn_at"]


def test_a_side_settles_a_filtered_set_by_its_own_word(
    conflict: Conflict, ada: Party, ben: Party, lab: Party
) -> None:
    path = f"conflicts/{conflict.pk}/concede"
    body = {"outcome": "common", "filter": {"key_starts": "ada-key-0"}}
    doors.of(lab).post(path, body, 404)
    assert doors.of(ben).post(path, body, 409)["code"] == "nothing_to_concede"
    now = doors.of(ada).post(path, body)
    assert (now["state"], now["resolutions"][0]["filter"]) == ("open", {})
    assert "ada-key" not in json.dumps(doors.of(ben).get(f"conflicts/{conflict.pk}"))
    gives = {"outcome": "to_earlier", "text": "They are hers."}
    assert doors.of(ben).post(path, gives)["state"] == "closed"
