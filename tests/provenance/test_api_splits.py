"""Contributors, splits and derivations through the API: each side, the other, and strangers."""

from __future__ import annotations

import json

import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError

from provenance import contributors, derivation
from provenance.models import DatasetVersion, Derivation, Event, Party, Split, User
from tests import doors, factories
from tests.cast import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def essays(ada: Party) -> DatasetVersion:
    return factories.version(
        factories.dataset(ada),
        ["one long enough text here", "another long enough text here", "one long enough text here",
         "too short"],
    )  # fmt: skip


@pytest.fixture
def mixes(ben: Party) -> DatasetVersion:
    return factories.version(factories.dataset(ben, "mixes"), ["a mix of many texts"])


def test_an_owner_names_contributors_and_divides_a_dataset(ada, essays):
    door = doors.of(ada)
    one = door.post("contributors", {"name": "ann  1"}, 201)
    assert one["name"] == "ann 1"
    assert door.post("contributors", {"name": "ann 1"}, 201) == one
    body = {
        "dataset": str(essays.dataset_id),
        "owner_weight": 6,
        "weights": [{"contributor": one["id"], "weight": 4}],
    }
    made = door.post("splits", body, 201)
    weights = {share["party"]["id"]: share["weight"] for share in made["shares"]}
    assert weights == {str(ada.pk): 3, one["party"]["id"]: 2}
    assert door.get(f"splits?dataset={essays.dataset_id}")["results"] == [made]
    event = Event.objects.get(kind="dataset.split")
    assert "ann" not in json.dumps(event.body)


def test_a_contributor_sees_its_own_share_and_nobody_elses(ada, ben, essays):
    one, two = (contributors.name(owner=ada, label=each, at=NOON) for each in ("one", "two"))
    contributors.divide(dataset=essays.dataset, owner_weight=5, weights={one: 3, two: 2}, at=NOON)
    door = doors.of(one.party)
    (share,) = door.get("my-shares")["results"]
    assert (share["weight"], share["weight_sum"]) == (3, 10)
    assert door.get("splits")["results"] == []
    assert door.get("contributors")["results"] == []
    door.get(f"splits/{Split.objects.get().pk}", 404)
    assert doors.of(ben).get("my-shares")["results"] == []
    assert str(two.party_id) not in json.dumps(share)


def test_nobody_divides_or_credits_what_is_anothers(ada, ben, essays):
    one = contributors.name(owner=ada, label="one", at=NOON)
    theirs = doors.of(ben)
    body = {"dataset": str(essays.dataset_id), "owner_weight": 1}
    theirs.post("splits", body, 404)
    by_records = {"version": str(essays.pk), "contributors_basis_points": 5_000}
    theirs.post("splits/by-records", by_records, 404)
    theirs.post(f"versions/{essays.pk}/credits", {"labels": {"r0": "x"}}, 404)
    theirs.post(f"contributors/{one.pk}/invite", {"email": "x@example.org"}, 404)
    theirs.get(f"contributors/{one.pk}", 404)
    theirs.get(f"datasets/{essays.dataset_id}/debts", 404)
    looks = doors.read_only(ada)
    looks.post("splits", body, 403)
    looks.post("contributors", {"name": "x"}, 403)
    doors.Door().get("quality-rules", 401)
    # Another's contributor cannot be given a weight either.
    mine = contributors.name(owner=ben, label="mine", at=NOON)
    doors.of(ada).post(
        "splits", {**body, "weights": [{"contributor": str(mine.pk), "weight": 1}]}, 404
    )
    assert not Split.objects.exists()


def test_records_divide_a_dataset_by_the_published_rule(ada, essays):
    """Copies count nothing, short texts half; of each record the owner keeps its part."""
    door = doors.of(ada)
    labels = {"r0": "one", "r2": "one", "r3": "two"}
    assert door.post(f"versions/{essays.pk}/credits", {"labels": labels}) == {"credited": 3}
    assert door.post(f"versions/{essays.pk}/credits", {"labels": labels}) == {"credited": 0}
    # Who is credited stays credited.
    door.post(f"versions/{essays.pk}/credits", {"labels": {"r0": "two"}})
    missing = door.post(f"versions/{essays.pk}/credits", {"labels": {"r9": "one"}}, 400)
    assert missing["code"] == "record_unknown"
    made = door.post(
        "splits/by-records", {"version": str(essays.pk), "contributors_basis_points": 5_000}, 201
    )
    assert made["rule"] == door.get("quality-rules")["rule"] == "records-1"
    shares = {share["party"]["name"]: share for share in made["shares"]}
    one, two = (shares[f"Contributor {number} of {ada.name}"] for number in (1, 2))
    assert (one["record_count"], one["points"]) == (2, 4)
    assert (two["record_count"], two["points"]) == (1, 2)
    # Ten points in all: four of r0, four of r1, none of its copy, two of the short one.
    assert (one["weight"], two["weight"], shares[ada.name]["weight"]) == (2, 1, 7)


def test_a_person_takes_a_contributors_account_over_once(ada, essays, user_of):
    one = contributors.name(owner=ada, label="one", at=NOON)
    door = doors.of(ada, by=user_of(ada))
    made = door.post(f"contributors/{one.pk}/invite", {"email": "ann@example.org"}, 201)
    assert made["role"] == "admin"
    assert made["token"] in made["link"]
    factories.user("ann@example.org", party=one.party)
    refused = door.post(f"contributors/{one.pk}/invite", {"email": "eve@example.org"}, 409)
    assert refused["code"] == "contributor_claimed"


@pytest.fixture
def user_of():
    def make(party: Party) -> User:
        return factories.user(f"{party.namespace}@example.org", party=party)

    return make


def test_a_croissant_description_names_labellers(ada):
    document = {
        "@type": "sc:Dataset",
        "creator": {"@type": "Organization", "name": "Aurora"},
        "rai:annotator": [
            {"@type": "Person", "name": "Ann", "email": "mailto:ann@example.org"},
            "Bob",
        ],
        "prov:wasGeneratedBy": [
            {
                "@type": "prov:Activity",
                "prov:wasAssociatedWith": [
                    {"@type": "prov:Agent", "name": "Crowd Ltd"},
                    {"@type": "prov:SoftwareAgent", "name": "labelbot"},
                ],
            }
        ],
        "contributor": {"@type": "sc:Person", "name": "Ann"},
    }
    door = doors.of(ada)
    made = door.post("contributors/from-croissant", {"document": document}, 201)
    assert [each["name"] for each in made] == ["Ann", "Bob", "Crowd Ltd"]
    nobody = door.post("contributors/from-croissant", {"document": {"name": "x"}}, 400)
    assert nobody["code"] == "nobody_named"


def test_weights_that_are_none_are_refused(ada, essays):
    one = contributors.name(owner=ada, label="one", at=NOON)
    door = doors.of(ada)
    body = {"dataset": str(essays.dataset_id), "owner_weight": 0}
    assert door.post("splits", body, 400)["code"] == "bad_split"
    huge = [{"contributor": str(one.pk), "weight": 10**13}]
    body = {**body, "owner_weight": 1, "weights": huge}
    assert door.post("splits", body, 400)["code"] == "bad_split"
    past = {**body, "weights": [], "applies_at": "2020-01-01T00:00:00Z"}
    assert door.post("splits", past, 400)["code"] == "split_in_the_past"


def test_a_dataset_is_registered_with_what_it_was_made_from(ada, ben, essays, mixes):
    part = {"parent_version": str(mixes.pk), "policy": "relative", "basis_points": 2_500}
    door = doors.of(ada)
    body = {"name": "remix", "title": "Remix", "made_from": [part]}
    made = door.post("datasets", body, 201)
    debts = door.get(f"datasets/{made['id']}/debts")
    assert debts["stack_basis_points"] == 2_500
    (declared,) = debts["derivations"]
    assert declared["state"] == "declared"
    theirs = doors.of(ben)
    assert theirs.get("derivations?state=declared")["results"] == [declared]
    assert theirs.post(f"derivations/{declared['id']}/accept")["state"] == "accepted"
    too_much = {**part, "basis_points": 9_000, "parent_version": str(essays.pk)}
    refused = door.post(
        "datasets", {"name": "more", "title": "More", "made_from": [part, too_much]}, 409
    )
    assert refused["code"] == "stack_exceeds_whole"
    assert "115 %" in refused["detail"]
    assert not ada.datasets.filter(name="more").exists()


def test_only_the_sides_of_a_derivation_see_and_decide_it(ada, ben, lab, essays, mixes):
    made = derivation.declare(
        child=mixes.dataset, source=essays, policy="absolute", basis_points=100, at=NOON
    )
    stranger = doors.of(lab)
    stranger.get(f"derivations/{made.pk}", 404)
    stranger.post(f"derivations/{made.pk}/accept", status=404)
    child = doors.of(ben)
    assert child.post(f"derivations/{made.pk}/accept", status=403)["code"] == "not_your_decision"
    child.post(f"derivations/{made.pk}/end", {"reason": "no"}, 409)
    doors.read_only(ada).post(f"derivations/{made.pk}/accept", status=403)
    parent = doors.of(ada)
    parent.post(f"derivations/{made.pk}/withdraw", status=403)
    refused = parent.post(f"derivations/{made.pk}/refuse", {"reason": "Too little."})
    assert (refused["state"], refused["reason"]) == ("refused", "Too little.")
    events = Event.objects.filter(kind__startswith="derivation.").order_by("pk")
    assert [event.kind for event in events] == ["derivation.declared", "derivation.refused"]
    assert {event.other_party for event in events} == {ada}


def test_a_licences_terms_accept_by_themselves(ada, ben, essays, mixes):
    door = doors.of(ada)
    licence = door.post(
        "licences",
        {
            "dataset": str(essays.dataset_id), "name": "Derive", "text": "You may.",
            "purposes": ["pretrain"],
        },
        201,
    )  # fmt: skip
    asked = {"licence": licence["id"], "policy": "relative", "basis_points": 500}
    doors.of(ben).post("derivative-terms", asked, 403)
    terms = door.post("derivative-terms", asked, 201)
    assert doors.of(ben).get("derivative-terms")["results"] == [terms]
    doors.of(ben).post(f"derivative-terms/{terms['id']}/end", status=403)
    made = doors.of(ben).post(
        "derivations",
        {
            "child": str(mixes.dataset_id), "parent_version": str(essays.pk),
            "policy": "relative", "basis_points": 500,
        },
        201,
    )  # fmt: skip
    assert (made["state"], made["terms"]) == ("accepted", terms["id"])
    assert door.post(f"derivative-terms/{terms['id']}/end")["valid_to"] is not None


def test_an_open_version_and_a_strangers_dataset_are_no_parents(ada, ben, essays, mixes):
    door = doors.of(ben)
    part = {"policy": "relative", "basis_points": 1}
    unknown = {"child": str(essays.dataset_id), "parent_version": str(mixes.pk), **part}
    door.post("derivations", unknown, 404)
    unknown = {"child": str(mixes.dataset_id), "parent_version": str(mixes.dataset_id), **part}
    door.post("derivations", unknown, 404)
    assert not Derivation.objects.exists()


def test_what_was_divided_and_declared_is_never_changed(ada, ben, essays, mixes):
    one = contributors.name(owner=ada, label="one", at=NOON)
    contributors.divide(dataset=essays.dataset, owner_weight=1, weights={one: 1}, at=NOON)
    derivation.declare(
        child=mixes.dataset, source=essays, policy="absolute", basis_points=100, at=NOON
    )
    for statement in (
        "UPDATE provenance_split SET number = 9",
        "UPDATE provenance_splitshare SET weight = 9",
        "DELETE FROM provenance_splitshare",
        "UPDATE provenance_contributor SET label = 'x'",
        "UPDATE provenance_derivation SET basis_points = 1",
        "DELETE FROM provenance_derivation",
    ):
        with (
            pytest.raises(DatabaseError, match=r"permission denied|is refused|are facts"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
