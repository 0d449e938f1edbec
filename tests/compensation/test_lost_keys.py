"""An owner lost wallet and second factor: what operators do, and that nothing leaves meanwhile."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from compensation import approvals, payees, settlement
from compensation.models import PayoutMethod
from provenance import parties, restrictions
from provenance.models import (
    Event,
    Invitation,
    Membership,
    Party,
    Proposal,
    Restriction,
    User,
)
from tests import factories
from tests.compensation.test_ownership import ELSEWHERE, WALLET, elsewhere, prove  # noqa: F401

pytestmark = pytest.mark.django_db


def test_a_lost_owner_comes_back_by_another_person_and_another_wallet(
    ada, euro, operator, olga, otto, settings, django_capture_on_commit_callbacks
):
    settings.PAYOUT_ACCOUNT_HOLD_HOURS = 72
    lost = factories.user("ada@aurora.example", party=ada)
    at_work = Client()
    at_work.force_login(olga)
    page = f"/admin/provenance/party/{ada.pk}"

    # 1. Nothing leaves while it is looked into.
    at_work.post(f"{page}/suspend/", {"suspend-reason": "Keys lost.", "suspend-until": ""})
    with pytest.raises(restrictions.PaymentStopped):
        settlement.claim(party=ada, asset=euro, at=timezone.now())

    # 2. A person whom the paper names is let in under an address that nobody else reads; two
    # operators have seen the paper.
    with django_capture_on_commit_callbacks(execute=True):
        _invite(at_work, page, approved_by=otto)
    fresh = _sign_up(person := factories.user("new@aurora.example"))
    assert Membership.objects.get(user=person).role == "admin"

    # 3. Who lost the keys can change nothing any more.
    _make_viewer(fresh, Membership.objects.get(user=lost))
    assert not parties.viewer_of_user(lost, ada.pk).may("finance")

    # 4. Another wallet is proved; it is held, so that a thief is noticed in time.
    done = _prove_another_wallet(ada, person)
    assert done.held_until is not None
    assert not done.is_payable(timezone.now())

    # 5. The suspension is lifted when the hold is over; the ledger has each step.
    at_work.post(
        f"/admin/provenance/restriction/{Restriction.objects.get().pk}/lift/",
        {"lift-reason": "Identity shown."},
    )
    done.refresh_from_db()
    assert done.is_payable(done.held_until + timedelta(seconds=1))
    kinds = set(Event.objects.filter(party=ada).values_list("kind", flat=True))
    assert {"suspension.set", "member.invited", "member.joined", "member.changed",
            "suspension.lifted"} <= kinds  # fmt: skip


def _invite(at_work: Client, page: str, *, approved_by: User) -> None:
    """Put an admin forward, whom nobody has invited before the other operator approves."""
    asked = {"invite-email": "new@aurora.example", "invite-role": "admin"}
    at_work.post(f"{page}/invite/", asked)
    assert not Invitation.objects.exists()
    approvals.approve(proposal=Proposal.objects.get(), by=approved_by, at=timezone.now())


def _sign_up(person: User) -> Client:
    """Follow the link in the last mail, as `person`."""
    link = re.search(r"http://[^\s]+(/invitations/[^\s]+)", mail.outbox[-1].body)
    assert link is not None
    browser = Client()
    browser.force_login(person)
    browser.post(link[1])
    return browser


def _make_viewer(browser: Client, member: Membership) -> None:
    page = f"/admin/provenance/membership/{member.pk}/role/"
    browser.post(page, {"role-role": "viewer"})
    member.refresh_from_db()
    assert member.role == "viewer"


def _prove_another_wallet(party: Party, person: User) -> PayoutMethod:
    method = payees.add_method(
        party=party, address=WALLET.address, chain_id=ELSEWHERE, by=person, at=timezone.now()
    )
    return prove(method, at=timezone.now())
