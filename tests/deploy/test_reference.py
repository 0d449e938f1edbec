"""The API's reference reads as a page of words, not as the source it is made from."""

from __future__ import annotations

import pytest
from django.test import Client

from deploy.reference import operations


@pytest.mark.django_db
def test_no_backtick_is_left_and_no_summary_ends_within_a_word() -> None:
    page = Client().get("/api/docs").content.decode()
    assert "`" not in page
    assert "…" not in page
    assert "<code>tallymark verify</code>" in page


def test_addresses_of_operators_say_so() -> None:
    nouns = {"bank-accounts", "bank-bookings", "bank-files", "payment-runs", "payout-bounds",
             "payout-exports", "reconciliation"}  # fmt: skip
    found = [one for one in operations() if one.noun in nouns]
    assert {one.noun for one in found} == nouns
    unsaid = [one.path for one in found if "operators only" not in one.words]
    assert unsaid == []
