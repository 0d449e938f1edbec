"""Parties: who may come in, and for whom a key speaks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from provenance import parties
from provenance.access import NotAllowed
from provenance.models import AccessLog, ApiKey, Event, Invitation, Party, User
from provenance.parties import InvitationForAnother, InvitationSpent, NameUnusable, UnknownScope
from tests import factories
from tests.cast import NOON

DAY = timedelta(days=1)


def test_a_namespace_is_free_or_numbered(db: None) -> None:
    names = [factories.party("Ice & Fire").namespace for _ in range(3)]
    assert names == ["ice-fire", "ice-fire-2", "ice-fire-3"]
    with pytest.raises(NameUnusable):
        factories.party("東京")


@pytest.fixture
def invited(ada: Party) -> tuple[Invitation, str]:
    host = factories.user("ada@aurora.example", party=ada)
    return parties.invite(
        party=ada, email="eve@aurora.example", role="finance", invited_by=host, at=NOON
    )


def test_an_invited_person_becomes_a_member_once(invited: tuple[Invitation, str]) -> None:
    invitation, token = invited
    eve = factories.user("Eve@aurora.example")
    for _ in range(2):
        member = parties.accept_invitation(token=token, user=eve, at=NOON + DAY)
    assert (member.party, member.role) == (invitation.party, "finance")
    assert token not in str(Invitation.objects.values())


def test_an_invitation_is_for_one_person_and_for_a_time(invited: tuple[Invitation, str]) -> None:
    _, token = invited
    with pytest.raises(InvitationForAnother):
        parties.accept_invitation(token=token, user=factories.user("x@y.example"), at=NOON)
    eve = factories.user("eve@aurora.example")
    with pytest.raises(InvitationSpent):
        parties.accept_invitation(token=token, user=eve, at=NOON + 14 * DAY)
    with pytest.raises(InvitationSpent):
        parties.accept_invitation(token="guessed", user=eve, at=NOON)


def test_a_key_speaks_for_its_party_within_its_scopes(ada: Party) -> None:
    key, secret = parties.issue_key(
        party=ada, name="ingest", scopes=["rights"], created_by=None, at=NOON
    )
    viewer = parties.viewer_of_key(secret, NOON)
    assert viewer is not None
    assert (viewer.party, viewer.key) == (ada, key)
    viewer.require("rights")
    with pytest.raises(NotAllowed):
        viewer.require("finance")
    assert secret not in str(list(ApiKey.objects.values()))


@pytest.mark.parametrize("secret", ["", "tm_", "tm_x_y", "Bearer", "tm_00000000_wrong"])
def test_a_wrong_secret_speaks_for_nobody(db: None, secret: str) -> None:
    assert parties.viewer_of_key(secret, NOON) is None


def test_a_key_ends_by_time_or_by_hand(ada: Party) -> None:
    key, secret = parties.issue_key(
        party=ada, name="a", scopes=[], created_by=None, at=NOON, expires_at=NOON + DAY
    )
    assert parties.viewer_of_key(secret, NOON + DAY) is None
    parties.revoke_key(key=key, at=NOON)
    parties.revoke_key(key=key, at=NOON)
    assert parties.viewer_of_key(secret, NOON) is None
    assert Event.objects.filter(kind="key.revoked").count() == 1


def test_a_key_gets_no_scope_that_is_not_there(ada: Party) -> None:
    for scope in ("everything", "members"):
        with pytest.raises(UnknownScope):
            parties.issue_key(party=ada, name="a", scopes=[scope], created_by=None, at=NOON)


def test_a_user_sees_through_the_party_it_chose(ada: Party, ben: Party, db: None) -> None:
    user = factories.user("ada@aurora.example", party=ada)
    parties.add_member(party=ben, user=user, role="viewer", at=NOON + DAY)
    first, chosen = parties.viewer_of_user(user, None), parties.viewer_of_user(user, ben.pk)
    assert first is not None
    assert chosen is not None
    assert (first.party, chosen.party, chosen.role) == (ada, ben, "viewer")
    stranger = factories.user("x@y.example")
    assert parties.viewer_of_user(stranger, ada.pk) is None
    assert parties.viewer_of_user(User(is_active=False), None) is None


def test_an_operators_look_is_kept_for_the_party_to_read(ada: Party, operator: Party) -> None:
    parties.log_view(
        viewer=factories.viewer(operator), party=ada, what="dataset", reason="case 1", at=NOON
    )
    parties.log_view(viewer=factories.viewer(ada), party=ada, what="own", reason="", at=NOON)
    assert AccessLog.objects.get().reason == "case 1"


def test_no_event_holds_a_name_or_an_address(invited: tuple[Invitation, str]) -> None:
    bodies = str([event.body for event in Event.objects.all()])
    assert "@" not in bodies
    assert "Aurora" not in bodies
