"""What is booked by hand above a limit takes two people, too."""

from __future__ import annotations

from decimal import Decimal

import pytest

from compensation import approvals, by_hand, conversions, invariants, limits
from compensation.models import Account, Asset
from deploy.environment import TwoPeople
from provenance import proposals
from provenance.models import Party, Proposal, User
from tests import doors
from tests.cast import NOON
from tests.compensation.conftest import held
from tests.compensation.test_approvals import approve

pytestmark = pytest.mark.django_db

Kind = Proposal.Kind


@pytest.fixture
def tight_hand(settings) -> None:
    """What is booked by hand above two euro takes two people."""
    two = {"*": Decimal(2)}
    settings.TWO_PEOPLE = TwoPeople(deposit=two, credit=two, funding=two)


BY_HAND = {
    Kind.DEPOSIT: {"reference": "wire 7"},
    Kind.CREDIT: {"reason": "A good customer."},
    Kind.FUNDING: {"reference": "own money"},
}


def booked(kind: Kind, lab: Party, units: int, by: User | None, at=NOON, **given: str):
    body = {"lab": str(lab.pk), "asset": "iso4217:EUR", "units": str(units), **BY_HAND[kind]}
    body |= given
    return approvals.attempt(kind=kind, subject=f"{kind} {units}", body=body, by=by, at=at)


def moved(kind: Kind, euro: Asset, lab: Party) -> int:
    if kind == Kind.CREDIT:
        return by_hand.limit_of(lab, euro)
    of_lab = kind == Kind.DEPOSIT
    return held(
        euro, Account.Kind.LAB if of_lab else Account.Kind.TREASURY, lab if of_lab else None
    )


@pytest.mark.parametrize("kind", list(BY_HAND))
def test_what_is_booked_by_hand_over_the_limit_waits_for_a_second_operator(
    kind: Kind, tight_hand: None, euro: Asset, lab: Party, olga: User, otto: User
) -> None:
    below = booked(kind, lab, 2_000_000, olga)
    assert not isinstance(below, Proposal)
    again = {} if kind == Kind.CREDIT else {"reference": "another"}
    waits = booked(kind, lab, 2_000_001, olga, **again)
    assert isinstance(waits, Proposal)
    assert moved(kind, euro, lab) == 2_000_000
    with pytest.raises(proposals.NotASecondPerson):
        approve(waits, olga)
    with pytest.raises(limits.TakesTwo):
        booked(kind, lab, 2_000_002, None, **({"reference": "third"} if again else {}))
    approve(waits, otto)
    assert moved(kind, euro, lab) == (2_000_001 if kind == Kind.CREDIT else 4_000_001)
    assert list(invariants.broken()) == []


def test_money_that_leaves_the_treasury_counts_as_much_as_what_comes(
    tight_hand: None, euro: Asset, lab: Party, olga: User
) -> None:
    booked(Kind.FUNDING, lab, 2_000_000, olga)
    conversions.fund_treasury(asset=euro, amount_units=9_000_000, reference="more", at=NOON)
    out = booked(Kind.FUNDING, lab, -2_000_001, olga, reference="out")
    assert isinstance(out, Proposal)


def test_a_deposit_that_is_booked_already_is_the_same_again_and_a_lower_limit_takes_one(
    tight_hand: None, euro: Asset, lab: Party, olga: User, otto: User
) -> None:
    approve(booked(Kind.DEPOSIT, lab, 3_000_000, olga), otto)
    assert not isinstance(booked(Kind.DEPOSIT, lab, 3_000_000, olga), Proposal)
    approve(booked(Kind.CREDIT, lab, 5_000_000, olga), otto)
    assert not isinstance(booked(Kind.CREDIT, lab, 4_000_000, olga), Proposal)
    assert by_hand.limit_of(lab, euro) == 4_000_000


def test_a_credit_limit_set_meanwhile_makes_the_waiting_one_void(
    tight_hand: None, euro: Asset, lab: Party, olga: User, otto: User
) -> None:
    waits = booked(Kind.CREDIT, lab, 3_000_000, olga)
    booked(Kind.CREDIT, lab, 1_000_000, olga)
    with pytest.raises(proposals.ProposalVoid):
        approve(waits, otto)
    assert by_hand.limit_of(lab, euro) == 1_000_000


def test_the_api_answers_202_over_the_limit(
    tight_hand: None, euro: Asset, lab: Party, operator: Party, olga: User
) -> None:
    door = doors.of(operator, by=olga)
    body = {"lab": str(lab.pk), "asset": euro.code, "reference": "wire 3"}
    door.post("deposits", {**body, "amount_units": 2_000_001}, 202)
    doors.of(operator).post("deposits", {**body, "amount_units": 2_000_002}, 409)
    door.post("deposits", {**body, "reference": "w", "amount_units": 2_000_000}, 201)
