"""The first page: figures that say what is so, and facts that say what they are about."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from compensation import payouts, settlement
from compensation.admin.dashboard import cards
from compensation.models import Asset
from provenance.access import Viewer
from provenance.models import DatasetVersion, Party
from tests import factories
from tests.cast import NOON
from tests.compensation.conftest import grant, use
from tests.paying import ADAS_ADDRESS, address, dollar, drive, earn, paid_lab

__all__ = ["dollar", "drive", "paid_lab"]


def said(party: Party) -> dict[str, tuple[str, str]]:
    """An owner's cards of money: value and words by title."""
    viewer = Viewer(party=party, role="admin")
    return {card.title: (card.value, card.words) for card in cards(viewer, NOON)}


def test_nothing_is_said_in_words_that_fit_it(ada: Party, euro: Asset):
    assert said(ada) == {
        "Payable": ("Nothing", "is to be paid to you now"),
        "Held back": ("Nothing", "waits to become payable"),
        "In question": ("Nothing", "is held because of a conflict"),
    }


def test_what_is_ready_on_the_chain_is_to_be_claimed_until_it_is(
    ada, paid_lab, dollar, clock, drive
):
    earn(paid_lab, ada, dollar, clock)
    assert said(ada)["Payable"] == ("0.25 TUSD", "waits until you say where to be paid")
    address(ada, ADAS_ADDRESS, clock)
    assert said(ada)["Payable"] == ("0.25 TUSD", "goes out with the next payout")
    payouts.build_epoch(dollar, clock())
    drive()
    shown = said(ada)
    assert shown["To claim"] == ("0.25 TUSD", "is ready for you on the chain")
    assert "Payable" not in shown
    settlement.claim(party=ada, asset=dollar, at=clock())
    assert "To claim" not in said(ada)


def home(party: Party, email: str) -> str:
    client = Client()
    client.force_login(factories.user(email, party=party))
    return client.get(reverse("admin:index")).content.decode()


def test_the_newest_facts_name_what_they_are_about_to_whom_it_concerns(
    rich_lab: Party, ada: Party, ben: Party, operator: Party, essays: DatasetVersion
):
    grant(rich_lab, essays)
    use(rich_lab, essays, records=10)
    for party, email in ((ada, "ada@aurora.example"), (rich_lab, "lea@cobalt.example")):
        facts = home(party, email).split("The newest facts")[1]
        assert "A dataset was used" in facts
        assert str(essays) in facts
    for party, email in ((ben, "ben@birch.example"), (operator, "olga@tallymark.example")):
        assert str(essays) not in home(party, email).split("The newest facts")[1]
