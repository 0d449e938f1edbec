"""What the pages of conflicts, overlaps and datasets say of one another, and what they offer."""

from __future__ import annotations

import re

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from provenance.models import Conflict, DatasetVersion, Party, User
from tests import factories
from tests.cast import NOON
from tests.provenance.conftest import DAY, SAME, claimed, decided, fresh, held, to_decide
from tests.provenance.test_answering_page import signed_in

pytestmark = pytest.mark.django_db

State = Conflict.State


def page(subject: Model, *verb: str) -> str:
    name = f"admin:provenance_{subject._meta.model_name}_{'verb' if verb else 'change'}"
    return reverse(name, args=[subject.pk, *verb])


def read(client: Client, subject: Model) -> str:
    return client.get(page(subject)).content.decode()


def test_each_keeps_its_own_is_said_on_the_page_of_the_conflict(
    conflict: Conflict, bens: DatasetVersion, ada: Party
) -> None:
    client, address = signed_in(ada), page(conflict, "keep")
    assert address in read(client, conflict)
    said = client.post(address, follow=True).content.decode()
    assert "the other side was told" in said
    assert (held(bens), fresh(conflict).state) == (0, State.CLOSED)
    assert address not in read(client, conflict)


def test_a_newcomer_gives_its_records_up_on_the_page_and_has_nothing_to_let_go(
    conflict: Conflict, ben: Party
) -> None:
    client = signed_in(ben)
    assert page(conflict, "keep") not in read(client, conflict)
    client.post(page(conflict, "give"), {"give-text": "We took them over."})
    assert conflict.resolutions.get().outcome == "to_earlier"
    assert conflict.resolutions.get().reasons == "We took them over."


def test_a_claim_is_asked_for_only_while_one_can_be_made(
    conflict: Conflict, ada: Party, olga: User
) -> None:
    asks = "if the records are yours, say so with a claim"
    assert asks in read(signed_in(ada), conflict)
    claimed(conflict, ada)
    assert asks not in read(signed_in(ada), conflict)


def test_the_list_says_whose_turn_it_is_while_either_may_appeal(
    conflict: Conflict, ada: Party, olga: User
) -> None:
    to_decide(conflict)
    decided(conflict, olga)
    inbox = signed_in(ada).get(reverse("admin:provenance_conflict_changelist")).content.decode()
    assert re.search(r"field-whose_turn[^>]*>\s*either side may appeal\s*<", inbox)


def test_an_overlap_says_the_one_reason_why_it_opened_no_conflict(
    conflict: Conflict, adas: DatasetVersion, bens: DatasetVersion, ada: Party
) -> None:
    client = signed_in(ada)
    again = factories.version(bens.dataset, SAME, keys=["n1", "n2", "n3"], at=NOON + DAY)
    settled = factories.overlap(again, adas, [(SAME[0], SAME[0])])
    assert "these records were in question before" in read(client, settled)
    assert page(conflict) in read(client, settled)
    own = factories.version(factories.dataset(ada, "own"), SAME)
    alike = factories.overlap(own, adas, [(SAME[0], SAME[0])])
    assert "both datasets have one owner" in read(client, alike)
    cato = factories.party("Cato Prints", is_owner=True)
    lead = factories.overlap(factories.version(factories.dataset(cato), SAME), adas, [])
    assert "only a lead" in read(client, lead)
    assert "one owner" not in read(client, lead)


def test_a_dataset_names_the_conflicts_in_which_its_records_are_in_question(
    conflict: Conflict, ada: Party, olga: User
) -> None:
    address = reverse("admin:provenance_dataset_change", args=[conflict.earlier_id])
    shown = signed_in(ada).get(address).content.decode()
    assert page(conflict) in shown
    assert "Found; nobody has claimed yet" in shown
    to_decide(conflict)
    decided(conflict, olga)
    assert "Conflicts that are open" not in signed_in(ada).get(address).content.decode()


def test_the_facts_of_a_statement_stand_in_one_order_without_codes_and_iso_dates(
    conflict: Conflict, ada: Party, olga: User
) -> None:
    to_decide(conflict)
    decided(conflict, olga)
    client = signed_in(ada)
    statement = ada.statements.get(kind="decision")
    shown = read(client, statement)
    assert f"Decision, to {ada.name}" in shown
    facts = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", shown.split("The facts it rests on")[1])
    assert [name for name, _value in facts] == [
        "Side", "Later", "Earlier", "Records by kind", "Records that match, as estimated",
        "Detector", "Wrong matches", "Outcome", "From when it holds", "Records concerned",
        "Until", "Reasons",
    ]  # fmt: skip
    said = dict(facts)
    assert said["Records by kind"] == "3 exact"
    assert said["Records that match, as estimated"] == "3"
    assert said["Wrong matches"] == "at most 1,000 of 1,000,000 unrelated records"
    assert said["Outcome"] == "The records are the earlier registrant&#x27;s"
    assert "31 Mar 2026, 12:00 UTC" in said["Until"]


def test_an_overlap_counted_exactly_has_no_interval_and_kinds_are_told_apart(
    conflict: Conflict, ada: Party
) -> None:
    found = conflict.overlap
    assert found is not None
    found.semantic_count = 2000
    found.save(update_fields=["semantic_count"])
    client = signed_in(ada)
    shown = read(client, found)
    assert "3 exact, 2,000 same meaning (a lead only)" in shown
    assert "about 3 of the 5 records truly overlap: corrected" in shown
    listed = client.get(reverse("admin:provenance_overlap_changelist")).content.decode()
    assert re.search(r"field-matching[^>]*>\s*3; 3\s*<", listed)
    assert "at most 1,000 of 1,000,000" in listed
    found.interval_high = 4
    found.save(update_fields=["interval_high"])
    assert "with 95 % certainty 3 to 4" in read(client, found)
