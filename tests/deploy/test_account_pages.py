"""Account pages offer what makes sense for whoever looks, in our words."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from provenance.models import Party, User
from tests import factories

pytestmark = pytest.mark.django_db
ADDRESSES = "/accounts/email/"


@pytest.fixture
def alice(ada: Party) -> User:
    return factories.user("alice@aurora.example", party=ada)


def page(user: User, address: str) -> str:
    client = Client()
    client.force_login(user)
    return client.get(address).content.decode()


def address(user: User, email: str, *, verified: bool, primary: bool = False) -> None:
    EmailAddress.objects.create(user=user, email=email, verified=verified, primary=primary)


def test_the_only_address_that_is_proved_is_shown_and_nothing_more(alice: User) -> None:
    EmailAddress.objects.filter(user=alice).delete()
    address(alice, alice.email, verified=True, primary=True)
    said = page(alice, ADDRESSES)
    assert "letters go here" in said
    assert not [name for name in ("primary", "send", "remove") if f'"action_{name}"' in said]
    assert '"action_add"' in said


def test_an_address_that_is_not_proved_is_sent_its_link_again(alice: User) -> None:
    EmailAddress.objects.filter(user=alice).delete()
    address(alice, alice.email, verified=False, primary=True)
    said = page(alice, ADDRESSES)
    assert '"action_send"' in said
    assert '"action_remove"' not in said


def test_one_of_two_addresses_can_be_chosen_and_removed(alice: User) -> None:
    EmailAddress.objects.filter(user=alice).delete()
    address(alice, alice.email, verified=True, primary=True)
    address(alice, "alice@home.example", verified=True)
    said = page(alice, ADDRESSES)
    assert '"action_primary"' in said
    assert '"action_remove"' in said
    assert "Do you really want to remove" in said
    client = Client()
    client.force_login(alice)
    client.post(ADDRESSES, {"email": "alice@home.example", "action_remove": ""})
    assert [one.email for one in EmailAddress.objects.filter(user=alice)] == [alice.email]


def test_recovery_codes_come_with_the_first_factor(alice: User) -> None:
    said = page(alice, "/accounts/2fa/")
    assert "They come with the authenticator app" in said
    assert "Authenticator App" not in said
