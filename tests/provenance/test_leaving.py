"""A person stops acting for a party, and nothing is left open behind it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from provenance import casework, leaving, parties
from provenance.models import CaseKind, Event, Membership, Notice, Party, User
from tests import factories

pytestmark = pytest.mark.django_db


def member_of(party: Party, email: str, role: str = "admin") -> Membership:
    """A new person who acts for the party."""
    user = factories.user(email, party=party)
    Membership.objects.filter(user=user, party=party).update(role=role)
    return Membership.objects.get(user=user, party=party)


def signed_in(user: User) -> Client:
    """A browser in which the person is signed in."""
    client = Client()
    client.force_login(user)
    return client


def page_of(member: Membership, verb: str) -> str:
    """Where the verb is done to the member."""
    return f"{reverse('admin:provenance_membership_change', args=[member.pk])}{verb}/"


def test_an_admin_removes_a_member_whose_session_and_keys_end_at_once(ada: Party) -> None:
    admin, leaver = member_of(ada, "ada@x.example"), member_of(ada, "leo@x.example", "developer")
    _, secret = parties.issue_key(
        party=ada, name="leo's", scopes=["develop"], created_by=leaver.user, at=timezone.now()
    )
    _, kept = parties.issue_key(
        party=ada, name="ada's", scopes=["develop"], created_by=admin.user, at=timezone.now()
    )
    theirs = signed_in(leaver.user)
    assert theirs.get("/admin/").status_code == 200
    mine = signed_in(admin.user)
    form = mine.get(page_of(leaver, "remove")).content.decode()
    assert "leo&#x27;s" in form
    assert "ada&#x27;s" not in form
    done = mine.post(page_of(leaver, "remove"), {"remove-revokes_keys": "on"}, follow=True)
    assert "leo@x.example no longer acts for" in done.content.decode()
    assert theirs.get("/admin/provenance/dataset/").status_code != 200
    assert parties.viewer_of_key(secret, timezone.now()) is None
    assert parties.viewer_of_key(kept, timezone.now()) is not None
    body = Event.objects.get(kind="member.left").body
    assert body == {"user": leaver.user.pk, "by": admin.user.pk, "keys": 1}
    assert Notice.objects.filter(party=ada, kind="member.left").exists()


def test_keys_stay_where_the_admin_says_so(ada: Party) -> None:
    admin, leaver = member_of(ada, "ada@x.example"), member_of(ada, "leo@x.example", "developer")
    _, secret = parties.issue_key(
        party=ada, name="ci", scopes=["develop"], created_by=leaver.user, at=timezone.now()
    )
    signed_in(admin.user).post(page_of(leaver, "remove"), {})
    assert not Membership.objects.filter(pk=leaver.pk).exists()
    assert parties.viewer_of_key(secret, timezone.now()) is not None


def test_the_last_admin_stays_and_is_told_what_to_do(ada: Party) -> None:
    Membership.objects.filter(party=ada).delete()
    last, other = member_of(ada, "ada@x.example"), member_of(ada, "leo@x.example", "viewer")
    answer = signed_in(last.user).post(page_of(last, "leave"), {})
    assert answer.status_code == 422
    assert "Make somebody else an admin" in answer.content.decode()
    assert signed_in(other.user).post(page_of(other, "leave"), {}).status_code == 302
    assert list(Membership.objects.filter(party=ada)) == [last]


@pytest.mark.parametrize("verb", ["remove", "leave"])
def test_nobody_else_ends_it(ada: Party, ben: Party, verb: str) -> None:
    member = member_of(ada, "leo@x.example")
    member_of(ada, "ada@x.example")
    colleague = member_of(ada, "vera@x.example", "viewer")
    stranger = member_of(ben, "ben@x.example")
    for person in (colleague.user, stranger.user):
        signed_in(person).post(page_of(member, verb), {})
        assert Membership.objects.filter(pk=member.pk).exists()


def test_an_operators_open_cases_go_back_to_the_queue(operator: Party) -> None:
    member_of(operator, "olga@x.example")
    leaver = member_of(operator, "otto@x.example")
    now = timezone.now()
    casework.assign(kind=CaseKind.CONFLICT, subject="1", to=leaver.user, by=leaver.user, at=now)
    leaving.leave(member=leaver, by=leaver.user, revokes_keys=True, at=now)
    assert casework.assignees(CaseKind.CONFLICT) == {}
    assert leaving.leave(member=leaver, by=leaver.user, revokes_keys=True, at=now) == []
    assert Event.objects.filter(kind="member.left").count() == 1
