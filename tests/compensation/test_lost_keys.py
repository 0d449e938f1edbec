"""An owner lost wallet and second factor: what operators do, and that nothing leaves meanwhile."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from compensation import payees, settlement
from compensation.models import Asset, PayoutMethod
from provenance import parties, restrictions
from provenance.models import Event, Membership, Party, Restriction, User
from tests import factories
from tests.compensation.test_ownership import ELSEWHERE, WALLET, elsewhere, prove  # noqa: F401

pytestmark = pytest.mark.django_db


def test_a_lost_owner_comes_back_by_another_person_and_another_wallet(
    ada: Party,
    euro: Asset,
    operator: Party,
    olga: User,
    settings,
    django_capture_on_commit_callbacks,
) -> None:
    settings.PAYOUT_ACCOUNT_HOLD_HOURS = 72
    lost = factories.user("ada@aurora.example", party=ada)
    at_work = Client()
    at_work.force_login(olga)
    page = f"/admin/provenance/party/{ada.pk}"

    # 1. Nothing leaves while it is looked into.
    at_work.post(f"{page}/suspend/", {"suspend-reason": "Keys lost.", "suspend-until": ""})
    with pytest.raises(restrictions.PaymentStopped):
        settlement.claim(party=ada, asset=euro, at=timezone.now())

    # 2. A person whom the paper names is let in under an address that nobody else reads.
    asked = {"invite-email": "new@aurora.example", "invite-role": "admin"}
    with django_capture_on_commit_callbacks(execute=True):
        at_work.post(f"{page}/invite/", asked)
    link = re.search(r"http://[^\s]+(/invitations/[^\s]+)", mail.outbox[-1].body)
    person = factories.user("new@aurora.example")
    fresh = Client()
    fresh.force_login(person)
    fresh.post(link[1])
    assert Membership.objects.get(user=person).role == "admin"

    # 3. Who lost the keys can change nothing any more.
    old = Membership.objects.get(user=lost)
    fresh.post(f"/admin/provenance/membership/{old.pk}/role/", {"role-role": "viewer"})
    old.refresh_from_db()
    assert old.role == "viewer"
    assert not parties.viewer_of_user(lost, ada.pk).may("finance")

    # 4. Another wallet is proved; it is held, so that a thief is noticed in time.
    method = payees.add_method(
        party=ada, address=WALLET.address, chain_id=ELSEWHERE, by=person, at=timezone.now()
    )
    done = prove(method, at=timezone.now())
    assert done.held_until is not None
    assert not done.is_payable(timezone.now())

    # 5. The suspension is lifted when the hold is over; the ledger has each step.
    at_work.post(
        f"/admin/provenance/restriction/{Restriction.objects.get().pk}/lift/",
        {"lift-reason": "Identity shown."},
    )
    later = done.held_until + timedelta(seconds=1)
    assert PayoutMethod.objects.get(pk=method.pk).is_payable(later)
    kinds = set(Event.objects.filter(party=ada).values_list("kind", flat=True))
    assert {"suspension.set", "member.invited", "member.joined", "member.changed",
            "suspension.lifted"} <= kinds  # fmt: skip
