"""Subscriptions: an owner's bundle of licences for a flat amount a month.

The price is owed for each calendar month (in PERIOD_ZONE) that a subscription touches, in full.
Subscribing gives the lab a grant of each licence, under which use costs nothing more; ending it
keeps the grants until the end of the month.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from provenance import ledger
from provenance.licensing.grants import LicenceRetired, NotALab, give_with, revoke_with
from provenance.licensing.rates import LARGEST_PRICE, BadRate, require_asset
from provenance.models import Bundle, Grant, Licence, Party, Subscription, User
from provenance.refusals import Refused

MOST_LICENCES = 200


class BadBundle(Refused):
    """That bundle cannot be."""

    code = "bad_bundle"
    status = 400
    hint = f"Name 1 to {MOST_LICENCES} licences of your own that are on offer."


class BundleRetired(Refused):
    """This bundle is no longer offered."""

    code = "bundle_retired"
    hint = "Look for another bundle of this owner, or ask for grants of single licences."


class OwnBundle(Refused):
    """Nobody subscribes to its own data."""

    code = "own_bundle"
    hint = "Use of your own data costs nothing."


@transaction.atomic
def offer_bundle(
    *,
    owner: Party,
    name: str,
    licences: Sequence[Licence],
    price_units: int,
    asset: str,
    at: datetime,
) -> Bundle:
    """Offer licences together for a flat amount a month; it never changes after.

    Whoever subscribes is granted each of them. Raises BadBundle, BadRate.
    """
    if not 1 <= len(licences) <= MOST_LICENCES:
        raise BadBundle(
            _("A bundle has 1 to %(most_licences)s licences.") % {"most_licences": MOST_LICENCES}
        )
    if any(one.dataset.owner_id != owner.pk or one.retired_at for one in licences):
        raise BadBundle(_("One of the licences is not yours, or is retired."))
    if not 0 < price_units <= LARGEST_PRICE:
        raise BadRate(_("The price a month must be a whole number of units above 0."))
    require_asset(asset)
    bundle = Bundle.objects.create(
        owner=owner, name=name, price_units=price_units, asset=asset, created_at=at
    )
    bundle.licences.set(licences)
    body = {
        "licences": sorted(str(one.pk) for one in licences),
        "price_units": str(price_units),
        "asset": asset,
    }
    _record("bundle.offered", bundle, at, body)
    return bundle


@transaction.atomic
def retire_bundle(*, bundle: Bundle, at: datetime) -> Bundle:
    """Offer it no longer; subscriptions to it go on. Safe to repeat."""
    if Bundle.objects.filter(pk=bundle.pk, retired_at=None).update(retired_at=at):
        _record("bundle.retired", bundle, at, {})
    bundle.refresh_from_db()
    return bundle


@transaction.atomic
def subscribe(*, lab: Party, bundle: Bundle, at: datetime, by: User | None = None) -> Subscription:
    """Subscribe a lab from now on; a standing subscription is given back as it is."""
    if not lab.is_lab:
        raise NotALab
    bundle = Bundle.objects.select_for_update(no_key=True).get(pk=bundle.pk)
    if bundle.owner_id == lab.pk:
        raise OwnBundle
    standing = Subscription.objects.filter(lab=lab, bundle=bundle, ends_at=None).first()
    if standing is not None:
        return standing
    licences = bundle.licences.filter(retired_at=None).select_related("dataset__owner")
    if bundle.retired_at is not None:
        raise BundleRetired
    if not licences:
        raise LicenceRetired
    subscription = Subscription.objects.create(
        lab=lab, bundle=bundle, subscribed_by=by, started_at=at
    )
    _record_subscription("subscription.started", subscription, at, {})
    for licence in licences.order_by("pk"):
        give_with(subscription, licence, at=at, by=by)
    return subscription


@transaction.atomic
def unsubscribe(*, subscription: Subscription, at: datetime) -> Subscription:
    """End it with this month, which is owed still; its grants end then too. Safe to repeat."""
    rows = Subscription.objects.select_related("lab", "bundle__owner")
    locked = rows.select_for_update(of=("self",), no_key=True).get(pk=subscription.pk)
    if locked.ends_at is not None:
        return locked
    locked.ends_at = month_end(max(at, locked.started_at))
    locked.save(update_fields=["ends_at"])
    _record_subscription("subscription.ended", locked, at, {"ends_at": locked.ends_at})
    for grant in locked.grants.filter(state=Grant.State.GIVEN).order_by("pk"):
        revoke_with(grant, ends_at=locked.ends_at, at=at)
    return locked


def month_end(at: datetime) -> datetime:
    """The first moment of the calendar month, in PERIOD_ZONE, after the one of `at`."""
    zone = ZoneInfo(settings.PERIOD_ZONE)
    here = at.astimezone(zone)
    years, month = divmod(here.month, 12)
    return datetime(here.year + years, month + 1, 1, tzinfo=zone)


def _record(kind: str, bundle: Bundle, at: datetime, body: dict[str, Any]) -> None:
    ledger.record(
        kind,
        at=at,
        subject_kind="bundle",
        subject_id=bundle.pk,
        party=bundle.owner,
        body=body,
    )


def _record_subscription(
    kind: str, subscription: Subscription, at: datetime, body: dict[str, Any]
) -> None:
    ledger.record(
        kind,
        at=at,
        subject_kind="subscription",
        subject_id=subscription.pk,
        party=subscription.lab,
        other_party=subscription.bundle.owner,
        body={"bundle": subscription.bundle_id, "lab": subscription.lab_id, **body},
    )
