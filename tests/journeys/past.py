"""What a service did last month: told to its use cases with its dates, for no clock can be turned.

`service.manage(place, "shell", "-c", ...)` runs this inside of the service's own settings.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from compensation import billing, deposits
from compensation.models import Asset
from provenance import licensing, usage
from provenance.models import DatasetVersion, Party, Purpose
from provenance.streams import Count

MONEY = 100


def last_month() -> datetime:
    """A moment of it."""
    return timezone.now().replace(day=1, hour=0) - timedelta(days=5)


@transaction.atomic
def trade(*, version: str, lab: str, records: int, price: int) -> None:
    """A lab pays in, is granted a version, reads `records` of it once, and is charged for them.

    `price` is for a thousand records, in whole tokens.
    """
    at, buyer = last_month(), Party.objects.get(namespace=lab)
    read = DatasetVersion.objects.get(pk=version)
    asset = Asset.objects.filter(code__startswith="eip155:").earliest("pk")
    unit = 10**asset.scale
    deposits.deposit(
        lab=buyer, asset=asset, amount_units=MONEY * unit, reference=f"past-{version}", at=at
    )
    licence = licensing.offer_licence(
        dataset=read.dataset, name="By the record", text="Fine-tuning, for each record read.",
        purposes=[Purpose.FINETUNE], at=at,
    )  # fmt: skip
    licensing.set_rate(
        licence=licence, basis="per_1k_records", price_units=price * unit, asset=asset.code,
        valid_from=at, at=at,
    )  # fmt: skip
    grant = licensing.request_grant(lab=buyer, licence=licence, purposes=[Purpose.FINETUNE], at=at)
    licensing.give_grant(grant=grant, at=at)
    run = usage.start_run(lab=buyer, purpose=Purpose.FINETUNE, name="autumn", at=at)
    usage.report_usage(
        run=run, subject=version, purpose=Purpose.FINETUNE, stream="rank-0", sequence=1,
        count=Count(records=records, tokens=0, epochs=1), used_at=at, received_at=at,
    )  # fmt: skip
    usage.end_run(run=run, at=at)
    # The earliest report is billed first: this one, and nothing of today with it.
    assert billing.bill_batch(1, at=at) == 1, "nothing was charged"
