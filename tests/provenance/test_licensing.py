"""Licences, rates and grants: registering grants nothing, and a grant freezes its terms."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from provenance import licensing
from provenance.licensing import (
    BadRate,
    GrantDecided,
    LicenceRetired,
    NotALab,
    NothingOffered,
    NotSpdx,
    PurposeNotOffered,
    UnknownPurpose,
)
from provenance.models import Dataset, Event, Grant, Licence, Party, Rate
from tests import factories
from tests.cast import NOON

DAY = timedelta(days=1)
ASSET = "eip155:31337/erc20:0x5FbDB2315678afecb367f032d93F642f64180aa3"


@pytest.fixture
def essays(ada: Party) -> Dataset:
    return factories.dataset(ada)


def offer(dataset: Dataset, **given) -> Licence:
    terms = {"name": "Training", "spdx": "cc-by-4.0", "purposes": ["pretrain"], "at": NOON, **given}
    return licensing.offer_licence(dataset=dataset, **terms)


def rate(licence: Licence, price_units: int = 5, valid_from=NOON, **given) -> Rate:
    terms = {"basis": "per_1k_records", "asset": ASSET, "at": NOON, **given}
    return licensing.set_rate(
        licence=licence, price_units=price_units, valid_from=valid_from, **terms
    )


def ask(lab: Party, licence: Licence, at=NOON, purposes=("pretrain",)) -> Grant:
    return licensing.request_grant(lab=lab, licence=licence, purposes=purposes, at=at)


def test_spdx_is_checked_and_spelt_as_spdx_does(essays: Dataset) -> None:
    assert offer(essays).spdx == "CC-BY-4.0"
    assert offer(essays, spdx="mit or LicenseRef-house").spdx == "MIT OR LicenseRef-house"
    for wrong in ("No-Such-Licence", "MIT AND", "((("):
        with pytest.raises(NotSpdx):
            offer(essays, spdx=wrong)


def test_a_licence_offers_something_on_some_terms(essays: Dataset) -> None:
    for wrong in ({"purposes": []}, {"spdx": ""}, {"term_days": 0}):
        with pytest.raises(NothingOffered):
            offer(essays, **wrong)
    with pytest.raises(UnknownPurpose):
        offer(essays, purposes=["fun"])


def test_a_new_rate_ends_the_one_in_force(essays: Dataset) -> None:
    licence = offer(essays)
    first = rate(licence, 5)
    second = rate(licence, 7, NOON + 2 * DAY)
    third = rate(licence, 9, NOON + DAY)
    for standing, end in ((first, NOON + DAY), (second, NOON + 2 * DAY), (third, None)):
        standing.refresh_from_db()
        assert standing.valid_to == end
    prices = [
        found.price_units
        for day in range(4)
        if (found := licensing.rate_in_force(licence, NOON + day * DAY))
    ]
    assert prices == [5, 9, 9, 9]
    assert licensing.rate_in_force(licence, NOON - DAY) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"basis": "per_hour"},
        {"price_units": -1},
        {"price_units": 2**63},
        {"asset": "euros"},
        {"valid_from": NOON - DAY},
    ],
)
def test_a_rate_that_cannot_be_is_refused(essays: Dataset, wrong: dict) -> None:
    with pytest.raises(BadRate):
        rate(offer(essays), **wrong)


def test_a_grant_waits_for_its_owner_unless_that_opted_in(essays: Dataset, lab: Party) -> None:
    assert ask(lab, offer(essays)).state == Grant.State.REQUESTED
    given = ask(lab, offer(essays, is_automatic=True))
    assert (given.state, given.decided_automatically) == (Grant.State.GIVEN, True)
    assert given.valid_to == NOON + 365 * DAY


def test_a_grant_freezes_what_was_agreed(essays: Dataset, lab: Party) -> None:
    licence = offer(essays, text="Be kind.")
    rate(licence, 5)
    by = factories.user("lab@cobalt.example", party=lab)
    asked = licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=NOON, by=by)
    grant = licensing.give_grant(grant=asked, at=NOON + DAY)
    rate(licence, 50, NOON + 2 * DAY)
    Licence.objects.filter(pk=licence.pk).update(text="Be cruel.")
    grant.refresh_from_db()
    assert grant.rate is not None
    assert grant.rate.price_units == 5
    assert grant.terms["text"] == "Be kind."
    assert grant.terms["rate"]["price_units"] == "5"
    assert grant.terms["accepted_by"] == str(by.pk)
    with pytest.raises(Exception, match="frozen"), transaction.atomic():
        Grant.objects.filter(pk=grant.pk).update(terms={})
    assert len(Event.objects.get(kind="grant.given").body["terms_sha256"]) == 64


def test_asking_twice_is_asking_once(essays: Dataset, lab: Party) -> None:
    licence = offer(essays, is_automatic=True)
    assert ask(lab, licence) == ask(lab, licence)
    assert ask(lab, licence, at=NOON + 400 * DAY) != ask(lab, licence)


def test_only_a_lab_asks_and_only_for_what_is_offered(
    essays: Dataset, lab: Party, ben: Party
) -> None:
    licence = offer(essays)
    with pytest.raises(NotALab):
        ask(ben, licence)
    with pytest.raises(PurposeNotOffered):
        ask(lab, licence, purposes=["finetune"])
    licensing.retire_licence(licence=licence, at=NOON)
    with pytest.raises(LicenceRetired):
        ask(lab, licence)


def test_a_decided_grant_is_decided(essays: Dataset, lab: Party) -> None:
    licence = offer(essays)
    refused = licensing.refuse_grant(grant=ask(lab, licence), reason="No.", at=NOON)
    assert licensing.refuse_grant(grant=refused, reason="No.", at=NOON) == refused
    with pytest.raises(GrantDecided):
        licensing.give_grant(grant=refused, at=NOON)
    with pytest.raises(GrantDecided):
        licensing.revoke_grant(grant=ask(lab, licence), reason="Changed my mind.", at=NOON)


def test_revoking_ends_a_grant_now(essays: Dataset, lab: Party) -> None:
    given = ask(lab, offer(essays, is_automatic=True))
    revoked = licensing.revoke_grant(grant=given, reason="Breach.", at=NOON + DAY)
    assert (revoked.state, revoked.valid_to) == (Grant.State.REVOKED, NOON + DAY)
