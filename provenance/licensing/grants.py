"""Grants: a lab asks, the owner gives, refuses or revokes; what was agreed is frozen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from tallymark.canonical import canonical

from provenance import coverage, ledger
from provenance.ledger import moment
from provenance.licensing.offers import require_purposes, text_digest
from provenance.licensing.rates import rate_in_force, rate_terms
from provenance.models import Grant, Licence, Party, Subscription, User
from provenance.refusals import Refused
from provenance.states import within


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


class GrantOfSubscription(Refused):
    """This grant is paid for by a subscription and ends with it."""

    code = "grant_of_subscription"
    hint = "End the subscription: it and its grants last until the end of the month."


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
    licence = Licence.objects.select_for_update(no_key=True).get(pk=licence.pk)
    require_offered(lab, licence, purposes)
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


def require_offered(lab: Party, licence: Licence, purposes: Sequence[str]) -> None:
    """Raise unless `lab` may ask for `purposes` under `licence` as it stands.

    UnknownPurpose, NotALab, LicenceRetired or PurposeNotOffered.
    """
    require_purposes(purposes)
    if not lab.is_lab:
        raise NotALab
    if not licence.is_offered or licence.retired_at is not None:
        raise LicenceRetired
    if not purposes or not set(purposes) <= set(licence.purposes):
        raise PurposeNotOffered(
            _("'%(name)s' allows: %(purposes)s.")
            % {"name": licence.name, "purposes": ", ".join(licence.purposes)}
        )


@transaction.atomic
def give_grant(*, grant: Grant, at: datetime, by: User | None = None) -> Grant:
    """Give what was asked, at the rate in force now. Safe to repeat."""
    locked = _locked(grant)
    if locked.state == Grant.State.GIVEN:
        return locked
    if locked.state != Grant.State.REQUESTED:
        raise GrantDecided(_("This grant is %(state)s.") % {"state": within(locked.state)})
    _give(locked, at=at, by=by, automatically=False)
    return locked


@transaction.atomic
def refuse_grant(*, grant: Grant, reason: str, at: datetime, by: User | None = None) -> Grant:
    """Say no to what was asked. Safe to repeat."""
    locked = _locked(grant)
    if locked.state == Grant.State.REFUSED:
        return locked
    if locked.state != Grant.State.REQUESTED:
        raise GrantDecided(_("This grant is %(state)s.") % {"state": within(locked.state)})
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
        raise GrantDecided(_("This grant is %(state)s.") % {"state": within(locked.state)})
    if locked.subscription_id is not None:
        raise GrantOfSubscription
    locked.state, locked.reason = Grant.State.REVOKED, reason
    locked.valid_to = min(at, locked.valid_to or at)
    locked.save(update_fields=["state", "reason", "valid_to"])
    _record_grant("grant.revoked", locked, at, {"by": str(by.pk) if by else None})
    return locked


def give_with(
    subscription: Subscription, licence: Licence, *, at: datetime, by: User | None
) -> Grant:
    """Give the grant that comes with a subscription: for all its purposes, while it lasts."""
    grant = Grant(
        lab=subscription.lab,
        dataset=licence.dataset,
        licence=licence,
        subscription=subscription,
        purposes=sorted(licence.purposes),
        requested_by=by,
        requested_at=at,
    )
    _give(grant, at=at, by=None, automatically=True)
    return grant


def revoke_with(grant: Grant, *, ends_at: datetime, at: datetime) -> None:
    """End the grant of a subscription with it."""
    locked = _locked(grant)
    locked.state, locked.reason = Grant.State.REVOKED, "The subscription ended."
    locked.valid_to = ends_at
    locked.save(update_fields=["state", "reason", "valid_to"])
    _record_grant("grant.revoked", locked, at, {"by": None})


def _give(grant: Grant, *, at: datetime, by: User | None, automatically: bool) -> None:
    """Freeze the terms and let the grant begin."""
    has_price = grant.subscription_id is None
    grant.rate = rate_in_force(grant.licence, at) if has_price else None
    grant.state = Grant.State.GIVEN
    grant.decided_by, grant.decided_at = by, at
    grant.decided_automatically = automatically
    grant.valid_from = at
    grant.valid_to = at + timedelta(days=grant.licence.term_days) if has_price else None
    grant.terms = frozen_terms(grant)
    grant.save()
    digest = hashlib.sha256(canonical(grant.terms)).digest()
    body = {"terms_sha256": digest, "automatically": automatically, "purposes": grant.purposes}
    _record_grant("grant.given", grant, at, body)
    coverage.cover(grant, at=at)


def frozen_terms(grant: Grant) -> dict[str, Any]:
    """What was agreed, in full, as text and whole numbers."""
    licence = grant.licence
    assert grant.valid_from is not None
    return {
        "licence": str(licence.id),
        "name": licence.name,
        "spdx": licence.spdx,
        "text": licence.text,
        "text_sha256": text_digest(licence),
        "purposes": grant.purposes,
        "shows_model_name": licence.shows_model_name,
        "term_days": licence.term_days,
        "valid_from": moment(grant.valid_from),
        "valid_to": moment(grant.valid_to) if grant.valid_to else None,
        "subscription": str(grant.subscription_id) if grant.subscription_id else None,
        "rate": rate_terms(grant.rate) if grant.rate else None,
        "accepted_by": str(grant.requested_by_id) if grant.requested_by_id else None,
        "accepted_at": moment(grant.requested_at),
        "given_by": str(grant.decided_by_id) if grant.decided_by_id else None,
    }


def _standing_grant(
    lab: Party, licence: Licence, purposes: Sequence[str], at: datetime
) -> Grant | None:
    """A grant of this licence that is asked for, or given and still valid, for these purposes."""
    asked = Q(state=Grant.State.REQUESTED)
    given = Q(state=Grant.State.GIVEN) & (Q(valid_to=None) | Q(valid_to__gt=at))
    grants = Grant.objects.filter(
        asked | given, lab=lab, licence=licence, purposes__contains=list(purposes)
    )
    return grants.order_by("requested_at", "id").first()


def _locked(grant: Grant) -> Grant:
    rows = Grant.objects.select_related("licence__dataset__owner", "lab", "dataset__owner")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=grant.pk)


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
