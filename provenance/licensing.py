"""Terms: what an owner offers, what it costs, and what a lab was granted and for how long.

Registering grants nothing. A grant freezes what was agreed: licence text, price, term and who
accepted; later changes of licence or rate leave it alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from license_expression import ExpressionError, ExpressionParseError, get_spdx_licensing
from tallymark.canonical import canonical

from provenance import ledger
from provenance.ledger import moment
from provenance.models import Dataset, Grant, Licence, Party, Purpose, Rate, User
from provenance.refusals import Refused

ASSET = re.compile(
    r"[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}/[-a-z0-9]{3,8}:[-.%a-zA-Z0-9]{1,128}|iso4217:[A-Z]{3}"
)
LARGEST_PRICE = 2**63 - 1


class UnknownPurpose(Refused):
    """That is no purpose of use."""

    code = "unknown_purpose"
    status = 400
    hint = f"Choose from: {', '.join(Purpose.values)}."


class NothingOffered(Refused):
    """A licence must say what it allows, and on what terms."""

    code = "nothing_offered"
    status = 400
    hint = "Name at least one purpose, and an SPDX expression or the licence's text."


class NotSpdx(Refused):
    """That is not an SPDX licence expression."""

    code = "not_spdx"
    status = 400
    hint = "See spdx.org/licenses; for terms of your own write LicenseRef-NAME and give the text."


class BadRate(Refused):
    """That rate cannot be."""

    code = "bad_rate"
    status = 400
    hint = (
        "Give a price in whole units, an asset as CAIP-19 or iso4217:EUR, and a time from now on."
    )


class LicenceRetired(Refused):
    """This licence is no longer offered."""

    code = "licence_retired"
    hint = "Look for another licence of this dataset, or ask its owner."


class NotALab(Refused):
    """Only a party that is a lab asks for grants."""

    code = "not_a_lab"
    status = 403
    hint = "Ask the operator to make your organisation a lab."


class PurposeNotOffered(Refused):
    """The licence does not allow that purpose."""

    code = "purpose_not_offered"
    hint = "Ask only for purposes that the licence names, or ask the owner to offer more."


class GrantDecided(Refused):
    """This grant was decided already."""

    code = "grant_decided"
    hint = "Look at its state; ask for a new grant if you need other terms."


@transaction.atomic
def offer_licence(
    *,
    dataset: Dataset,
    name: str,
    spdx: str = "",
    text: str = "",
    purposes: Sequence[str],
    is_automatic: bool = False,
    shows_model_name: bool = False,
    term_days: int = 365,
    at: datetime,
    by: User | None = None,
) -> Licence:
    """Offer terms for a dataset. `is_automatic` gives grants for them without the owner's hand."""
    _require_purposes(purposes)
    if not purposes or not (spdx.strip() or text.strip()) or term_days < 1:
        raise NothingOffered
    licence = Licence.objects.create(
        dataset=dataset,
        name=name,
        spdx=_checked_spdx(spdx),
        text=text,
        purposes=sorted(set(purposes)),
        is_automatic=is_automatic,
        shows_model_name=shows_model_name,
        term_days=term_days,
        created_at=at,
    )
    body = {
        "dataset": dataset.id,
        "spdx": licence.spdx,
        "text_sha256": _text_digest(licence),
        "purposes": licence.purposes,
        "is_automatic": is_automatic,
        "shows_model_name": shows_model_name,
        "term_days": term_days,
        "by": str(by.pk) if by else None,
    }
    _record("licence.offered", licence, at, body)
    return licence


@transaction.atomic
def set_rate(
    *,
    licence: Licence,
    basis: str,
    price_units: int,
    asset: str,
    valid_from: datetime,
    at: datetime,
) -> Rate:
    """Set what use costs from `valid_from` on; the rate in force, or a planned one, ends there."""
    if basis not in Rate.Basis.values:
        raise BadRate(
            f"There is no basis '{basis}'.", hint=f"One of: {', '.join(Rate.Basis.values)}."
        )
    if not 0 <= price_units <= LARGEST_PRICE:
        raise BadRate("The price must be a whole number of units, not negative.")
    if not ASSET.fullmatch(asset):
        raise BadRate(f"'{asset}' names no asset.")
    if valid_from < at:
        raise BadRate("A rate cannot begin in the past.")
    Licence.objects.select_for_update(no_key=True).get(pk=licence.pk)
    standing = Rate.objects.filter(licence=licence)
    standing.filter(valid_from__gte=valid_from).update(valid_to=F("valid_from"))
    standing.filter(valid_from__lt=valid_from).filter(
        Q(valid_to=None) | Q(valid_to__gt=valid_from)
    ).update(valid_to=valid_from)
    rate = Rate.objects.create(
        licence=licence, basis=basis, price_units=price_units, asset=asset, valid_from=valid_from
    )
    _record("rate.set", licence, at, {"licence": licence.id, **_rate_terms(rate)})
    return rate


@transaction.atomic
def retire_licence(*, licence: Licence, at: datetime) -> Licence:
    """Offer it no longer; what was granted under it stays granted. Safe to repeat."""
    changed = Licence.objects.filter(pk=licence.pk, retired_at=None).update(
        retired_at=at, is_offered=False
    )
    licence.refresh_from_db()
    if changed:
        _record("licence.retired", licence, at, {})
    return licence


def rate_in_force(licence: Licence, at: datetime) -> Rate | None:
    """The rate of `licence` at `at`; None where use is free."""
    in_force = Q(valid_to=None) | Q(valid_to__gt=at)
    rates = Rate.objects.filter(in_force, licence=licence, valid_from__lte=at)
    return rates.order_by("-valid_from", "-id").first()


@transaction.atomic
def request_grant(
    *,
    lab: Party,
    licence: Licence,
    purposes: Sequence[str],
    message: str = "",
    at: datetime,
    by: User | None = None,
) -> Grant:
    """Ask for a licence; given at once where its owner opted in. Asking twice is asking once."""
    _require_purposes(purposes)
    if not lab.is_lab:
        raise NotALab
    licence = Licence.objects.select_for_update(no_key=True).get(pk=licence.pk)
    if not licence.is_offered or licence.retired_at is not None:
        raise LicenceRetired
    if not purposes or not set(purposes) <= set(licence.purposes):
        raise PurposeNotOffered(f"'{licence.name}' allows: {', '.join(licence.purposes)}.")
    if (standing := _standing_grant(lab, licence, purposes, at)) is not None:
        return standing
    grant = Grant.objects.create(
        lab=lab,
        dataset=licence.dataset,
        licence=licence,
        purposes=sorted(set(purposes)),
        message=message,
        requested_by=by,
        requested_at=at,
    )
    _record_grant("grant.requested", grant, at, {"purposes": grant.purposes})
    if licence.is_automatic:
        _give(grant, at=at, by=None, automatically=True)
    return grant


@transaction.atomic
def give_grant(*, grant: Grant, at: datetime, by: User | None = None) -> Grant:
    """Give what was asked, at the rate in force now. Safe to repeat."""
    locked = _locked(grant)
    if locked.state == Grant.State.GIVEN:
        return locked
    if locked.state != Grant.State.REQUESTED:
        raise GrantDecided(f"This grant is {locked.state}.")
    _give(locked, at=at, by=by, automatically=False)
    return locked


@transaction.atomic
def refuse_grant(*, grant: Grant, reason: str, at: datetime, by: User | None = None) -> Grant:
    """Say no to what was asked. Safe to repeat."""
    locked = _locked(grant)
    if locked.state == Grant.State.REFUSED:
        return locked
    if locked.state != Grant.State.REQUESTED:
        raise GrantDecided(f"This grant is {locked.state}.")
    locked.state, locked.reason = Grant.State.REFUSED, reason
    locked.decided_by, locked.decided_at = by, at
    locked.save(update_fields=["state", "reason", "decided_by", "decided_at"])
    _record_grant("grant.refused", locked, at, {})
    return locked


@transaction.atomic
def revoke_grant(*, grant: Grant, reason: str, at: datetime, by: User | None = None) -> Grant:
    """End a given grant now; what was used until now stays covered. Safe to repeat."""
    locked = _locked(grant)
    if locked.state == Grant.State.REVOKED:
        return locked
    if locked.state != Grant.State.GIVEN:
        raise GrantDecided(f"This grant is {locked.state}.")
    locked.state, locked.reason = Grant.State.REVOKED, reason
    locked.valid_to = min(at, locked.valid_to or at)
    locked.save(update_fields=["state", "reason", "valid_to"])
    _record_grant("grant.revoked", locked, at, {"by": str(by.pk) if by else None})
    return locked


def _give(grant: Grant, *, at: datetime, by: User | None, automatically: bool) -> None:
    """Freeze the terms and let the grant begin."""
    grant.rate = rate_in_force(grant.licence, at)
    grant.state = Grant.State.GIVEN
    grant.decided_by, grant.decided_at = by, at
    grant.decided_automatically = automatically
    grant.valid_from = at
    grant.valid_to = at + timedelta(days=grant.licence.term_days)
    grant.terms = _terms(grant)
    grant.save()
    digest = hashlib.sha256(canonical(grant.terms)).digest()
    body = {"terms_sha256": digest, "automatically": automatically, "purposes": grant.purposes}
    _record_grant("grant.given", grant, at, body)


def _terms(grant: Grant) -> dict[str, Any]:
    """What was agreed, in full, as text and whole numbers."""
    licence = grant.licence
    assert grant.valid_from is not None
    assert grant.valid_to is not None
    return {
        "licence": str(licence.id),
        "name": licence.name,
        "spdx": licence.spdx,
        "text": licence.text,
        "text_sha256": _text_digest(licence),
        "purposes": grant.purposes,
        "shows_model_name": licence.shows_model_name,
        "term_days": licence.term_days,
        "valid_from": moment(grant.valid_from),
        "valid_to": moment(grant.valid_to),
        "rate": _rate_terms(grant.rate) if grant.rate else None,
        "accepted_by": str(grant.requested_by_id) if grant.requested_by_id else None,
        "accepted_at": moment(grant.requested_at),
        "given_by": str(grant.decided_by_id) if grant.decided_by_id else None,
    }


def _rate_terms(rate: Rate) -> dict[str, Any]:
    return {
        "basis": rate.basis,
        "counter": rate.counter,
        # Text: a price may be greater than what every JSON reader can hold.
        "price_units": str(rate.price_units),
        "asset": rate.asset,
        "valid_from": moment(rate.valid_from),
    }


def _standing_grant(
    lab: Party, licence: Licence, purposes: Sequence[str], at: datetime
) -> Grant | None:
    """A grant of this licence that is asked for, or given and still valid, for these purposes."""
    asked = Q(state=Grant.State.REQUESTED)
    given = Q(state=Grant.State.GIVEN, valid_to__gt=at)
    grants = Grant.objects.filter(
        asked | given, lab=lab, licence=licence, purposes__contains=list(purposes)
    )
    return grants.order_by("requested_at", "id").first()


def _locked(grant: Grant) -> Grant:
    rows = Grant.objects.select_related("licence__dataset__owner", "lab", "dataset__owner")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=grant.pk)


def _require_purposes(purposes: Sequence[str]) -> None:
    unknown = [purpose for purpose in purposes if purpose not in Purpose.values]
    if unknown:
        raise UnknownPurpose(f"'{unknown[0]}' is no purpose of use.")


@cache
def _spdx() -> Any:
    """The SPDX licence list; reading it takes a moment."""
    return get_spdx_licensing()


def _checked_spdx(expression: str) -> str:
    """The expression in SPDX's own spelling; empty stays empty."""
    if not expression.strip():
        return ""
    try:
        parsed = _spdx().parse(expression)
    except (ExpressionError, ExpressionParseError) as error:
        raise NotSpdx(f"'{expression}' is not an SPDX expression.") from error
    unknown = [
        key for key in _spdx().unknown_license_keys(parsed) if not key.startswith("LicenseRef-")
    ]
    if unknown:
        raise NotSpdx(f"SPDX knows no licence '{unknown[0]}'.")
    return str(parsed)


def _text_digest(licence: Licence) -> str:
    """SHA-256 of the licence's text, which names it in the ledger."""
    return hashlib.sha256(licence.text.encode()).hexdigest()


def _record(kind: str, licence: Licence, at: datetime, body: dict[str, Any]) -> None:
    ledger.record(
        kind,
        at=at,
        subject_kind="licence",
        subject_id=licence.id,
        party=licence.dataset.owner,
        body=body,
    )


def _record_grant(kind: str, grant: Grant, at: datetime, body: dict[str, Any]) -> None:
    ledger.record(
        kind,
        at=at,
        subject_kind="grant",
        subject_id=grant.id,
        party=grant.dataset.owner,
        other_party=grant.lab,
        body={
            "dataset": grant.dataset_id,
            "lab": grant.lab_id,
            "licence": grant.licence_id,
            **body,
        },
    )
