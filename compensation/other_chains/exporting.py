"""Makes exports: what is due in an asset of another chain, in one transaction and one entry."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from compensation import dues, journal, payees
from compensation.dues import Due
from compensation.models import Asset, ExportedPayout, PayoutExport
from provenance import ledger
from provenance.documents import sheets
from provenance.models import User
from provenance.refusals import Refused

FORMAT = "tallymark-transfers/1"
COLUMNS = ("reference", "chain", "asset", "address", "amount", "base_units")
# What one file holds; the rest goes with the next.
EXPORT_LIMIT = 5_000


class NotPaidByFile(Refused):
    """Payouts in this asset do not leave by file."""

    code = "not_paid_by_file"
    hint = "Files are for tokens of other chains; ERC-20 tokens and currencies go other ways."


class NothingIsDue(Refused):
    """Nothing is due in this asset now."""

    code = "nothing_is_due"
    hint = "Payees without an account, on hold, below their threshold or before their day wait."


@transaction.atomic
def make_export(*, asset: Asset, at: datetime, by: User | None = None) -> PayoutExport:
    """Export everything that is due in an asset; it is in flight from now on.

    Raises NotPaidByFile or NothingIsDue. What is finer than the token's decimals stays owed.
    """
    if not asset.is_on_another_chain:
        raise NotPaidByFile(_("%(code)s is not paid by file.") % {"code": asset.code})
    journal.lock()
    number = (PayoutExport.objects.aggregate(last=Max("number"))["last"] or 0) + 1
    due = dues.take(
        asset=asset,
        methods=payees.payable_methods(asset=asset, at=at),
        decimals=decimals(asset),
        key=f"export:{number}",
        at=at,
        limit=EXPORT_LIMIT,
    )
    if not due:
        raise NothingIsDue
    facts = {"export": number, "asset": asset.code}
    export = PayoutExport.objects.create(
        number=number,
        asset=asset,
        entry=dues.send(asset=asset, due=due, key=f"payout-export:{number}", facts=facts, at=at),
        amount_units=sum(one.units for one in due),
        payout_count=len(due),
        made_by=by,
        made_at=at,
    )
    ExportedPayout.objects.bulk_create(
        _payout(export, place, one) for place, one in enumerate(due, start=1)
    )
    ledger.record(
        "payout.exported",
        at=at,
        subject_kind="payout_export",
        subject_id=export.pk,
        body={**facts, "amount_units": str(export.amount_units), "entry": export.entry_id},
    )
    return export


def rows_of(export: PayoutExport) -> list[dict[str, str]]:
    """The lines of an export, in their order, by COLUMNS; `amount` is exact decimal text."""
    asset = export.asset
    return [
        {
            "reference": one.reference,
            "chain": asset.chain,
            "asset": asset.code,
            "address": one.address.rpartition(":")[2],
            "amount": _exact(int(one.token_amount), decimals(asset)),
            "base_units": str(int(one.token_amount)),
        }
        for one in export.payouts.order_by("pk")
    ]


def as_csv(export: PayoutExport) -> bytes:
    """The file as CSV (RFC 4180, UTF-8): the same bytes each time."""
    rows = ([row[name] for name in COLUMNS] for row in rows_of(export))
    return sheets.as_csv(COLUMNS, rows).encode()


def as_json(export: PayoutExport) -> dict[str, Any]:
    """The file as JSON."""
    return {
        "format": FORMAT,
        "export": export.number,
        "asset": export.asset.code,
        "count": export.payout_count,
        "transfers": rows_of(export),
    }


def decimals(asset: Asset) -> int:
    """The decimals that a token has on its chain; its scale where nobody said."""
    return asset.scale if asset.token_decimals is None else asset.token_decimals


def _payout(export: PayoutExport, place: int, due: Due) -> ExportedPayout:
    return ExportedPayout(
        export=export,
        party=due.party,
        method=due.method,
        reference=f"TX{export.number:06d}-{place:05d}",
        address=due.method.address,
        amount_units=due.units,
        token_amount=due.tokens,
    )


def _exact(tokens: int, places: int) -> str:
    """An amount with all its decimals: a tool must not have to guess."""
    if not places:
        return str(tokens)
    whole, part = divmod(tokens, 10**places)
    return f"{whole}.{part:0{places}d}"
