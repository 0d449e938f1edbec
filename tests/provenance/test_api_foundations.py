"""What every address of the API has in common: keys, problems, pages, repeats, limits."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from provenance import parties
from provenance.models import AccessLog, Dataset, IdempotencyKey, Membership, Party, User
from provenance.tasks import forget_answers
from tests import doors, factories
from tests.factories import NOON

pytestmark = pytest.mark.django_db

NEW = {"name": "essays", "title": "Essays"}


def problem(answer: Any) -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) >= {"type", "title", "status", "detail", "code", "hint"}
    assert body["status"] == answer.status_code
    return body


def test_without_a_key_the_answer_is_a_problem_that_says_how_to_send_one() -> None:
    answer = doors.Door().raw("GET", "datasets")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert problem(answer)["code"] == "not_authenticated"
    assert "Bearer" in problem(answer)["hint"]


@pytest.mark.parametrize("secret", ["tm_x", "nonsense", "tm_00000000_wrong"])
def test_a_wrong_key_is_told_so(secret: str) -> None:
    assert problem(doors.Door(secret).raw("GET", "datasets"))["code"] == "authentication_failed"


def test_a_revoked_key_ends_at_once(ada: Party) -> None:
    door = doors.of(ada)
    door.get("datasets")
    parties.revoke_key(key=ada.api_keys.get(), at=timezone.now())
    assert door.raw("GET", "datasets").status_code == 401


def test_an_expired_key_is_refused(ada: Party) -> None:
    _, secret = parties.issue_key(
        party=ada, name="old", scopes=(), created_by=None, at=NOON,
        expires_at=NOON + timedelta(minutes=1),
    )  # fmt: skip
    assert doors.Door(secret).raw("GET", "datasets").status_code == 401


def test_a_key_without_the_scope_is_refused_with_the_scope_named(ada: Party) -> None:
    body = problem(
        doors.read_only(ada).raw("POST", "datasets", data="{}", content_type="application/json")
    )
    assert (body["status"], body["code"]) == (403, "not_allowed")
    assert "rights" in body["detail"]


def test_a_session_sees_its_party_and_needs_the_csrf_token(ada: Party) -> None:
    user = factories.user("ada@aurora.example", party=ada)
    factories.dataset(ada)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.get("/api/v1/datasets").json()["results"][0]["name"] == "aurora-archive/essays"
    answer = browser.post("/api/v1/datasets", NEW, content_type="application/json")
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["detail"]


def test_a_member_of_two_parties_acts_for_the_one_chosen(ada: Party, ben: Party) -> None:
    user = factories.user("both@example.org", party=ada)
    Membership.objects.create(user=user, party=ben, role="viewer", created_at=timezone.now())
    browser = Client()
    browser.force_login(user)
    assert browser.get("/api/v1/parties/me").json()["party"]["name"] == ada.name
    session = browser.session
    session["party_id"] = str(ben.pk)
    session.save()
    assert browser.get("/api/v1/parties/me").json()["party"]["name"] == ben.name


def test_a_person_without_a_party_is_told_what_to_do() -> None:
    browser = Client()
    browser.force_login(factories.user("nobody@example.org"))
    answer = browser.get("/api/v1/datasets")
    assert (answer.status_code, problem(answer)["code"]) == (403, "no_party")


def test_an_unknown_address_is_a_problem_too() -> None:
    assert problem(Client().get("/api/v1/nothing"))["code"] == "not_found"


def test_a_malformed_body_is_a_problem(ada: Party) -> None:
    answer = doors.of(ada).raw("POST", "datasets", data="{", content_type="application/json")
    assert (answer.status_code, problem(answer)["code"]) == (400, "parse_error")


def test_each_wrong_field_is_named(ada: Party) -> None:
    body = doors.of(ada).post("datasets", {"name": "no spaces please", "kind": "song"}, 400)
    assert {error["field"] for error in body["errors"]} == {"name", "kind", "title"}
    assert body["code"] == "invalid"


def test_a_refusal_carries_its_code_and_hint(ada: Party) -> None:
    door = doors.of(ada)
    door.post("datasets", NEW, 201)
    body = door.post("datasets", NEW, 409)
    assert body["code"] == "dataset_name_taken"
    assert body["hint"]


def test_a_list_is_walked_page_by_page_without_gaps(ada: Party) -> None:
    names = {factories.dataset(ada, f"set-{n}").name for n in range(7)}
    door, seen, address = doors.of(ada), [], "datasets?limit=3"
    while address:
        page = door.get(address)
        assert len(page["results"]) <= 3
        seen += [row["name"].split("/")[1] for row in page["results"]]
        address = (page["next"] or "").partition("/api/v1/")[2]
    assert len(seen) == 7
    assert set(seen) == names


def test_a_cursor_that_no_list_gave_is_called_one(ada: Party) -> None:
    assert problem(doors.of(ada).raw("GET", "datasets?cursor=zzz"))["code"] == "bad_cursor"


@pytest.mark.parametrize("accepted", ["application/problem+json", "application/json", "*/*"])
def test_who_takes_problems_as_json_is_given_facts_as_json(ada: Party, accepted: str) -> None:
    answer = doors.of(ada).raw("GET", "datasets", HTTP_ACCEPT=accepted)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


def test_an_answer_in_a_form_that_is_not_made_says_which_is(ada: Party) -> None:
    answer = doors.of(ada).raw("GET", "datasets", HTTP_ACCEPT="text/csv")
    assert problem(answer)["code"] == "not_acceptable"
    assert "application/json" in answer.json()["hint"]


def test_the_same_key_and_body_act_once_and_answer_alike(ada: Party) -> None:
    door, key = doors.of(ada), str(uuid.uuid4())
    first = door.post("datasets", NEW, 201, **{"Idempotency-Key": key})
    again = door.raw(
        "POST", "datasets", data='{"title": "Essays", "name": "essays"}',
        content_type="application/json", headers={"Idempotency-Key": key},
    )  # fmt: skip
    assert again.status_code == 201
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first
    assert Dataset.objects.count() == 1


def test_the_same_key_with_another_body_is_refused(ada: Party) -> None:
    door, key = doors.of(ada), str(uuid.uuid4())
    door.post("datasets", NEW, 201, **{"Idempotency-Key": key})
    body = door.post("datasets", {**NEW, "title": "Other"}, 409, **{"Idempotency-Key": key})
    assert body["code"] == "idempotency_key_reused"


def test_an_idempotency_key_counts_within_one_party_and_one_address(ada: Party, ben: Party) -> None:
    key = {"Idempotency-Key": "same"}
    doors.of(ada).post("datasets", NEW, 201, **key)
    doors.of(ben).post("datasets", NEW, 201, **key)
    assert IdempotencyKey.objects.count() == 2


def test_a_refused_request_leaves_its_key_unused(ada: Party) -> None:
    door, key = doors.of(ada), {"Idempotency-Key": "retry"}
    door.post("datasets", {"name": "!"}, 400, **key)
    door.post("datasets", NEW, 201, **key)


def test_every_answer_says_what_is_left_and_too_many_are_refused(
    ada: Party, ben: Party, settings: Any
) -> None:
    rates = {"key": "5/min"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    door = doors.of(ada)
    left = [int(door.raw("GET", "datasets").headers["RateLimit-Remaining"]) for _ in range(5)]
    assert left == [4, 3, 2, 1, 0]
    answer = door.raw("GET", "datasets")
    assert (answer.status_code, problem(answer)["code"]) == (429, "throttled")
    assert int(answer.headers["Retry-After"]) >= 1
    assert doors.of(ben).raw("GET", "datasets").status_code == 200


def test_what_an_operator_sees_of_others_is_logged_with_its_reason(
    ada: Party, operator: Party, olga: User
) -> None:
    dataset = factories.dataset(ada)
    door = doors.of(operator, by=olga)
    door.get(f"datasets/{dataset.pk}", **{"Tallymark-Reason": "ticket 12"})
    door.get("datasets", **{"Tallymark-Reason": "survey"})
    looks = AccessLog.objects.filter(party=ada).order_by("pk")
    assert [look.reason for look in looks] == ["ticket 12", "survey"]
    shown = doors.of(ada).get("access-log")["results"]
    assert {look["reason"] for look in shown} == {"ticket 12", "survey"}


def test_a_secret_is_shown_once(ada: Party) -> None:
    browser = Client()
    browser.force_login(factories.user("ada@aurora.example", party=ada))
    made = browser.post(
        "/api/v1/keys", {"name": "ci", "scopes": ["develop"]}, content_type="application/json"
    ).json()
    assert doors.Door(made["secret"]).get("parties/me")["verbs"] == ["read", "develop"]
    assert "secret" not in browser.get("/api/v1/keys").json()["results"][0]
    assert not IdempotencyKey.objects.exists()


def test_a_key_makes_no_keys(ada: Party) -> None:
    assert doors.of(ada).post("keys", {"name": "another"}, 403)["code"] == "not_allowed"


def test_a_key_may_end_itself(ada: Party) -> None:
    door = doors.of(ada, "develop")
    door.post(f"keys/{ada.api_keys.get().pk}/revoke")
    assert door.raw("GET", "parties/me").status_code == 401


def test_answers_are_kept_for_repeats_for_a_week(ada: Party) -> None:
    doors.of(ada).post("datasets", NEW, 201, **{"Idempotency-Key": "old"})
    forget_answers()
    assert IdempotencyKey.objects.count() == 1
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(days=8))
    forget_answers()
    assert not IdempotencyKey.objects.exists()


def test_json_nested_without_end_is_refused_and_kills_nobody(ada: Party) -> None:
    import web3  # noqa: F401  (its py_ecc would let Python recurse until C's stack overflows)

    _, secret = parties.issue_key(party=ada, name="k", scopes=["rights"], created_by=None, at=NOON)
    answer = Client().post(
        "/api/v1/datasets",
        b'{"name": ' + b"[" * 200_000,
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert answer.status_code == 400
    assert problem(answer)["code"] == "parse_error"
