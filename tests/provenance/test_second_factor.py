"""A password alone opens no operator's page and changes no account that money goes to."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse

from compensation import deposits
from compensation.models import PayoutMethod
from provenance.models import Party, User
from tests import factories

pytestmark = pytest.mark.django_db

ACCOUNT = "admin:compensation_payoutmethod_list_verb"


@pytest.fixture(autouse=True)
def _required(settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = True


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def with_factor(user: User) -> User:
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    return user


def test_an_operator_without_one_is_shown_the_way_from_every_page(olga: User) -> None:
    client = signed_in(olga)
    for name in ("index", "queue", "provenance_conflict_changelist", "reason"):
        answer = client.get(reverse(f"admin:{name}"))
        assert (answer.status_code, answer.get("Location")) == (302, reverse("mfa_index")), name
    page = client.get(reverse("mfa_index")).content.decode()
    assert "Set up a second factor first" in page


def test_an_operator_with_one_goes_on(olga: User) -> None:
    assert signed_in(with_factor(olga)).get(reverse("admin:queue")).status_code == 200


def test_an_owner_reads_without_one_but_names_no_account(ada: Party) -> None:
    deposits.register_asset(code="iso4217:EUR", symbol="EUR", scale=6)
    person = factories.user("ada@second.example", party=ada)
    client = signed_in(person)
    assert client.get(reverse("admin:compensation_payout_changelist")).status_code == 200
    for verb, field in (("account", "iban"), ("address", "address")):
        said = {f"{verb}-{field}": "DE89370400440532013000"}
        answer = client.post(reverse(ACCOUNT, args=[verb]), said)
        assert answer.get("Location") == reverse("mfa_index"), verb
    assert not PayoutMethod.objects.exists()
    with_factor(person)
    assert client.get(reverse(ACCOUNT, args=["account"])).status_code == 200


def test_nobody_renames_or_removes_another_persons_security_key(ada: Party) -> None:
    owner, other = factories.user("a@second.example", party=ada), factories.user("b@second.example")
    key = Authenticator.objects.create(
        user=owner, type=Authenticator.Type.WEBAUTHN, data={"name": "On my ring", "credential": {}}
    )
    for person, due in ((other, 404), (owner, 200)):
        client = Client()
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        for verb in ("edit", "remove"):
            address = reverse(f"mfa_{verb}_webauthn", args=[key.pk])
            client.post(reverse("account_reauthenticate"), {"password": "correct horse"})
            assert client.get(address).status_code == due, (person, verb)
        client.post(reverse("mfa_remove_webauthn", args=[key.pk]))
        assert Authenticator.objects.filter(pk=key.pk).exists() == (person == other)


def test_where_it_is_not_required_nobody_is_asked(olga: User, settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = False
    assert signed_in(olga).get(reverse("admin:queue")).status_code == 200
