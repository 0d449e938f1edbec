"""A lab reads what it binds itself to before it asks, and what it has afterwards."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from provenance import licensing
from provenance.models import Grant
from tests import factories
from tests.cast import NOON
from tests.compensation.conftest import grant

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(rich_lab):
    made = Client()
    made.force_login(factories.user("lea@cobalt.example", party=rich_lab))
    return made


def asking(client, licence):
    address = reverse("admin:provenance_licence_verb", args=[licence.pk, "request"])
    return client.get(address).content.decode()


def test_terms_price_and_whether_it_binds_stand_above_the_form(client, essays):
    licence = essays.dataset.licences.get()
    page = asking(client, licence)
    for words in ("It binds at once", "365 days from the grant", "You may train.", "10.00 EUR"):
        assert words in page
        assert page.index(words) < page.index('name="request-purposes"')
    asked = licensing.offer_licence(
        dataset=essays.dataset, name="By hand", text="Ask me.", purposes=["pretrain"],
        is_automatic=False, at=NOON,
    )  # fmt: skip
    page = asking(client, asked)
    assert "Asking binds you to nothing yet: Aurora Archive gives or refuses" in page


def test_a_lab_with_a_grant_is_told_until_when_it_has_one(client, essays, rich_lab):
    licence = essays.dataset.licences.get()
    address = reverse("admin:provenance_licence_change", args=[licence.pk])
    assert "You have a grant" not in client.get(address).content.decode()
    grant(rich_lab, essays, at=timezone.now())
    link = reverse("admin:provenance_grant_change", args=[Grant.objects.get().pk])
    for page in (client.get(address).content.decode(), asking(client, licence)):
        assert "You have a grant for Pre-training until" in page
        assert link in page


def test_frozen_terms_stand_in_one_order_and_a_run_is_the_next_step(client, essays, rich_lab):
    grant(rich_lab, essays)
    address = reverse("admin:provenance_grant_change", args=[Grant.objects.get().pk])
    page = client.get(address).content.decode()
    assert f"run.use(&quot;{essays.dataset}&quot;" in page or f'run.use("{essays.dataset}"' in page
    terms = re.findall(r"<dt>([^<]+)</dt>", page[page.index("Frozen terms") :])
    assert terms[:5] == ["Name", "Purposes", "Term in days", "Valid from", "Valid to"]


def test_a_quote_says_for_how_many_days_it_binds(client, essays, settings):
    settings.QUOTE_VALIDITY_DAYS = 9
    licence = essays.dataset.licences.get()
    address = reverse("admin:provenance_licence_verb", args=[licence.pk, "quote"])
    assert "it binds for 9 days" in client.get(address).content.decode()


def test_the_catalogue_says_what_to_do_with_it(client, essays):
    page = client.get(reverse("admin:provenance_licence_changelist")).content.decode()
    assert "Open one to ask for a quote or a grant." in page
