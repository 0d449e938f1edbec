"""No operator alone lets a person into an organisation that is not their own."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from compensation import approvals
from provenance import contributors, parties, proposals
from provenance.models import Contributor, Invitation, Party, Proposal, User
from tests import factories
from tests.cast import NOON

pytestmark = pytest.mark.django_db
WHOM = {"email": "new@example.org", "role": "admin"}


def put_forward(party: Party, by: User, **more: Any) -> Any:
    return approvals.attempt(
        kind=Proposal.Kind.INVITATION,
        subject=str(party.pk),
        body={**WHOM, "party": str(party.pk), **more},
        by=by,
        at=NOON,
    )


@pytest.fixture
def peopled(ada: Party) -> Party:
    factories.user("ada@aurora.example", party=ada)
    return ada


def test_it_waits_for_a_second_operator_and_is_mailed_then(
    peopled: Party, olga: User, otto: User, django_capture_on_commit_callbacks: Any
) -> None:
    made = put_forward(peopled, olga)
    assert isinstance(made, Proposal)
    assert "new@example.org may act for Aurora Archive, as admin" in made.words
    assert not Invitation.objects.exists()
    with pytest.raises(proposals.NotASecondPerson):
        approvals.approve(proposal=made, by=olga, at=NOON)
    with django_capture_on_commit_callbacks(execute=True):
        approvals.approve(proposal=made, by=otto, at=NOON)
    sent = Invitation.objects.get()
    assert (sent.party, sent.email, sent.invited_by) == (peopled, "new@example.org", olga)
    assert [letter.to for letter in mail.outbox] == [["new@example.org"]]


@pytest.mark.parametrize("second", ["nobody", "self"])
def test_the_use_case_itself_refuses_one_operator(peopled: Party, olga: User, second: str) -> None:
    confirmed_by = olga if second == "self" else None
    with pytest.raises(parties.InvitingTakesTwo):
        parties.invite(party=peopled, invited_by=olga, confirmed_by=confirmed_by, at=NOON, **WHOM)
    assert not Invitation.objects.exists()


def test_the_first_person_of_a_new_party_takes_one_operator_and_the_link_is_shown(
    operator: Party, olga: User
) -> None:
    new = factories.party("Delta Data", is_owner=True)
    client = Client()
    client.force_login(olga)
    client.post(reverse("admin:reason"), {"reason": "a new owner", "next": "/admin/"})
    page = client.post(
        reverse("admin:provenance_party_verb", args=[new.pk, "invite"]),
        {f"invite-{name}": value for name, value in WHOM.items()},
    )
    assert Invitation.objects.get().party == new
    assert "/invitations/" in page.content.decode()


def test_a_contributors_earnings_are_not_for_one_operator_to_give_away(
    peopled: Party, olga: User
) -> None:
    owner = User.objects.get(memberships__party=peopled)
    made = contributors.name(owner=peopled, label="Translator", at=NOON)
    assert isinstance(made, Contributor)
    with pytest.raises(parties.InvitingTakesTwo):
        parties.invite(party=made.party, invited_by=olga, at=NOON, **WHOM)
    contributors.invite(contributor=made, email="t@example.org", by=owner, at=NOON)
    assert Invitation.objects.get().party == made.party


def test_the_page_puts_it_forward_and_the_api_says_where_to_go(
    peopled: Party, operator: Party, olga: User
) -> None:
    client = Client()
    client.force_login(olga)
    client.post(reverse("admin:reason"), {"reason": "asked by Ada", "next": "/admin/"})
    answer = client.post(
        reverse("admin:provenance_party_verb", args=[peopled.pk, "invite"]),
        {f"invite-{name}": value for name, value in WHOM.items()},
    )
    waits = Proposal.objects.get()
    assert answer["Location"] == reverse("admin:provenance_proposal_change", args=[waits.pk])
    body = {**WHOM, "party": str(peopled.pk)}
    refused = client.post("/api/v1/invitations", body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "inviting_takes_two")
    assert not Invitation.objects.exists()


def test_a_role_that_does_not_exist_is_refused_before_anybody_is_asked(
    peopled: Party, olga: User
) -> None:
    with pytest.raises(parties.UnknownRole):
        put_forward(peopled, olga, role="king")
    assert not Proposal.objects.exists()
