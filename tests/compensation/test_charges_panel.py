"""A usage's page says what it cost, and to each of its readers no part but their own."""

import pytest
from django.test import Client
from django.urls import reverse

from compensation import billing
from provenance import conflicts, contributors
from provenance.models import Usage
from tests import factories
from tests.cast import NOON
from tests.compensation.conftest import grant, priced, texts, use

pytestmark = pytest.mark.django_db


@pytest.fixture
def charged(ada, ben, rich_lab, euro):
    """A use of Ben's mixed texts: ten are Ada's too, and his editor has a quarter."""
    adas = factories.version(factories.dataset(ada, "articles"), texts(100))
    bens = factories.version(factories.dataset(ben, "mixed"), [*texts(10), *texts(90, "own")])
    editor = contributors.name(owner=ben, label="editor", at=NOON)
    contributors.divide(dataset=bens.dataset, owner_weight=3, weights={editor: 1}, at=NOON)
    found = factories.overlap(bens, adas, [(text, text) for text in texts(10)])
    conflicts.open_from_overlap(overlap=found, at=NOON)
    priced(bens, euro, price_units=10_000_000)
    grant(rich_lab, bens)
    used = use(rich_lab, bens, records=100)
    billing.bill_batch(at=NOON)
    return used


def page_of(used: Usage, party):
    client = Client()
    client.force_login(factories.user(f"{party.pk}@example.org", party=party))
    return client.get(reverse("admin:provenance_usage_change", args=[used.pk])).content.decode()


def test_a_lab_learns_nothing_of_how_what_it_pays_is_divided(charged, rich_lab):
    page = page_of(charged, rich_lab)
    assert "What it cost" in page
    assert "1.00 EUR" in page
    for word in ("Parts", "held while a conflict is open", "0.10 EUR", "weights"):
        assert word not in page


def test_an_owner_sees_its_own_part_of_a_charge_alone(charged, ben):
    page = page_of(charged, ben)
    assert "0.675 EUR" in page
    for part in ("held while a conflict is open", "0.10 EUR", "0.225 EUR"):
        assert part not in page


def test_an_operator_sees_every_part_of_a_charge(charged, operator):
    client = Client()
    client.force_login(factories.user("olga@operations.example", party=operator))
    address = reverse("admin:provenance_usage_change", args=[charged.pk])
    asked = {"next": address, "reason": "The owner asked."}
    page = client.post(reverse("admin:reason"), asked, follow=True).content.decode()
    for part in ("held while a conflict is open", "0.10 EUR", "0.675 EUR", "0.225 EUR"):
        assert part in page
