"""The first steps: what a newcomer is asked to do, in order, until it is done or put away."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils import timezone

from compensation import payees
from compensation.models import Asset
from ingest.models import Upload
from provenance import chains, contributors, licensing, parties
from provenance.access import Viewer
from provenance.admin.guide import guide_of
from provenance.models import DatasetVersion, Membership, Party, User
from tests import factories
from tests.factories import NOON

pytestmark = pytest.mark.django_db
CARD = 'id="first-steps"'


@pytest.fixture
def person(ada: Party) -> User:
    return factories.user("ada@aurora.example", party=ada)


@pytest.fixture
def web(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def uploaded(version: DatasetVersion, **more: Any) -> Upload:
    return Upload.objects.create(
        version=version, file_name="a.jsonl", state="sealed", created_at=NOON, retry_at=NOON, **more
    )


def next_of(party: Party, person: User, role: str = "admin") -> str | None:
    step = guide_of(Viewer(party=party, role=role, user=person)).next
    return step.title if step else None


def test_each_step_of_an_owner_comes_when_the_one_before_is_done(
    ada: Party, person: User, web: Client
) -> None:
    asset = Asset.objects.create(code="iso4217:EUR", symbol="EUR", name="Euro", scale=6)
    assert next_of(ada, person) == "Prove your e-mail address"
    EmailAddress.objects.create(user=person, email=person.email, verified=True)
    assert next_of(ada, person) == "Register your first dataset"
    version = factories.version(factories.dataset(ada), ["a text", "another"])
    upload = uploaded(version)
    assert next_of(ada, person) == "Read what was found"
    assert web.get(f"/admin/ingest/upload/{upload.pk}/").status_code == 200
    assert next_of(ada, person) == "Offer a licence"
    licence = licensing.offer_licence(
        dataset=version.dataset, name="A", text="A", purposes=["pretrain"], at=NOON
    )
    assert next_of(ada, person) == "Set a price"
    licensing.set_rate(
        licence=licence, basis="per_1k_records", price_units=1, asset=asset.code,
        valid_from=NOON, at=NOON,
    )  # fmt: skip
    assert next_of(ada, person) == "Say where to be paid"
    assert CARD in web.get("/admin/").content.decode()
    payees.add_method(
        party=ada, address="0x" + "1" * 40, chain_id=chains.home(), at=NOON, by=person
    )
    assert CARD not in web.get("/admin/").content.decode()


def test_only_its_owner_reading_the_result_counts_as_read(ada: Party, ben: Party) -> None:
    upload = uploaded(factories.version(factories.dataset(ada), ["a text"]))
    stranger = Client()
    stranger.force_login(factories.user("ben@birch.example", party=ben))
    assert stranger.get(f"/admin/ingest/upload/{upload.pk}/").status_code == 404
    upload.refresh_from_db()
    assert upload.result_seen_at is None


def test_every_page_leads_to_the_next_step_and_the_first_page_has_them_all(web: Client) -> None:
    first = web.get("/admin/").content.decode()
    assert first.count(CARD) == 1
    assert "Go to this step" not in first
    for address in ("/admin/provenance/dataset/", "/admin/ingest/upload/", "/accounts/email/"):
        page = web.get(address).content.decode()
        assert "Prove your e-mail address" in page, address
    assert "Go to this step" not in web.get("/accounts/email/").content.decode()


def test_the_list_goes_away_when_it_is_put_away_and_can_be_had_again(
    ada: Party, person: User, web: Client
) -> None:
    other = factories.user("second@aurora.example", party=ada)
    web.post("/admin/first-steps/", {"do": "dismiss"})
    assert CARD not in web.get("/admin/").content.decode()
    assert "Go to this step" not in web.get("/admin/provenance/dataset/").content.decode()
    assert Membership.objects.get(user=other).guide_dismissed_at is None
    kept = web.get("/admin/first-steps/").content.decode()
    assert "Show it on the start page again" in kept
    web.post("/admin/first-steps/", {"do": "show"})
    assert CARD in web.get("/admin/").content.decode()


def test_a_member_is_asked_only_for_what_its_role_may_do(ada: Party) -> None:
    vera = factories.user("vera@aurora.example", party=ada, role="viewer")
    titles = [s.title for s in guide_of(Viewer(party=ada, role="viewer", user=vera)).steps]
    assert titles == [
        "Say who you are", "Prove your e-mail address", "Set up a second factor",
    ]  # fmt: skip


def test_a_contributor_is_led_to_its_shares_and_not_asked_for_data(ada: Party) -> None:
    named = contributors.name(owner=ada, label="Anna", at=NOON)
    anna = factories.user("anna@work.example", party=named.party)
    EmailAddress.objects.create(user=anna, email=anna.email, verified=True)
    assert next_of(named.party, anna) == "Look at your shares"
    contributors.divide(dataset=factories.dataset(ada), owner_weight=1, weights={named: 1}, at=NOON)
    assert next_of(named.party, anna) == "Say where to be paid"


def test_a_lab_and_an_operator_have_steps_of_their_own(lab: Party, operator: Party) -> None:
    lea = factories.user("lea@cobalt.example", party=lab)
    EmailAddress.objects.create(user=lea, email=lea.email, verified=True)
    assert next_of(lab, lea) == "Make a key"
    parties.issue_key(party=lab, name="k", scopes=[], created_by=lea, at=timezone.now())
    assert next_of(lab, lea) == "Pay in a deposit"
    olga = factories.user("olga@operations.example", party=operator)
    titles = {s.title for s in guide_of(Viewer(party=operator, role="admin", user=olga)).steps}
    assert "Invite a second operator" in titles
    assert "Offer a licence" not in titles


@pytest.mark.parametrize(
    ("written", "fetched"),
    [
        ("aurora/tides", "hf://datasets/aurora/tides"),
        ("https://huggingface.co/datasets/aurora/tides/", "hf://datasets/aurora/tides"),
        ("tides of the sea", None),
    ],
)
def test_a_dataset_of_the_hub_is_named_by_its_id(
    ada: Party, web: Client, written: str, fetched: str | None
) -> None:
    form = {"register-title": "Tides", "register-kind": "text", "register-hub": written}
    answer = web.post("/admin/provenance/dataset/do/register/", form)
    assert answer.status_code == (302 if fetched else 422)
    assert list(Upload.objects.values_list("url", flat=True)) == ([fetched] if fetched else [])


def test_one_source_is_asked_for_and_not_two(web: Client) -> None:
    form = {"register-title": "Tides", "register-kind": "text"}
    for more in ({}, {"register-hub": "a/b", "register-url": "https://a.example/b.jsonl"}):
        answer = web.post("/admin/provenance/dataset/do/register/", form | more)
        assert answer.status_code == 422
        assert b"one of the three" in answer.content
    assert not Upload.objects.exists()
