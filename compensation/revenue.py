"""What a lab's models earn, as the lab says it: licences with a share of revenue live by it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from compensation import journal, months
from compensation.models import Asset, Pool, RevenueReport
from provenance import ledger
from provenance.licensing import LARGEST_PRICE
from provenance.models import Party, TrainedModel, User
from provenance.refusals import Refused


class BadRevenue(Refused):
    """That revenue cannot be."""

    code = "bad_revenue"
    status = 400
    hint = "Give whole units that are not negative, and a month that has begun, such as 2026-03."


class RevenueLowered(Refused):
    """What was shared out already is not taken back by a lower report."""

    code = "revenue_lowered"
    hint = "Write to the operator: money that was credited is only taken back by a reversal."


@transaction.atomic
def report_revenue(
    *,
    lab: Party,
    model: TrainedModel,
    asset: Asset,
    period: str,
    revenue_units: int,
    at: datetime,
    by: User | None = None,
) -> RevenueReport:
    """Say what `model` earned in a month; another amount is a correction, the same is a repeat.

    Raises BadRevenue, RevenueLowered.
    """
    if model.lab_id != lab.pk:
        raise BadRevenue(_("The model is another lab's."), hint=_("Name a model of your own."))
    if not months.NAME.fullmatch(period) or period > months.name_of(at):
        raise BadRevenue(_("'%(period)s' is no month that has begun.") % {"period": period})
    if not 0 <= revenue_units <= LARGEST_PRICE:
        raise BadRevenue(_("%(revenue_units)s is no amount.") % {"revenue_units": revenue_units})
    journal.lock()
    earlier = RevenueReport.objects.filter(model=model, asset=asset, period=period)
    last = earlier.order_by("revision").last()
    if last is not None and last.revenue_units == revenue_units:
        return last
    if Pool.objects.filter(report__in=earlier, amount_units__gt=revenue_units).exists():
        raise RevenueLowered(
            _("The revenue of %(model)s in %(period)s was shared out already.")
            % {"model": model, "period": period}
        )
    report = RevenueReport.objects.create(
        model=model,
        asset=asset,
        period=period,
        revision=last.revision + 1 if last else 1,
        revenue_units=revenue_units,
        reported_at=at,
        reported_by=by,
    )
    _record(report, at)
    return report


def _record(report: RevenueReport, at: datetime) -> None:
    ledger.record(
        "revenue.reported",
        at=at,
        subject_kind="model",
        subject_id=report.model_id,
        party=report.model.lab,
        body={
            "period": report.period,
            "revision": report.revision,
            "asset": report.asset.code,
            "revenue_units": str(report.revenue_units),
        },
    )
