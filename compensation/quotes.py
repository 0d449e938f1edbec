"""Quotes: what a use will cost, item by item, at prices that bind while the quote is valid.

What a lab has used under the same plans in the running month is counted in, and so are the items
before, so that the quote is exactly what billing would charge now. A run that names the quote is
priced by its rates (provenance/usage.py), whatever the owner asks by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from compensation import periods, pricing
from compensation.models import Account, Tally
from compensation.pricing import Count
from provenance import ledger, licensing, plans
from provenance.models import (
    DatasetVersion,
    Grant,
    Licence,
    Party,
    Purpose,
    Quote,
    QuoteItem,
    Rate,
    User,
)
from provenance.refusals import Refused

MOST_ITEMS = 200


class BadQuote(Refused):
    """That cannot be quoted."""

    code = "bad_quote"
    status = 400
    hint = f"Name 1 to {MOST_ITEMS} versions, each once, and how much of each you expect to use."


class NotOnOffer(Refused):
    """No licence for that purpose is on offer."""

    code = "not_on_offer"
    hint = "Ask the owner to offer one, or leave this dataset out."


class SeveralLicences(Refused):
    """Several licences allow that purpose, at different terms."""

    code = "several_licences"
    status = 400
    hint = "Name one of them as `licence`."


@dataclass(frozen=True)
class Wanted:
    """What a lab expects to use of a version; `licence` where several are on offer."""

    version: DatasetVersion
    count: Count
    licence: UUID | None = None


@dataclass(frozen=True)
class Terms:
    """Under what licence a version would be used, and at what rate; None where that is free."""

    licence: Licence
    rate: Rate | None


class Ground(Protocol):
    """What was agreed with a lab, and what it used before."""

    def terms(
        self, lab: Party, version: DatasetVersion, purpose: str, licence: UUID | None, at: datetime
    ) -> Terms:
        """What a use would be priced by. Raises NotOnOffer or SeveralLicences."""
        ...

    def used(self, lab: Party, rate: Rate, period: str) -> int:
        """How much of the plan of `rate` was used in a month."""
        ...

    def period(self, at: datetime) -> str:
        """The month in which a use at `at` counts."""
        ...


@transaction.atomic
def make_quote(
    *, lab: Party, purpose: str, wanted: Sequence[Wanted], at: datetime, by: User | None = None
) -> Quote:
    """Price what `lab` expects to use, and bind the prices for QUOTE_VALIDITY_DAYS.

    Raises what `reckon` does.
    """
    quote, items = reckon(lab=lab, purpose=purpose, wanted=wanted, at=at, by=by)
    quote.save(force_insert=True)
    QuoteItem.objects.bulk_create(items)
    _record(quote, items, at)
    return quote


def reckon(
    *,
    lab: Party,
    purpose: str,
    wanted: Sequence[Wanted],
    at: datetime,
    by: User | None = None,
    ground: Ground | None = None,
) -> tuple[Quote, list[QuoteItem]]:
    """A quote as it would be made now; nothing is kept or promised.

    `ground` says what was agreed and used before, where that is not what the books say. Raises
    BadQuote, NotOnOffer, SeveralLicences or licensing.NotALab.
    """
    if not lab.is_lab:
        raise licensing.NotALab
    _require_sound(purpose, wanted)
    ground = ground or Books()
    quote = Quote(
        lab=lab,
        purpose=purpose,
        period=ground.period(at),
        asked_by=by,
        created_at=at,
        valid_until=at + timedelta(days=settings.QUOTE_VALIDITY_DAYS),
    )
    so_far = _SoFar(ground, lab, quote.period)
    return quote, [_item(quote, one, so_far, at) for one in wanted]


def expected(wanted: Wanted) -> Count:
    """What will be priced: records follow from epochs unless they were said, tokens from records.

    Tokens are counted as billing counts them: the sealed count times the part that is seen.
    """
    version, count = wanted.version, wanted.count
    records = count.records or count.epochs * version.record_count
    tokens = plans.tokens_used(
        record_count=records,
        reported_tokens=count.tokens,
        version_records=version.record_count,
        version_tokens=version.token_count,
    )
    return Count(records, tokens, count.epochs, count.fetches)


class Books:
    """The real ground of a quote: the lab's grants, and what it has used in the month."""

    def terms(
        self, lab: Party, version: DatasetVersion, purpose: str, licence: UUID | None, at: datetime
    ) -> Terms:
        """What a use that begins now would be priced by: the lab's grant, else what is on offer."""
        grant = Grant.objects.covering(
            lab=lab, version=version, purpose=purpose, at=at, licence=licence
        )
        if grant is not None and licence in (None, grant.licence_id):
            return Terms(grant.licence, grant.rate)
        return on_offer(version, purpose, licence, at)

    def used(self, lab: Party, rate: Rate, period: str) -> int:
        """How much of the plan of `rate` the lab has used in a month, in what the plan counts."""
        tally = Tally.objects.filter(
            account__kind=Account.Kind.LAB,
            account__party=lab,
            account__asset__code=rate.asset,
            plan=rate.plan_id,
            period=period,
        ).first()
        return tally.quantity if tally is not None else 0

    def period(self, at: datetime) -> str:
        """The journal's open month."""
        return periods.open_period(at)


class _SoFar:
    """How much of each plan a lab has used in a period, and what this quote adds to it."""

    def __init__(self, ground: Ground, lab: Party, period: str) -> None:
        self.ground, self.lab, self.period = ground, lab, period
        self._added: dict[tuple[int, str], int] = {}

    def used(self, rate: Rate) -> int:
        """What counts already before the next item at `rate`; nothing where no plan counts it."""
        if rate.plan_id is None:
            return 0
        before = self.ground.used(self.lab, rate, self.period)
        return before + self._added.get((rate.plan_id, rate.asset), 0)

    def add(self, rate: Rate, quantity: int) -> None:
        """Count an item of this quote in, for those after it."""
        if rate.plan_id is not None:
            key = (rate.plan_id, rate.asset)
            self._added[key] = self._added.get(key, 0) + quantity


def _item(quote: Quote, wanted: Wanted, so_far: _SoFar, at: datetime) -> QuoteItem:
    terms = so_far.ground.terms(quote.lab, wanted.version, quote.purpose, wanted.licence, at)
    count, rate = expected(wanted), terms.rate
    quantity = used = amount = 0
    if rate is not None:
        schedule = pricing.schedule(rate)
        quantity, used = pricing.quantity(rate.basis, count), so_far.used(rate)
        amount = schedule.price(used + quantity) - schedule.price(used)
        so_far.add(rate, quantity)
    if amount > licensing.LARGEST_PRICE:
        raise BadQuote(
            _("The price of %(version)s is greater than what we can count.")
            % {"version": wanted.version}
        )
    return QuoteItem(
        quote=quote,
        version=wanted.version,
        licence=terms.licence,
        rate=rate,
        record_count=count.records,
        token_count=count.tokens,
        epoch_count=count.epochs,
        fetch_count=count.fetches,
        quantity=quantity,
        used_quantity=used,
        amount_units=amount,
    )


def on_offer(version: DatasetVersion, purpose: str, licence: UUID | None, at: datetime) -> Terms:
    """What anybody may have at `at`. Raises NotOnOffer or SeveralLicences."""
    offers = Licence.objects.filter(
        dataset=version.dataset_id,
        purposes__contains=[purpose],
        is_offered=True,
        retired_at=None,
    ).order_by("created_at", "id")
    found = list(offers.filter(pk=licence) if licence else offers)
    if not found:
        raise NotOnOffer(
            _("Nothing allows '%(purpose)s' on %(version)s.")
            % {"purpose": purpose, "version": version}
        )
    if len(found) > 1:
        names = ", ".join(f"{one.pk} ({one.name})" for one in found)
        raise SeveralLicences(
            _("%(version)s is offered under: %(names)s.") % {"version": version, "names": names}
        )
    return Terms(found[0], licensing.rate_in_force(found[0], at))


def totals_of(items: Sequence[QuoteItem]) -> list[dict[str, Any]]:
    """The sum of the items in whole units, asset by asset."""
    sums: dict[str, int] = {}
    for item in items:
        if item.rate is not None:
            sums[item.rate.asset] = sums.get(item.rate.asset, 0) + item.amount_units
    return [{"asset": asset, "amount_units": units} for asset, units in sorted(sums.items())]


def _require_sound(purpose: str, wanted: Sequence[Wanted]) -> None:
    if purpose not in Purpose.values:
        raise BadQuote(
            _("'%(purpose)s' is no purpose.") % {"purpose": purpose},
            hint=_("One of: %(names)s.") % {"names": ", ".join(Purpose.values)},
        )
    if not 1 <= len(wanted) <= MOST_ITEMS:
        raise BadQuote(_("A quote has 1 to %(MOST_ITEMS)s items.") % {"MOST_ITEMS": MOST_ITEMS})
    if len({one.version.pk for one in wanted}) < len(wanted):
        raise BadQuote(_("A version is named twice."))
    for one in wanted:
        if one.version.state != DatasetVersion.State.SEALED:
            raise BadQuote(
                _("%(version)s is not on offer.") % {"version": one.version},
                hint=_("Name a sealed version."),
            )
        counts = (one.count.records, one.count.tokens, one.count.epochs, one.count.fetches)
        if not all(0 <= count <= licensing.LARGEST_QUANTITY for count in counts):
            raise BadQuote(
                _("What you expect to use of %(version)s is no count.") % {"version": one.version}
            )


def _record(quote: Quote, items: Sequence[QuoteItem], at: datetime) -> None:
    """The ledger keeps what was promised."""
    ledger.record(
        "quote.made",
        at=at,
        subject_kind="quote",
        subject_id=quote.pk,
        party=quote.lab,
        body={
            "purpose": quote.purpose,
            "valid_until": quote.valid_until,
            "items": [
                {
                    "version": item.version_id,
                    "licence": item.licence_id,
                    "rate": item.rate_id,
                    "quantity": item.quantity,
                    "amount_units": str(item.amount_units),
                }
                for item in items
            ],
        },
    )
