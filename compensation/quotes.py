"""Quotes: what a use will cost, item by item, at prices that bind while the quote is valid.

What a lab has used under the same plans in the running month is counted in, and so are the items
before, so that the quote is exactly what billing would charge now. A run that names the quote is
priced by its rates (provenance/usage.py), whatever the owner asks by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from compensation import periods, pricing
from compensation.models import Account, Tally
from compensation.pricing import Count
from provenance import ledger, licensing
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
    *, lab: Party, purpose: str, wanted: Sequence[Wanted], at: datetime, by: User | None = None
) -> tuple[Quote, list[QuoteItem]]:
    """A quote as it would be made now; nothing is kept or promised.

    Raises BadQuote, NotOnOffer, SeveralLicences or licensing.NotALab.
    """
    if not lab.is_lab:
        raise licensing.NotALab
    _require_sound(purpose, wanted)
    quote = Quote(
        lab=lab,
        purpose=purpose,
        period=periods.open_period(at),
        asked_by=by,
        created_at=at,
        valid_until=at + timedelta(days=settings.QUOTE_VALIDITY_DAYS),
    )
    so_far = _SoFar(lab, quote.period)
    return quote, [_item(quote, one, so_far, at) for one in wanted]


def expected(wanted: Wanted) -> Count:
    """What will be priced: records follow from epochs unless they were said, tokens from records.

    Tokens are counted as billing counts them: the sealed count times the part that is seen.
    """
    version, count = wanted.version, wanted.count
    records = count.records or count.epochs * version.record_count
    tokens = pricing.tokens_used(
        record_count=records,
        reported_tokens=count.tokens,
        version_records=version.record_count,
        version_tokens=version.token_count,
    )
    return Count(records, tokens, count.epochs, count.fetches)


class _SoFar:
    """How much of each plan a lab has used in a period, and what this quote adds to it."""

    def __init__(self, lab: Party, period: str) -> None:
        self.lab, self.period = lab, period
        self._added: dict[tuple[int, str], int] = {}

    def used(self, rate: Rate) -> int:
        """What counts already before the next item at `rate`; nothing where no plan counts it."""
        if rate.plan_id is None:
            return 0
        tally = Tally.objects.filter(
            account__kind=Account.Kind.LAB,
            account__party=self.lab,
            account__asset__code=rate.asset,
            plan=rate.plan_id,
            period=self.period,
        ).first()
        before = tally.quantity if tally is not None else 0
        return before + self._added.get((rate.plan_id, rate.asset), 0)

    def add(self, rate: Rate, quantity: int) -> None:
        """Count an item of this quote in, for those after it."""
        if rate.plan_id is not None:
            key = (rate.plan_id, rate.asset)
            self._added[key] = self._added.get(key, 0) + quantity


def _item(quote: Quote, wanted: Wanted, so_far: _SoFar, at: datetime) -> QuoteItem:
    terms = terms_for(quote.lab, wanted.version, quote.purpose, wanted.licence, at)
    count, rate = expected(wanted), terms.rate
    quantity = used = amount = 0
    if rate is not None:
        schedule = pricing.schedule(rate)
        quantity, used = pricing.quantity(rate.basis, count), so_far.used(rate)
        amount = schedule.price(used + quantity) - schedule.price(used)
        so_far.add(rate, quantity)
    if amount > licensing.LARGEST_PRICE:
        raise BadQuote(f"The price of {wanted.version} is greater than what we can count.")
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


def terms_for(
    lab: Party, version: DatasetVersion, purpose: str, licence: UUID | None, at: datetime
) -> Terms:
    """What a use that begins now would be priced by: the lab's grant, else what is on offer."""
    grant = Grant.objects.covering(
        lab=lab, version=version, purpose=purpose, at=at, licence=licence
    )
    if grant is not None and licence in (None, grant.licence_id):
        return Terms(grant.licence, grant.rate)
    offers = Licence.objects.filter(
        dataset=version.dataset_id,
        purposes__contains=[purpose],
        is_offered=True,
        retired_at=None,
    ).order_by("created_at", "id")
    found = list(offers.filter(pk=licence) if licence else offers)
    if not found:
        raise NotOnOffer(f"Nothing allows '{purpose}' on {version}.")
    if len(found) > 1:
        names = ", ".join(f"{one.pk} ({one.name})" for one in found)
        raise SeveralLicences(f"{version} is offered under: {names}.")
    return Terms(found[0], licensing.rate_in_force(found[0], at))


def _require_sound(purpose: str, wanted: Sequence[Wanted]) -> None:
    if purpose not in Purpose.values:
        raise BadQuote(f"'{purpose}' is no purpose.", hint=f"One of: {', '.join(Purpose.values)}.")
    if not 1 <= len(wanted) <= MOST_ITEMS:
        raise BadQuote(f"A quote has 1 to {MOST_ITEMS} items.")
    if len({one.version.pk for one in wanted}) < len(wanted):
        raise BadQuote("A version is named twice.")
    for one in wanted:
        if one.version.state != DatasetVersion.State.SEALED:
            raise BadQuote(f"{one.version} is not on offer.", hint="Name a sealed version.")
        counts = (one.count.records, one.count.tokens, one.count.epochs, one.count.fetches)
        if not all(0 <= count <= licensing.LARGEST_QUANTITY for count in counts):
            raise BadQuote(f"What you expect to use of {one.version} is no count.")


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
