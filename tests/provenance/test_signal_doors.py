"""The doors of plans and reviews: the lab answers, the operator closes, the owner knows of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from provenance import licensing, signals, tasks, usage
from provenance.models import AccessLog, DatasetVersion, Party, Review, Run, RunPlan, User
from tests import doors, factories

pytestmark = pytest.mark.django_db
SECRET = "unmistakable night job"


@pytest.fixture
def essays(ada: Party) -> DatasetVersion:
    return factories.version(factories.dataset(ada), [f"essay number {n}" for n in range(100)])


@pytest.fixture
def review(lab: Party, essays: DatasetVersion) -> Review:
    """Ten times what the dataset holds."""
    now = timezone.now()
    licence = licensing.offer_licence(
        dataset=essays.dataset, name="Open", text="Go on.", purposes=["pretrain"],
        is_automatic=True, at=now,
    )  # fmt: skip
    licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=now)
    run = usage.start_run(lab=lab, purpose="pretrain", name=SECRET, at=now)
    usage.report_usage(
        run=run, subject=str(essays), purpose="pretrain", stream="s", sequence=1,
        count=usage.Count(records=4_321, epochs=1), used_at=now, received_at=now,
    )  # fmt: skip
    tasks.look_at_reports()
    return Review.objects.get()


def signed_in(party: Party, email: str, role: str = "admin") -> Client:
    person = User.objects.filter(email=email).first()
    client = Client()
    client.force_login(person or factories.user(email, party=party, role=role))
    return client


def test_a_run_starts_with_its_plan_and_every_rank_may_say_it(
    lab: Party, essays: DatasetVersion
) -> None:
    door = doors.of(lab)
    body = {
        "purpose": "pretrain",
        "run_id": "0190a000-0000-7000-8000-000000000001",
        "plan": [{"subject": str(essays), "records": 300, "epochs": 3}],
    }
    for _ in range(2):
        door.post("runs", body, 201)
    (kept,) = RunPlan.objects.all()
    assert (kept.version, kept.record_count, kept.epoch_count) == (essays, 300, 3)
    other = {**body, "plan": [{"subject": str(essays), "records": 3}]}
    assert door.post("runs", other, 409)["code"] == "plan_stands"
    empty = {"purpose": "pretrain", "plan": [{"subject": str(essays)}]}
    assert door.post("runs", empty, 400)["code"] == "bad_report"
    assert Run.objects.count() == 1


def test_the_lab_reads_the_figures_and_answers(review: Review, lab: Party, ada: Party) -> None:
    door = doors.of(lab)
    (seen,) = door.get("reviews?state=open&rule=size")["results"]
    assert (seen["id"], seen["run"]["name"]) == (str(review.pk), SECRET)
    assert seen["evidence"]["records"] == 4_321
    assert "4,321 were reported" in seen["words"]
    assert "Nothing is charged or taken back" in seen["advice"]
    said = door.post(f"reviews/{review.pk}/notes", {"text": "Each rank reports for all."}, 201)
    assert said["notes"][0]["text"] == "Each rank reports for all."
    assert doors.read_only(lab).post(f"reviews/{review.pk}/notes", {"text": "x"}, 403)
    assert door.post(f"reviews/{review.pk}/close", {}, 403)["code"] == "operators_only"
    assert door.post(f"reviews/{review.pk}/assign", {}, 403)["code"] == "operators_only"


def test_the_owner_knows_that_its_data_is_looked_at_and_reads_nothing_of_the_labs(
    review: Review, lab: Party, ada: Party, essays: DatasetVersion
) -> None:
    signals.say(review=review, party=lab, text="Our secret way.", by=None, at=timezone.now())
    door = doors.of(ada)
    seen = door.get(f"reviews/{review.pk}")
    assert (seen["rule"], seen["version"]["id"]) == ("size", str(essays.pk))
    assert seen["run"] == {"id": None, "name": None, "pseudonym": review.run.pseudonym}
    told = json.dumps(door.get("reviews"))
    for secret in (SECRET, "4321", "4,321", "secret way", str(review.run_id)):
        assert secret not in told
    assert "A person looks at how this use was reported" in seen["words"]
    refused = door.post(f"reviews/{review.pk}/notes", {"text": "x"}, 403)
    assert refused["code"] == "owners_only"


def test_a_second_partys_key_finds_no_review(review: Review, ben: Party) -> None:
    door = doors.of(ben)
    assert door.get("reviews")["results"] == []
    door.get(f"reviews/{review.pk}", 404)
    for act, body in (("notes", {"text": "x"}), ("close", {}), ("assign", {})):
        assert door.post(f"reviews/{review.pk}/{act}", body, 404 if act == "notes" else 403)


def test_an_operator_takes_it_and_closes_it_with_a_reason(
    review: Review, operator: Party, olga: User, lab: Party, ada: Party
) -> None:
    door = doors.of(operator, by=olga)
    door.post(f"reviews/{review.pk}/assign", {})
    review.refresh_from_db()
    assert review.assignee == olga
    assert door.get("reviews?is_taken=false")["results"] == []
    door.post(f"reviews/{review.pk}/notes", {"text": "Do ranks report for all?"}, 201)
    assert door.post(f"reviews/{review.pk}/close", {"outcome": "explained"}, 400)
    closing = {"outcome": "corrected", "reason": "Each rank had reported for all."}
    done = door.post(f"reviews/{review.pk}/close", closing)
    assert (done["state"], done["reason"]) == ("closed", closing["reason"])
    assert door.post(f"reviews/{review.pk}/close", closing, 409)["code"] == "review_closed"
    assert doors.of(lab).get(f"reviews/{review.pk}")["reason"] == closing["reason"]
    seen = doors.of(ada).get(f"reviews/{review.pk}")
    assert (seen["outcome"], seen["reason"]) == ("corrected", None)
    assert AccessLog.objects.filter(party=lab, what__contains="reviews").exists()


def test_a_key_that_belongs_to_nobody_closes_nothing(review: Review, operator: Party) -> None:
    closing = {"outcome": "explained", "reason": "x"}
    refused = doors.of(operator).post(f"reviews/{review.pk}/close", closing, 403)
    assert refused["code"] == "needs_person"


def test_the_queue_is_worked_in_the_browser(
    review: Review, operator: Party, olga: User, lab: Party
) -> None:
    client = signed_in(operator, olga.email)
    queue = client.get(reverse("admin:provenance_review_changelist") + "?state__exact=open")
    assert "4,321 were reported" in queue.content.decode()
    page = reverse("admin:provenance_review_change", args=[review.pk])
    assert "4,321 were reported" in client.get(page).content.decode()
    client.post(f"{page}assign/", {"assign-to": olga.pk})
    mine = signed_in(lab, "lea@cobalt.example")
    answered = mine.post(f"{page}answer/", {"answer-text": "We pad the last batch."}, follow=True)
    assert "We pad the last batch." in answered.content.decode()
    closing = {"close-outcome": "explained", "close-reason": "Padding."}
    done = client.post(f"{page}close/", closing)
    assert "Nothing was charged" in " ".join(map(str, get_messages(done.wsgi_request)))
    review.refresh_from_db()
    assert (review.state, review.assignee, review.closed_by) == ("closed", olga, olga)
    assert AccessLog.objects.filter(party=lab, reason=f"review {review.pk}").exists()


def test_pages_show_the_owner_that_there_is_a_review_and_no_figures(
    review: Review, ada: Party, ben: Party
) -> None:
    client = signed_in(ada, "ada@aurora.example")
    page = reverse("admin:provenance_review_change", args=[review.pk])
    for address in (page, reverse("admin:provenance_review_changelist")):
        shown = client.get(address).content.decode()
        assert review.run.pseudonym in shown
        for secret in (SECRET, "4,321", "4321", str(review.run_id)):
            assert secret not in shown, address
    used = client.get(reverse("admin:provenance_usage_change", args=[review.usage_id]))
    assert "More than the dataset holds" in used.content.decode()
    assert client.post(f"{page}close/", {"close-outcome": "explained"}).status_code == 302
    assert Review.objects.get().state == "open"
    assert signed_in(ben, "ben@birch.example").get(page).status_code == 404


def test_an_operators_todo_leads_to_the_queue(review: Review, operator: Party, olga: User) -> None:
    shown = signed_in(operator, olga.email).get("/admin/").content.decode()
    assert f"/admin/provenance/review/{review.pk}/#close" in shown
    assert "nobody yet" in shown


def test_without_a_key_no_review_is_shown(review: Review) -> None:
    answer: Any = APIClient().get(f"/api/v1/reviews/{review.pk}")
    assert answer.status_code == 401
