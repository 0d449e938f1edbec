"""A list speaks to whoever reads it: its lead, its next step, and what its forms offer."""

from __future__ import annotations

import pytest
from django.test import Client

from provenance.access import in_words
from provenance.models import Party
from tests import factories

pytestmark = pytest.mark.django_db


def web(party: Party) -> Client:
    client = Client()
    client.force_login(factories.user(f"who@{party.namespace}.example", party=party))
    return client


def page(client: Client, address: str) -> str:
    return client.get(f"/admin/{address}").content.decode()


def test_a_list_of_all_parties_rows_does_not_call_them_the_operators(
    ada: Party, operator: Party
) -> None:
    assert "What you registered." in page(web(ada), "provenance/dataset/")
    said = page(web(operator), "provenance/dataset/")
    assert "What owners registered." in said
    assert "What you registered." not in said


def test_an_empty_list_leads_each_party_to_where_its_work_begins(ada: Party, lab: Party) -> None:
    assert "To the datasets" in page(web(ada), "provenance/usage/")
    client = web(lab)
    assert "To the catalogue" in page(client, "provenance/usage/")
    assert "To the catalogue" not in page(client, "provenance/licence/")


def test_keys_and_roles_of_a_lab_say_that_they_let_ask_for_grants(ada: Party, lab: Party) -> None:
    client = web(lab)
    assert "ask for grants" in page(client, "provenance/apikey/do/new/")
    invite = page(client, "provenance/membership/do/invite/")
    assert "rights: ask for grants" in invite
    assert invite.index("E-mail address") < invite.index("rights: ask for grants")
    assert "register, license" in page(web(ada), "provenance/apikey/do/new/")
    assert in_words(["rights"]) == "register, license, claim and answer"


def test_test_data_are_deleted_where_there_are_some(lab: Party) -> None:
    assert "Delete all test data" not in page(web(lab), "compensation/trialrun/")
