"""Every address of the API, tried with a second party's key and with none: nothing leaks."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest
from django.core.cache import cache
from drf_spectacular.generators import EndpointEnumerator
from rest_framework.test import APIClient

from provenance import ledger, ownership, usage
from provenance.models import (
    ApiKey,
    Conflict,
    Dataset,
    DatasetVersion,
    Licence,
    OwnershipTransfer,
    Party,
    Rate,
    User,
)
from tests import doors, factories
from tests.factories import NOON

pytestmark = pytest.mark.django_db

SECRET = "Unmistakable Almanac"
# What is everybody's: the viewer's own facts, the state of the ledger, and what is on show.
FOR_ALL = {
    "/api/v1/assets",
    "/api/v1/keys",
    "/api/v1/ledger/head",
    "/api/v1/ledger/verify",
    "/api/v1/parties/me",
    "/api/v1/parties",
    "/api/v1/members",
    "/api/v1/notice-kinds",
    "/api/v1/notice-preferences",
    "/api/v1/notices",
    "/api/v1/quality-rules",
    "/api/v1/payout-trees",
    "/api/v1/signing-terms",
}
# Rows that are named by a number.
NUMBERS = dict.fromkeys(
    (
        "accounts", "bank-bookings", "budgets", "charges", "derivative-terms", "entries", "events",
        "payments", "rates", "reconciliation", "statements", "transfers",
    ),
    1,
)  # fmt: skip
# The viewer's own month in a file; what stands in it is tried in test_exports.
PACKED = {"/api/v1/statements/{period}/export"}
# What a signature opens instead of a key.
SIGNED = {"/api/v1/hooks/payments/{provider}"}
ON_SHOW = {"/api/v1/catalogue", "/api/v1/licences"}
# What stands on a public chain is served to anybody; payees in it are pseudonyms.
PUBLIC = "/api/v1/payout-trees"


def endpoints() -> list[tuple[str, str]]:
    """Every address of the API with every method that it takes."""
    found = EndpointEnumerator().get_api_endpoints()
    return sorted({(method, path) for path, _, method, _ in found if path.startswith("/api/v1/")})


def _granted(owner: doors.Door, asker: doors.Door, essays: Dataset) -> tuple[Any, Any]:
    """A licence of the owner's, and the grant under it."""
    licence = owner.post(
        "licences",
        {"dataset": str(essays.pk), "name": SECRET, "text": "x", "purposes": ["pretrain"]},
        201,
    )
    grant = asker.post("grants", {"licence": licence["id"], "purposes": ["pretrain"]}, 201)
    owner.post(f"grants/{grant['id']}/give")
    return licence, grant


@pytest.fixture
def facts(ada: Party, ben: Party, lab: Party) -> dict[str, Any]:
    """One of everything, none of it Delta's; names by which a leak would show."""
    essays = factories.dataset(ada, "unmistakable-almanac")
    essays.title = SECRET
    essays.save()
    mine = factories.version(essays, ["the first text", "a second text"])
    theirs = factories.version(factories.dataset(ben, "copy"), ["the first text", "a third"])
    overlap = factories.overlap(theirs, mine, [("the first text", "the first text")])
    conflict = Conflict.objects.create(
        later=theirs.dataset, earlier=mine.dataset, overlap=overlap, opened_at=NOON
    )
    licence, grant = _granted(doors.of(ada), doors.of(lab), essays)
    run = usage.start_run(lab=lab, purpose="pretrain", name=SECRET, at=NOON)
    used = usage.report_usage(
        run=run, subject=str(mine), purpose="pretrain", stream="s", sequence=1,
        count=usage.Count(2, 10, 1), used_at=NOON, received_at=NOON,
    )  # fmt: skip
    model = usage.register_model(lab=lab, name=SECRET, run=run, at=NOON)
    ledger.seal()
    passing = ownership.propose_transfer(
        dataset=factories.dataset(ada, "passing"), receiver=ben, reason=SECRET, by=None, at=NOON
    )
    return {
        "datasets": essays.pk,
        "ownership-transfers": passing.pk,
        "versions": mine.pk,
        "licences": licence["id"],
        "grants": grant["id"],
        "overlaps": overlap.pk,
        "conflicts": conflict.pk,
        "runs": run.pk,
        "usages": used.pk,
        "models": model.pk,
        "keys": ApiKey.objects.filter(party=ada).get().pk,
        "events": 1,
    }


@pytest.fixture
def stranger(db: None) -> doors.Door:
    """A key of a party that has nothing to do with any of it."""
    return doors.of(factories.party("Delta Data", is_owner=True, is_lab=True))


def filled(path: str, facts: dict[str, Any]) -> str:
    """The address with the ids of `facts` in it."""
    noun = path.split("/")[3]
    path = path.replace("{period}", "2026-03")
    return re.sub(r"\{[^}]*\}", lambda _: str(facts.get(noun, uuid.UUID(int=7))), path)


@pytest.mark.parametrize(
    ("method", "path"),
    [one for one in endpoints() if one[1] not in SIGNED and not one[1].startswith(PUBLIC)],
)
def test_without_a_key_every_address_answers_401(method: str, path: str) -> None:
    address = filled(path, NUMBERS)
    answer = APIClient().generic(method, address, content_type="application/json")
    assert answer.status_code == 401, path
    assert answer.json()["code"] == "not_authenticated"


def test_what_is_for_anybody_is_read_without_a_key_and_changed_by_nobody(facts):
    public = [(method, path) for method, path in endpoints() if path.startswith(PUBLIC)]
    assert len(public) > 3
    for method, path in public:
        answer = APIClient().generic(method, filled(path, NUMBERS))
        assert (method, answer.status_code) in {("GET", 200), ("GET", 404)}, path
        assert SECRET not in answer.content.decode()


def test_a_second_partys_key_finds_nothing_at_any_address(
    facts: dict[str, Any], stranger: doors.Door
) -> None:
    cache.clear()
    seen = []
    for method, path in endpoints():
        address = filled(path, {**facts, **NUMBERS}).removeprefix("/api/v1/")
        answer = stranger.raw(method, address, data="{}", content_type="application/json")
        text = (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode(
            errors="replace"
        )
        seen.append(f"{method} {path} {answer.status_code}")
        if (
            path in PACKED
            or path in ON_SHOW
            or (path.startswith("/api/v1/licences/") and method == "GET")
        ):
            continue
        assert SECRET not in text, (method, path)
        assert str(facts["runs"]) not in text, (method, path)
        assert str(facts["keys"]) not in text, (method, path)
        if answer.status_code == 200 and path not in FOR_ALL:
            assert "{" not in path or path.endswith("/{period}"), (method, path, text)
            shown = json.loads(text)
            rows = (
                shown.get("results", shown.get("statements")) if isinstance(shown, dict) else shown
            )
            assert rows == [], (method, path)
        else:
            assert answer.status_code in (200, 400, 403, 404, 415), (method, path, text)
        if "{" in path and answer.status_code == 400:
            pytest.fail(f"{method} {path} reads the body before it looks whose it is: {text}")
    assert len(seen) > 60


def test_nothing_changed_while_a_stranger_tried_every_address(
    facts: dict[str, Any], stranger: doors.Door
) -> None:
    before = _state()
    for method, path in endpoints():
        if method != "GET":
            address = filled(path, facts).removeprefix("/api/v1/")
            stranger.raw(method, address, data="{}", content_type="application/json")
    assert _state() == before


def _state() -> list[Any]:
    return [
        list(DatasetVersion.objects.values_list("pk", "state").order_by("pk")),
        list(Dataset.objects.values_list("pk", "owner").order_by("pk")),
        list(OwnershipTransfer.objects.values_list("pk", "state").order_by("pk")),
        list(Licence.objects.values_list("pk", "retired_at").order_by("pk")),
        list(Rate.objects.values_list("pk", "valid_to").order_by("pk")),
        list(Conflict.objects.values_list("pk", "state").order_by("pk")),
        list(ApiKey.objects.values_list("pk", "revoked_at").order_by("pk")),
    ]


def test_a_key_that_may_only_look_changes_nothing(facts: dict[str, Any], ada: Party) -> None:
    door, before = doors.read_only(ada), _state()
    for method, path in endpoints():
        if method == "GET" or path.endswith("/revoke"):
            continue
        address = filled(path, facts).removeprefix("/api/v1/")
        answer = door.raw(method, address, data="{}", content_type="application/json")
        assert answer.status_code in (400, 403, 404, 415), (method, path, answer.content)
    assert _state() == before


def test_an_operator_sees_all_and_it_is_logged(
    facts: dict[str, Any], operator: Party, olga: User, ada: Party
) -> None:
    door = doors.of(operator, by=olga)
    for noun in ("datasets", "versions", "grants", "overlaps", "conflicts", "runs", "usages"):
        door.get(f"{noun}/{facts[noun]}")
    assert len(doors.of(ada).get("access-log")["results"]) == 6
