"""Issues what a closed period asks for: each document once, or not at all.

What is due is the difference between the journal and what was issued, so that a repeat issues
nothing, and a document that was taken back is followed by its correct successor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Sum
from django.utils.translation import gettext as _
from tallymark.canonical import canonical

from compensation.invoices import vat
from compensation.invoices.document import as_document, local
from compensation.invoices.lines import Net, Part, nets_of, parts_of
from compensation.invoices.profiles import Terms, Waits, frozen, terms_for
from compensation.models import (
    Account,
    Asset,
    Balance,
    Invoice,
    InvoicedPeriod,
    InvoiceEvent,
    InvoiceLine,
    InvoiceWaiting,
    Line,
    Period,
    Side,
)
from provenance import kept, ledger
from provenance.models import Party, User
from provenance.refusals import Refused

Kind = Invoice.Kind
PREFIXES = {
    Kind.INVOICE: "INV",
    Kind.CREDIT_NOTE: "CRN",
    Kind.SELF_BILLED: "SBI",
    Kind.SELF_BILLED_CREDIT: "SBC",
}
# The kinds of a side: what is owed, and what is given back.
KINDS = {
    Side.LAB: (Kind.INVOICE, Kind.CREDIT_NOTE),
    Side.OWNER: (Kind.SELF_BILLED, Kind.SELF_BILLED_CREDIT),
}


class PeriodIsOpen(Refused):
    """This period is not closed yet."""

    code = "period_is_open"
    hint = "Invoices are issued when nothing more can enter the period: close it first."


class NothingToCorrect(Refused):
    """This document was taken back already, or takes one back itself."""

    code = "nothing_to_correct"
    hint = "Correct the document that stands in its place."


class NoReason(Refused):
    """A correction says why."""

    code = "no_reason"
    status = 400
    hint = "Say what was wrong; it stands on the credit note."


def issue_due(*, at: datetime) -> int:
    """Issue what closed periods still ask for; how many documents."""
    done = InvoicedPeriod.objects.values("period")
    periods = Period.objects.filter(closed_at__isnull=False).exclude(pk__in=done)
    return sum(issue_period(period=period, at=at) for period in periods.order_by("starts_at"))


@kept.in_english()
def issue_period(*, period: Period, at: datetime, by: User | None = None) -> int:
    """Issue each document of a period that can be issued; how many; the rest waits, in words.

    Each is one transaction. Raises PeriodIsOpen.
    """
    if not period.is_closed:
        raise PeriodIsOpen(_("%(name)s is open.") % {"name": period.name})
    nets = nets_of(period)
    issued = [issue(net=net, period=period, at=at, by=by) for net in nets]
    with transaction.atomic():
        if not InvoiceWaiting.objects.filter(period=period).exists():
            InvoicedPeriod.objects.get_or_create(period=period, defaults={"completed_at": at})
    return sum(one is not None for one in issued)


@kept.in_english()
def issue_waiting(*, party: Party, at: datetime) -> int:
    """Issue what waited for this party's own data alone; how many. The rest goes on waiting."""
    rows = InvoiceWaiting.objects.filter(party=party).select_related("period")
    nets = [(one.period, Net(one.side, one.party_id, one.asset_id, one.net_units)) for one in rows]
    issued = [issue(net=net, period=period, at=at) for period, net in nets]
    return sum(one is not None for one in issued)


@transaction.atomic
def issue(*, net: Net, period: Period, at: datetime, by: User | None = None) -> Invoice | None:
    """Issue one party's document of a period; None where it is issued already, or waits."""
    _take_turn(net, period)
    party, asset = Party.objects.get(pk=net.party_id), Asset.objects.get(pk=net.asset_id)
    issued = Invoice.objects.filter(side=net.side, party=party, asset=asset, period=period)
    already = int(issued.aggregate(total=Sum("net_units"))["total"] or 0)
    if already == net.units:
        return None
    assert not already, f"{period} of {party} holds {net.units}, and {already} were issued"
    waiting = InvoiceWaiting.objects.filter(side=net.side, party=party, asset=asset, period=period)
    try:
        terms = terms_for(net.side, party, period)
    except Waits as reason:
        waiting.update_or_create(
            side=net.side,
            party=party,
            asset=asset,
            period=period,
            defaults={
                "net_units": net.units,
                "reason": reason.reason,
                "words": reason.words,
                "tried_at": at,
            },
            create_defaults={
                "net_units": net.units,
                "reason": reason.reason,
                "words": reason.words,
                "since_at": at,
                "tried_at": at,
            },
        )
        return None
    waiting.delete()
    parts = parts_of(net.side, party, asset, period)
    assert sum(part.amount_units for part in parts) == net.units, "lines are what the journal holds"
    made = _draft(net, party, asset, period, terms)
    made.issued_at, made.issued_by = at, by
    return _issue(made, parts)


@transaction.atomic
def take_back(*, invoice: Invoice, reason: str, by: User | None, at: datetime) -> Invoice:
    """Issue the credit note of a whole document; its correct successor comes with the next pass.

    Raises NoReason or NothingToCorrect.
    """
    if not reason.strip():
        raise NoReason
    net = Net(invoice.side, invoice.party_id, invoice.asset_id, invoice.net_units)
    _take_turn(net, invoice.period)
    if invoice.corrects_id is not None or Invoice.objects.filter(corrects=invoice).exists():
        raise NothingToCorrect
    owed, back = KINDS[Side(invoice.side)]
    made = Invoice(
        kind=owed if invoice.is_credit else back,
        side=invoice.side,
        party_id=invoice.party_id,
        asset_id=invoice.asset_id,
        period=invoice.period,
        corrects=invoice,
        reason=reason.strip(),
        seller=invoice.seller,
        buyer=invoice.buyer,
        category=invoice.category,
        basis_points=invoice.basis_points,
        wording=invoice.wording,
        net_units=-invoice.net_units,
        tax_units=-invoice.tax_units,
        settled_units=-invoice.settled_units,
        rounding_units=-invoice.rounding_units,
        limit_units=invoice.limit_units,
        issued_at=at,
        issued_by=by,
    )
    InvoicedPeriod.objects.filter(period=invoice.period).delete()
    return _issue(made, [_taken_back(line) for line in invoice.lines.all()])


def _taken_back(line: InvoiceLine) -> Part:
    """The same line with its amount the other way."""
    return Part(
        name=line.name,
        detail=line.detail,
        quantity=line.quantity,
        counted=line.counted,
        amount_units=-line.amount_units,
        version_id=line.version_id,
        rate_id=line.rate_id,
        price_units=line.price_units,
        price_step=line.price_step,
    )


def _take_turn(net: Net, period: Period) -> None:
    """Nobody else issues this document until we are done."""
    key = f"invoice:{net.side}:{net.party_id}:{net.asset_id}:{period.pk}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


def _draft(net: Net, party: Party, asset: Asset, period: Period, terms: Terms) -> Invoice:
    """The document's sums and parties; amounts are units of the asset."""
    operator, other = frozen(terms.operator), frozen(terms.other)
    is_lab = net.side == Side.LAB
    owed, back = KINDS[Side(net.side)]
    coin = vat.coin(asset.code, asset.scale)
    tax = vat.tax(net.units, terms.rule.basis_points, coin)
    limit, settled = _settled(party, asset, period, net.units) if is_lab else (0, net.units)
    left = net.units + tax - settled
    return Invoice(
        kind=owed if net.units > 0 else back,
        side=net.side,
        party=party,
        asset=asset,
        period=period,
        seller=operator if is_lab else other,
        buyer=other if is_lab else operator,
        category=terms.rule.category,
        basis_points=terms.rule.basis_points,
        wording=terms.rule.wording,
        net_units=net.units,
        tax_units=tax,
        settled_units=settled,
        rounding_units=vat.rounded(left, coin) - left,
        limit_units=limit,
    )


def _settled(party: Party, asset: Asset, period: Period, net_units: int) -> tuple[int, int]:
    """A lab's limit, and what of `net_units` its account had paid when the period ended."""
    account = Account.objects.get(kind=Account.Kind.LAB, party=party, asset=asset)
    floor = Balance.objects.get(account=account).floor or 0
    later = Line.objects.filter(account=account, entry__period__gt=period.pk)
    everything = Line.objects.filter(account=account)
    held = int(everything.aggregate(total=Sum("amount_units"))["total"] or 0)
    held -= int(later.aggregate(total=Sum("amount_units"))["total"] or 0)
    owed = min(max(net_units, 0), max(-held, 0))
    return -floor, net_units - owed


def _issue(made: Invoice, parts: Sequence[Part]) -> Invoice:
    """Add the document with its lines; the database gives it its number."""
    year = local(made.issued_at).year
    made.series, made.line_count = f"{PREFIXES[Kind(made.kind)]}-{year}", len(parts)
    made.save(force_insert=True)
    made = Invoice.objects.select_related("asset", "period", "party", "corrects").get(pk=made.pk)
    InvoiceLine.objects.bulk_create(
        InvoiceLine(invoice=made, ordinal=ordinal, **part.__dict__)
        for ordinal, part in enumerate(parts, start=1)
    )
    digest = digest_of(made)
    event = ledger.record(
        "invoice.issued",
        at=made.issued_at,
        subject_kind="invoice",
        subject_id=made.pk,
        party=made.party,
        body={
            "number": made.number,
            "period": made.period_id,
            "corrects": made.corrects.number if made.corrects else None,
            "digest": digest,
        },
    )
    InvoiceEvent.objects.create(invoice=made, event=event, digest=digest)
    return made


def digest_of(invoice: Invoice) -> bytes:
    """SHA-256 of the document's canonical JSON: 32 bytes, as the ledger holds it."""
    return hashlib.sha256(canonical(as_document(invoice))).digest()
