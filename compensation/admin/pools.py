"""Pools by month, and the revenue of models that some of them are about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import months, revenue
from compensation.admin.deposits import AmountForm
from compensation.models import Pool, PoolShare, RevenueReport
from compensation.templatetags.money import amount
from provenance.admin.base import LABS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, person_of, viewer_of
from provenance.models import Party, TrainedModel


class RevenueForm(AmountForm):
    """What one of the lab's models earned in a month."""

    model = forms.ModelChoiceField(queryset=TrainedModel.objects.none(), empty_label=None)
    period = forms.RegexField(
        months.NAME, label=_lazy("Month"), max_length=7, help_text=_lazy("Such as 2026-03.")
    )
    field_order = ("model", "period", "amount", "asset")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.fields["model"]
        assert isinstance(chosen, forms.ModelChoiceField)
        chosen.queryset = TrainedModel.objects.filter(lab=self.viewer.party).order_by("name")


def _report(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    made = revenue.report_revenue(
        lab=viewer_of(request).party,
        model=cleaned["model"],
        asset=cleaned["asset"],
        period=cleaned["period"],
        revenue_units=cleaned["amount_units"],
        at=timezone.now(),
        by=person_of(request),
    )
    return _("%(amount)s of %(model)s in %(period)s are noted.") % {
        "amount": amount(made.revenue_units, made.asset),
        "model": made.model,
        "period": made.period,
    }


class RevenueReportAdmin(ReadOnlyFacts):
    """What a lab's models earned, as it said."""

    shown_to = LABS
    page_template = "compensation/revenue_report.html"
    list_title = _lazy("Revenue of models")
    list_display = ("model", "period", "earned", "revision", "reported_at")
    list_select_related = ("model__lab", "asset", "reported_by")
    ordering = ("-reported_at",)
    list_words = _lazy("Licences with a share of revenue are paid from what stands here.")
    empty_title = _lazy("No revenue was reported")
    empty_words = _lazy(
        "Report it by month where a licence that your model used has a share of revenue."
    )
    list_verbs = (
        Verb(
            "report",
            _lazy("Report revenue"),
            "finance",
            _report,
            RevenueForm,
            _lazy(
                "Another amount for the same month is a correction; it may only be higher "
                "once shared."
            ),
            offered=lambda viewer, subject: viewer.party.is_lab,
        ),
    )

    @column(_lazy("Earned"))
    def earned(self, report: RevenueReport) -> str:
        return amount(report.revenue_units, report.asset)

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.model.lab]


class PoolAdmin(ReadOnlyFacts):
    """What was shared out, month by month."""

    page_template = "compensation/pool.html"
    list_title = _lazy("Shared out by month")
    list_display = ("kind_and_lab", "period", "whole", "label")
    list_filter = ("kind", "period")
    list_select_related = ("lab", "asset")
    ordering = ("-opened_at",)
    list_words = _lazy("Subscriptions, minimums and shares of revenue, divided by use.")
    empty_title = _lazy("Nothing was shared out yet")
    empty_words = _lazy("Shares are worked out when a month has ended.")

    @column(_lazy("What, lab"), header=True)
    def kind_and_lab(self, pool: Pool) -> list[str]:
        return [str(pool.get_kind_display()).capitalize(), str(pool.lab)]

    @column(_lazy("Amount"))
    def whole(self, pool: Pool) -> str:
        return amount(pool.amount_units, pool.asset)

    @column(_lazy("State"), label={"charged": "success", "waits for money": "warning"})
    def label(self, pool: Pool) -> str:
        return "charged" if pool.settled_at else "waits for money"

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        seen = PoolShare.objects.visible_to(viewer_of(request)).filter(pool=subject)
        rows = seen.select_related("version__dataset__owner").order_by("-amount_units", "version")
        return {
            "whole": amount(subject.amount_units, subject.asset),
            "shares": [(row, amount(row.amount_units, subject.asset)) for row in rows[:500]],
        }


site.register(RevenueReport, RevenueReportAdmin)
site.register(Pool, PoolAdmin)
