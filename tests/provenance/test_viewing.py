"""An operator looks as a party does: with a reason, for a while, changing nothing, on record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from provenance import viewing
from provenance.access import Viewer
from provenance.models import AccessLog, Dataset, Event, Party, User
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def looking(ada: Party, olga: User) -> Client:
    """Olga, who looks as Ada's archive does."""
    client = Client()
    client.force_login(olga)
    page = reverse("admin:provenance_party_change", args=[ada.pk])
    answer = client.post(f"{page}view-as/", {"view-as-reason": "A call of 3 March."})
    assert answer["Location"] == "/admin/"
    return client


def test_the_pages_are_the_party_s_and_say_so(looking: Client, ada: Party, ben: Party) -> None:
    factories.dataset(ada, "diary")
    factories.dataset(ben, "songbook")
    home = looking.get("/admin/").content.decode()
    assert "You are looking as Aurora Archive does." in home
    assert "admin/queue" not in home
    shown = looking.get(reverse("admin:provenance_dataset_changelist")).content.decode()
    assert "You are looking as Aurora Archive does." in shown
    assert "Diary" in shown
    assert "Songbook" not in shown
    assert looking.get(reverse("admin:provenance_party_changelist")).status_code == 403
    assert "You are looking as" in looking.get("/parties/choose/").content.decode()


def test_nothing_can_be_changed_while_it_lasts(looking: Client, ada: Party) -> None:
    mine = factories.dataset(ada, "diary")
    before = Event.objects.count()
    page = reverse("admin:provenance_dataset_change", args=[mine.pk])
    for method in ("post", "put", "patch", "delete"):
        for path in (
            reverse("admin:provenance_dataset_list_verb", args=["register"]),
            f"{page}offer/",
            reverse("admin:provenance_apikey_list_verb", args=["new"]),
            "/parties/choose/",
            "/accounts/email/",
            "/accounts/password/change/",
            "/api/v1/datasets",
        ):
            answer = getattr(looking, method)(path, {"name": "x", "title": "x"})
            assert answer.status_code == 403, (method, path)
    assert looking.post("/api/v1/datasets").json()["code"] == "looking_only"
    assert (Dataset.objects.count(), Event.objects.count()) == (1, before)
    assert "Offer a licence" not in looking.get(page).content.decode()


def test_the_party_reads_that_it_was_looked_at_why_and_which_pages(
    looking: Client, ada: Party, olga: User
) -> None:
    for _ in range(2):
        looking.get("/admin/provenance/dataset/")
    rows = AccessLog.objects.filter(party=ada).order_by("pk")
    assert [(row.what, row.reason, row.user) for row in rows][1:] == [
        ("began to look as you do", "A call of 3 March.", olga),
        ("as you: /admin/provenance/dataset/", "A call of 3 March.", olga),
    ]
    hers = Client()
    hers.force_login(factories.user("ada@aurora.example", party=ada))
    log = hers.get(reverse("admin:provenance_accesslog_changelist")).content.decode()
    assert "as you: /admin/provenance/dataset/" in log
    assert Event.objects.filter(kind="party.viewed_as", party=ada).exists()


def test_it_ends_by_hand_and_by_itself(looking: Client, ada: Party) -> None:
    answer = looking.post(reverse("admin:view-as-end"), follow=True)
    assert "You are yourself again." in answer.content.decode()
    assert "You are looking as" not in looking.get("/admin/").content.decode()
    page = reverse("admin:provenance_party_change", args=[ada.pk])
    looking.post(f"{page}view-as/", {"view-as-reason": "Once more."})
    session = looking.session
    kept = session[viewing.SESSION_KEY]
    kept["until"] = (timezone.now() - timedelta(seconds=1)).isoformat()
    session[viewing.SESSION_KEY] = kept
    session.save()
    assert "What is due first" in looking.get("/admin/").content.decode()


def test_a_person_who_is_no_operator_any_more_sees_nothing_by_it(
    looking: Client, olga: User
) -> None:
    olga.memberships.all().delete()
    assert looking.get("/admin/provenance/dataset/").status_code == 302


def test_nobody_else_looks_as_a_party_nor_anybody_as_an_operator(
    ada: Party, ben: Party, operator: Party, olga: User, as_operator: Viewer
) -> None:
    for viewer, party, reason in (
        (factories.viewer(ben), ada, "x"),
        (Viewer(party=operator, role="admin", user=olga), operator, "x"),
        (Viewer(party=operator, role="admin", user=olga), ada, "  "),
        (as_operator, ada, "a key has no eyes"),
    ):
        with pytest.raises(viewing.CannotViewAs):
            viewing.begin(viewer=viewer, party=party, reason=reason, at=timezone.now())
    stranger = Client()
    stranger.force_login(factories.user("ben@birch.example", party=ben))
    page = reverse("admin:provenance_party_change", args=[ada.pk])
    assert stranger.post(f"{page}view-as/", {"view-as-reason": "x"}).status_code == 404
