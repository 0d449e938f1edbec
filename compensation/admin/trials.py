"""Test data, as its lab sees it and nobody else: what it was, and what it would have cost."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from compensation import trials
from compensation.admin.quotes import words_of_totals
from compensation.models import Asset, TrialGrant, TrialModel, TrialQuote, TrialRun
from compensation.trials import Cost
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, viewer_of
from provenance.models import Grant, Quote, Run, TrainedModel


def _delete_all(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    count = trials.delete_all(lab=viewer_of(request).party)
    return _now("All test data is deleted: %(count)s rows.") % {"count": count}


class TrialFacts(ReadOnlyFacts):
    """Pages of test data; not even an operator who looks as the lab does sees them."""

    shown_to = frozenset({"lab"})
    list_words = _(
        "What your keys for tests did. None of it is charged, none of it is in the ledger, and "
        "nobody but you sees it. It is deleted after 90 days."
    )
    empty_title = _("No test data")
    empty_words = _(
        "Make an API key for tests (it begins with tm_test_) and run your job with it, unchanged."
    )
    empty_step = (_("To the API keys"), "admin:provenance_apikey_changelist")

    def has_module_permission(self, request: HttpRequest) -> bool:
        is_looking = getattr(request, "viewing_as", None) is not None
        return super().has_module_permission(request) and not is_looking


class TrialRunAdmin(TrialFacts):
    """Test runs, and what each would have cost."""

    list_title = _("Test runs")
    page_template = "compensation/trial_run.html"
    list_display = ("name_word", "purpose_word", "label", "cost", "started_at")
    list_filter = ("state", "purpose")
    search_fields = ("name", "pseudonym")
    list_select_related = ("lab", "root")
    ordering = ("-started_at",)
    list_verbs = (
        Verb(
            "clear",
            _("Delete all test data"),
            "develop",
            _delete_all,
            explains=_(
                "Runs, usages, models, quotes and grants of your keys for tests go at once."
            ),
            offered=lambda viewer, none: trials.has_any(lab=viewer.party),
            tone="danger",
        ),
    )

    def scope(self, viewer: Any) -> Any:
        return super().scope(viewer).prefetch_related("usages", "root__usages")

    @column(_("Test run"), header=True)
    def name_word(self, run: TrialRun) -> list[str]:
        return [run.name or run.pseudonym, str(run.pk)]

    @column(_("Purpose"), ordering="purpose")
    def purpose_word(self, run: TrialRun) -> str:
        return str(run.get_purpose_display())

    @column(_("State"), label={"running": "info", "ended": "success", "lapsed": "warning"})
    def label(self, run: TrialRun) -> str:
        return str(run.state)

    @column(_("Would have cost"))
    def cost(self, run: TrialRun) -> str:
        return in_words(trials.total_of(run.top.usages.all()))

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        rows = list(
            subject.top.usages.select_related("version__dataset__owner", "rate").order_by("used_at")
        )
        costs = trials.costs_of(rows)
        return {
            "total": in_words(trials.total_of(rows)),
            "rows": [
                {"usage": row, "cost": in_words([costs[row.pk]]) if row.pk in costs else "–"}
                for row in rows
            ],
            "edges": subject.edges.select_related("version__dataset__owner", "model").order_by(
                "at"
            ),
        }


class TrialModelAdmin(TrialFacts):
    """Models of test runs."""

    list_title = _("Test models")
    page_template = "compensation/trial_model.html"
    list_display = ("name", "version", "created_at")
    list_select_related = ("lab",)
    ordering = ("-created_at",)

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {"edges": subject.run_edges.select_related("run").order_by("at")}


class TrialQuoteAdmin(TrialFacts):
    """Quotes for test runs."""

    list_title = _("Test quotes")
    page_template = "compensation/trial_quote.html"
    list_display = ("name_word", "purpose_word", "comes_to", "created_at", "valid_until")
    list_select_related = ("lab",)
    ordering = ("-created_at",)

    @column(_("Quote"), header=True)
    def name_word(self, quote: TrialQuote) -> list[str]:
        return [str(quote), str(quote.pk)]

    @column(_("For"))
    def purpose_word(self, quote: TrialQuote) -> str:
        return str(quote.get_purpose_display())

    @column(_("Comes to"))
    def comes_to(self, quote: TrialQuote) -> str:
        return in_words([Cost(**one) for one in quote.totals])

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        rows = [
            {**one, "said": in_words([Cost(one["asset"], one["amount_units"])])}
            if one["asset"]
            else {**one, "said": _now("free")}
            for one in subject.items
        ]
        return {
            "total": self.comes_to(subject),
            "rows": rows,
            "is_valid": timezone.now() < subject.valid_until,
        }


class TrialGrantAdmin(TrialFacts):
    """Grants that tests asked for: given at once, and nobody was asked."""

    list_title = _("Test grants")
    page_template = "compensation/trial_grant.html"
    list_display = ("dataset", "purposes_word", "requested_at", "valid_to")
    list_select_related = ("lab", "dataset__owner", "licence__dataset__owner")
    ordering = ("-requested_at",)

    @column(_("For"))
    def purposes_word(self, grant: TrialGrant) -> str:
        return ", ".join(grant.purposes)


def in_words(costs: list[Cost]) -> str:
    """Amounts asset by asset; "nothing" where there are none."""
    return words_of_totals({cost.asset: cost.amount_units for cost in costs}, _assets(costs))


def _assets(costs: list[Cost]) -> dict[str, Asset]:
    codes = {cost.asset for cost in costs}
    return {one.code: one for one in Asset.objects.filter(code__in=codes)} if codes else {}


site.register(TrialRun, TrialRunAdmin)
site.register(TrialModel, TrialModelAdmin)
site.register(TrialQuote, TrialQuoteAdmin)
site.register(TrialGrant, TrialGrantAdmin)
for real, test in (
    (Run, TrialRun),
    (TrainedModel, TrialModel),
    (Quote, TrialQuote),
    (Grant, TrialGrant),
):
    site.add_twin(real, test)
