"""Datasets, licences, grants, runs, usages and models through the API, as the parties see them."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.core.mail import EmailMessage
from rest_framework.test import APIClient

from provenance.models import DatasetVersion, Event, Grant, Party, Run, Usage, User
from tests import doors, factories
from tests.cast import NOON

pytestmark = pytest.mark.django_db

USED_AT = "2026-03-01T12:00:00Z"


@pytest.fixture
def essays(ada: Party) -> DatasetVersion:
    return factories.version(factories.dataset(ada), ["one text here", "another text there"])


def licence(door: doors.Door, version: DatasetVersion, **terms: Any) -> dict[str, Any]:
    body = {
        "dataset": str(version.dataset_id),
        "name": "Training",
        "text": "You may train.",
        "purposes": ["pretrain"],
        **terms,
    }
    made: dict[str, Any] = door.post("licences", body, 201)
    return made


def the_wait_is_over() -> None:
    """Nobody gave a grant in time: owners may know of the uses."""
    assert Usage.objects.filter(awaits_grant_until__gt=NOON).update(awaits_grant_until=NOON) == 1


def report(run: str, version: DatasetVersion, sequence: int = 1, **counts: int) -> dict[str, Any]:
    return {
        "run": run,
        "subject": str(version),
        "stream": "rank-0",
        "sequence": sequence,
        "used_at": USED_AT,
        **counts,
    }


def test_an_owner_registers_and_finds_its_dataset(ada: Party) -> None:
    door = doors.of(ada)
    made = door.post("datasets", {"name": "essays", "title": "Essays of the North"}, 201)
    assert made["name"] == "aurora-archive/essays"
    assert door.get(f"datasets/{made['id']}") == made
    assert door.get("datasets?search=north essays")["results"] == [made]
    assert door.get("datasets?search=south")["results"] == []


def test_a_lab_finds_a_sealed_version_with_its_terms_and_price(
    ada: Party, lab: Party, essays: DatasetVersion
) -> None:
    owner = doors.of(ada)
    terms = licence(owner, essays)
    rate = {"basis": "per_1k_records", "price_units": 250, "asset": "iso4217:EUR"}
    owner.post(f"licences/{terms['id']}/rates", rate, 201)
    factories.dataset(ada, "unsealed")
    (found,) = doors.of(lab).get("catalogue")["results"]
    assert found["name"] == "aurora-archive/essays"
    assert [version["record_count"] for version in found["versions"]] == [2]
    assert found["licences"][0]["rates"][0]["price_units"] == 250


def test_the_catalogue_leaves_out_retired_licences(
    ada: Party, lab: Party, essays: DatasetVersion
) -> None:
    owner = doors.of(ada)
    terms = licence(owner, essays)
    owner.post(f"licences/{terms['id']}/retire")
    assert doors.of(lab).get("catalogue")["results"][0]["licences"] == []


def test_a_grant_is_asked_for_given_and_revoked(
    ada: Party, lab: Party, essays: DatasetVersion
) -> None:
    owner, asker = doors.of(ada), doors.of(lab)
    terms = licence(owner, essays)
    asked = asker.post("grants", {"licence": terms["id"], "purposes": ["pretrain"]}, 201)
    assert asked["state"] == "requested"
    assert asker.post(f"grants/{asked['id']}/give", None, 403)["code"] == "owners_only"
    given = owner.post(f"grants/{asked['id']}/give")
    assert (given["state"], given["terms"]["text"]) == ("given", "You may train.")
    ended = owner.post(f"grants/{asked['id']}/revoke", {"reason": "Breach of terms."})
    assert (ended["state"], ended["reason"]) == ("revoked", "Breach of terms.")
    assert asker.get("grants?state=revoked")["results"][0]["id"] == asked["id"]


def test_an_automatic_licence_gives_at_once(ada: Party, lab: Party, essays: DatasetVersion) -> None:
    terms = licence(doors.of(ada), essays, is_automatic=True)
    asked = doors.of(lab).post("grants", {"licence": terms["id"], "purposes": ["pretrain"]}, 201)
    assert (asked["state"], asked["decided_automatically"]) == ("given", True)


def test_a_licence_is_offered_by_its_owner_alone(
    ada: Party, ben: Party, essays: DatasetVersion
) -> None:
    body = {
        "dataset": str(essays.dataset_id),
        "name": "Mine now",
        "text": "x",
        "purposes": ["research"],
    }
    assert doors.of(ben).post("licences", body, 404)["code"] == "not_found"
    terms = licence(doors.of(ada), essays)
    assert doors.of(ben).post(f"licences/{terms['id']}/retire", None, 403)["code"] == "owners_only"


def test_a_run_is_started_joined_heard_and_ended(lab: Party) -> None:
    door, run_id = doors.of(lab), str(uuid.uuid4())
    body = {"purpose": "pretrain", "name": "night", "run_id": run_id}
    first, second = door.post("runs", body, 201), door.post("runs", body, 201)
    assert first["id"] == second["id"] == run_id
    assert Run.objects.count() == 1
    door.post(f"runs/{run_id}/heartbeat")
    assert door.patch(f"runs/{run_id}", {"state": "ended"})["state"] == "ended"
    assert door.patch(f"runs/{run_id}", {"state": "running"}, 400)["code"] == "invalid"


def test_usage_counts_once_however_often_it_is_reported(lab: Party, essays: DatasetVersion) -> None:
    door = doors.of(lab)
    run = door.post("runs", {"purpose": "pretrain"}, 201)["id"]
    first = report(run, essays, records=100, tokens=5000)
    door.post("usages", first, 202)
    shown = door.post("usages", first, 202)
    assert (shown["record_count"], shown["is_ungranted"]) == (100, True)
    more = [
        report(run, essays, 2, records=150, tokens=7000),
        {**report(run, essays, 1, records=50), "stream": "rank-1"},
        {**report(run, essays), "subject": "nobody/nothing@3", "records": 1},
    ]
    answers = door.post("usages", more, 202)
    assert [answer["record_count"] for answer in answers] == [150, 200, 1]
    assert answers[2]["is_unknown"]
    assert Usage.objects.count() == 2


def test_a_batch_with_a_run_of_somebody_else_records_nothing(
    lab: Party, essays: DatasetVersion
) -> None:
    other = factories.party("Other Lab", is_lab=True)
    theirs = doors.of(other).post("runs", {"purpose": "pretrain"}, 201)["id"]
    door = doors.of(lab)
    mine = door.post("runs", {"purpose": "pretrain"}, 201)["id"]
    body = [report(mine, essays, records=1), report(theirs, essays, records=1)]
    assert door.post("usages", body, 404)["code"] == "run_unknown"
    assert not Usage.objects.exists()


def test_the_owner_sees_the_use_of_its_data_but_not_the_labs_names(
    ada: Party, lab: Party, essays: DatasetVersion
) -> None:
    run = doors.of(lab).post("runs", {"purpose": "pretrain", "name": "secret plan"}, 201)
    doors.of(lab).post("usages", report(run["id"], essays, records=5), 202)
    the_wait_is_over()
    answer = doors.of(ada).get("usages")
    (seen,) = answer["results"]
    assert seen["run"] == {"id": None, "name": None, "pseudonym": run["pseudonym"]}
    assert (seen["record_count"], seen["lab"]["name"]) == (5, "Cobalt Labs")
    assert "secret plan" not in json.dumps(answer)
    assert doors.of(ada).get(f"usages?run={run['id']}")["results"] == []
    assert doors.of(ada).get("runs")["results"] == []


def test_a_run_says_what_it_made(lab: Party, essays: DatasetVersion) -> None:
    door = doors.of(lab)
    run = door.post("runs", {"purpose": "pretrain"}, 201)["id"]
    model = door.post("models", {"name": "sparrow", "run": run}, 201)
    edge = {"direction": "consumed", "version": str(essays.pk)}
    assert door.post(f"runs/{run}/edges", edge, 201)["version"] == str(essays.pk)
    assert door.post(f"runs/{run}/edges", {"direction": "consumed"}, 400)["code"] == "invalid"
    assert door.get("models?name=sparrow")["results"][0]["id"] == model["id"]
    assert Run.objects.get(pk=run).edges.count() == 2


def test_a_version_is_withdrawn_and_erased_by_its_owner(
    ada: Party, ben: Party, essays: DatasetVersion
) -> None:
    door = doors.of(ada)
    assert doors.of(ben).post(f"versions/{essays.pk}/withdraw", {"reason": "x"}, 404)
    withdrawn = door.post(f"versions/{essays.pk}/withdraw", {"reason": "A mistake."})
    assert withdrawn["state"] == "withdrawn"
    assert door.post(f"versions/{essays.pk}/erase")["state"] == "erased"


def test_an_export_that_did_not_change_is_not_sent_again(
    ada: Party, essays: DatasetVersion
) -> None:
    door, path = doors.of(ada), f"versions/{essays.pk}/export"
    answer = door.raw("GET", path)
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert len(lines) == 2
    etag = answer.headers["ETag"]
    assert door.raw("GET", path, headers={"If-None-Match": etag}).status_code == 304
    door.post(f"versions/{essays.pk}/withdraw", {"reason": "A mistake."})
    assert door.raw("GET", path, headers={"If-None-Match": etag}).headers["ETag"] != etag


def test_a_certificate_says_what_it_proves_and_what_not(
    ada: Party, ben: Party, essays: DatasetVersion
) -> None:
    door, path = doors.of(ada), f"versions/{essays.pk}/certificate"
    facts = door.get(path)
    assert (facts["records"], facts["owner"]) == (2, "Aurora Archive")
    assert "who wrote" in " ".join(facts["does_not_prove"])
    assert door.raw("GET", f"{path}.pdf").content.startswith(b"%PDF")
    doors.of(ben).get(path, 404)
    doors.of(ben).get(f"{path}.pdf", 404)


def test_a_model_tells_its_lab_what_went_in_and_the_owner_where_its_data_went(
    ada: Party, lab: Party, essays: DatasetVersion
) -> None:
    door = doors.of(lab)
    run = door.post("runs", {"purpose": "pretrain"}, 201)["id"]
    door.post("usages", report(run, essays, records=2, tokens=6), 202)
    model = door.post("models", {"name": "sparrow", "run": run}, 201)["id"]
    answer = door.raw("GET", f"models/{model}/ingredients")
    (row,) = answer.json()["rows"]
    assert (row["dataset"], row["parts"]) == ("aurora-archive/essays@1", 1_000_000)
    assert answer.json()["gaps"]
    etag = {"If-None-Match": answer.headers["ETag"]}
    assert door.raw("GET", f"models/{model}/ingredients", headers=etag).status_code == 304
    assert b"aurora-archive/essays@1" in door.raw("GET", f"models/{model}/ingredients.csv").content
    paper = door.raw("GET", f"models/{model}/ingredients.pdf")
    assert paper.headers["Content-Disposition"].endswith('.pdf"')
    doors.of(ada).get(f"models/{model}/ingredients", 404)
    assert doors.of(ada).get(f"datasets/{essays.dataset_id}/models")["results"] == []
    the_wait_is_over()
    (use,) = doors.of(ada).get(f"datasets/{essays.dataset_id}/models")["results"]
    assert (use["model"], use["lab"], use["records"]) == (None, "Cobalt Labs", 2)


def test_lineage_has_marquezs_shape_and_is_not_sent_twice(
    ada: Party, ben: Party, lab: Party, essays: DatasetVersion
) -> None:
    door = doors.of(lab)
    run = door.post("runs", {"purpose": "pretrain", "name": "night"}, 201)["id"]
    door.post("usages", report(run, essays, records=2), 202)
    door.post("models", {"name": "sparrow", "run": run}, 201)
    path = "lineage?nodeId=dataset:aurora-archive:essays&depth=5"
    answer = door.raw("GET", path)
    nodes = {node["id"]: node for node in answer.json()["graph"]}
    assert {node["type"] for node in nodes.values()} == {"DATASET", "JOB", "MODEL"}
    assert nodes["dataset:aurora-archive:essays"]["outEdges"]
    assert answer.json()["truncated"] is False
    etag = {"If-None-Match": answer.headers["ETag"]}
    assert door.raw("GET", path, headers=etag).status_code == 304
    door.post("usages", report(run, essays, 2, records=3), 202)
    assert door.raw("GET", path, headers=etag).status_code == 200
    assert "night" not in doors.of(ada).raw("GET", path).content.decode()
    assert door.get("lineage?nodeId=dataset:no:body", 404)["code"] == "node_unknown"
    assert door.get("lineage", 400)["errors"][0]["field"] == "nodeId"


def test_events_are_shown_in_order_to_those_they_concern(
    ada: Party, ben: Party, essays: DatasetVersion
) -> None:
    shown = doors.of(ada).get("events")["results"]
    assert [event["kind"] for event in shown][-1] == "version.sealed"
    assert [event["sequence"] for event in shown] == sorted(event["sequence"] for event in shown)
    sealed = shown[-1]["sequence"]
    assert doors.of(ada).get(f"events/{sealed}")["hash"].startswith("0x")
    assert doors.of(ben).get(f"events/{sealed}", 404)["code"] == "not_found"
    assert doors.of(ben).get(f"events/{sealed}/proof", 404)["code"] == "not_found"


def test_an_event_without_an_anchor_says_when_to_ask_again(
    ada: Party, essays: DatasetVersion
) -> None:
    sealed = Event.objects.get(kind="version.sealed").sequence
    assert doors.of(ada).get(f"events/{sealed}/proof", 409)["code"] == "not_anchored_yet"


def test_the_head_and_the_chain_can_be_asked_for(ada: Party, essays: DatasetVersion) -> None:
    door = doors.of(ada)
    head = door.get("ledger/head")
    assert (head["sequence"], head["anchored_to"]) == (
        Event.objects.exclude(sequence=None).count(),
        0,
    )
    assert door.get("ledger/verify") == {
        "holds": True,
        "from_sequence": 1,
        "to_sequence": head["sequence"],
        "first_break": None,
    }
    assert door.get("ledger/verify?from=x", 400)["code"] == "invalid"


def test_an_operator_makes_a_party_and_invites_its_first_admin(
    operator: Party,
    olga: User,
    ada: Party,
    mailoutbox: list[EmailMessage],
    django_capture_on_commit_callbacks: Any,
) -> None:
    browser = APIClient()
    browser.force_login(olga)
    made = browser.post("/api/v1/parties", {"name": "Delta Data", "is_owner": True}, format="json")
    assert made.status_code == 201
    with django_capture_on_commit_callbacks(execute=True):
        asked = browser.post(
            "/api/v1/invitations",
            {"email": "dora@delta.example", "role": "admin", "party": made.json()["id"]},
            format="json",
        )
    assert asked.status_code == 201
    [letter] = mailoutbox
    assert letter.to == ["dora@delta.example"]
    assert asked.json()["link"] in letter.body
    assert asked.json()["link"].endswith(f"/invitations/{asked.json()['token']}/")
    assert doors.of(ada).post("parties", {"name": "Mine"}, 403)["code"] == "operators_only"


def test_a_grant_is_seen_by_its_two_sides_only(
    ada: Party, ben: Party, lab: Party, essays: DatasetVersion
) -> None:
    terms = licence(doors.of(ada), essays)
    asked = doors.of(lab).post("grants", {"licence": terms["id"], "purposes": ["pretrain"]}, 201)
    assert Grant.objects.count() == 1
    doors.of(ben).get(f"grants/{asked['id']}", 404)
    assert doors.of(ben).get("grants")["results"] == []
