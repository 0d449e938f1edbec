"""A list asks the database as often for thirty rows as for three."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import deploy.urls
from compensation import deposits
from compensation.models import Asset
from provenance.admin.site import site
from provenance.models import Notice, Party, Review, User
from tests import factories
from tests.factories import NOON
from tests.matrix.bakery import bake
from tests.matrix.world import Belongings

assert deploy.urls.urlpatterns, "every app has put its pages on the site"

FEW, MANY = 3, 30


# What rows of these are read by, beside their columns.
GIVEN: dict[type[Model], dict[str, Any]] = {
    Notice: {"kind": "payout.sent", "facts": {"amount": "1.00 EUR"}},
    Review: {"evidence": {"streams": [], "missing": 1}},
}


class Shelf(Belongings):
    """Rows of any model, as many as are asked for."""

    def another(self, model: type[Model]) -> Any:
        with transaction.atomic():
            given = GIVEN.get(model, {})
            return bake(model, self.row, (self.owner, self.lab), **given)


def listed() -> list[type[Model]]:
    return sorted(site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def everybody(db: None, euro: Asset) -> Party:
    """A party that is everything, so that it sees every list."""
    return factories.party("Everything", is_owner=True, is_lab=True, is_operator=True)


@pytest.fixture
def euro(db: None) -> Asset:
    return deposits.register_asset(code="iso4217:EUR", symbol="EUR", scale=6, name="euro")


@pytest.fixture
def client(everybody: Party) -> Client:
    person = factories.user("eve@everything.example", party=everybody)
    signed = Client()
    signed.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return signed


def address(model: type[Model]) -> str:
    label = f"{model._meta.app_label}_{model._meta.model_name}"
    return reverse(f"admin:{label}_changelist")


def queries(client: Client, model: type[Model]) -> tuple[int, int]:
    """How many queries the list takes, and how many rows it shows."""
    client.get(address(model))
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(address(model))
    assert answer.status_code == 200, (model, answer.status_code)
    return len(asked), len(answer.context["cl"].result_list)


@pytest.mark.parametrize("model", listed(), ids=lambda model: model.__name__)
def test_a_list_asks_as_often_for_many_rows_as_for_few(
    model: type[Model], client: Client, everybody: Party, euro: Asset
) -> None:
    shelf = Shelf(everybody, everybody, rows={Asset: euro, Party: everybody})
    shelf.rows[User] = everybody.memberships.get().user
    try:
        for _ in range(FEW):
            shelf.another(model)
    except (DatabaseError, AssertionError) as refused:
        pytest.skip(f"such rows come of use cases alone: {str(refused)[:80]}")
    few, few_rows = queries(client, model)
    for _ in range(MANY - FEW):
        shelf.another(model)
    many, rows = queries(client, model)
    assert rows > few_rows
    assert many == few
    # The sheet of the same list says as much.
    sheet = client.get(f"{address(model)}?sheet=csv")
    assert (sheet.status_code, len(sheet.content.splitlines()) > few_rows) == (200, True)


def test_the_journal_asks_as_often_for_many_entries_as_for_few(
    client: Client, everybody: Party, euro: Asset
) -> None:
    from compensation.models import Entry

    def deposited(first: int, last: int) -> None:
        for number in range(first, last):
            deposits.deposit(
                lab=everybody, asset=euro, amount_units=1, reference=f"wire {number}", at=NOON
            )

    deposited(0, FEW)
    few = queries(client, Entry)
    deposited(FEW, MANY)
    assert queries(client, Entry) == (few[0], MANY)
