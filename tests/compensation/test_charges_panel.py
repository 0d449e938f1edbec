"""A usage's page says what it cost, and to each of its readers no part but their own."""

import pytest
from django.test import Client
from django.urls import reverse

from compensation import billing, statements
from compensation.models import Charge
from provenance import conflicts, contributors
from provenance.models import Run, Usage, User
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


def read(party, address):
    client = Client()
    person = User.objects.filter(memberships__party=party).first()
    client.force_login(person or factories.user(f"{party.pk}@example.org", party=party))
    return client.get(address).content.decode()


def page_of(used: Usage, party):
    return read(party, reverse("admin:provenance_usage_change", args=[used.pk]))


def test_a_lab_learns_nothing_of_how_what_it_pays_is_divided(charged, rich_lab):
    page = page_of(charged, rich_lab)
    assert "What it cost" in page
    assert "1.00 EUR" in page
    for word in ("Parts", "held while a conflict is open", "0.10 EUR", "weights"):
        assert word not in page


def test_tokens_are_said_to_be_those_of_the_sealed_count(charged, rich_lab, ben):
    counted = "100 records, 1 epoch; by the sealed count these are 500 tokens"
    assert counted in page_of(charged, rich_lab)
    charge = Charge.objects.get()
    (first, *_) = statements.explain(charge.pk, factories.viewer(ben)).words
    assert first.startswith(f"By 1 Mar 2026, 12:00 UTC, {charged.run.pseudonym} of Cobalt Labs")
    assert counted in first


def test_a_lab_reads_the_name_of_its_own_run_and_an_owner_its_pseudonym(charged, rich_lab, ben):
    run, charge = charged.run, Charge.objects.get()
    Run.objects.filter(pk=run.pk).update(name="nightly")
    link = reverse("admin:provenance_run_change", args=[run.pk])
    for name, args in (
        ("admin:compensation_entry_explanation", [charge.pk]),
        ("admin:compensation_entry_shares", [charge.entry_id]),
        ("admin:provenance_usage_change", [charged.pk]),
    ):
        mine, theirs = (read(party, reverse(name, args=args)) for party in (rich_lab, ben))
        assert (link in mine, "nightly" in mine) == (True, True)
        assert (link in theirs, "nightly" in theirs) == (False, False)
        assert run.pseudonym in theirs


def test_the_page_of_a_run_says_what_it_cost_its_lab_use_by_use(charged, rich_lab):
    page = read(rich_lab, reverse("admin:provenance_run_change", args=[charged.run_id]))
    cost = page[page.index("What it cost") :]
    assert "1.00 EUR so far." in cost
    assert reverse("admin:provenance_usage_change", args=[charged.pk]) in cost
    assert "See its lineage" in page


def test_who_only_pays_reads_of_no_part_and_no_weights(charged, rich_lab, ben):
    address = reverse("admin:compensation_entry_shares", args=[Charge.objects.get().entry_id])
    for party, has_part in ((rich_lab, False), (ben, True)):
        page = read(party, address)
        assert ("Your part" in page, "your weight" in page) == (has_part, has_part)


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
