"""What cannot be invoiced yet: what it takes, who enters it, and where."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Max, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import invoices
from compensation.models import InvoiceWaiting, TaxRule
from compensation.templatetags.money import amount
from provenance import kept
from provenance.access import Viewer
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.cards import Todo
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import viewer_of

Reason = InvoiceWaiting.Reason
OF_THE_PARTY = (Reason.NO_PROFILE, Reason.NO_VAT_ID)


def next_step(viewer: Viewer, waiting: InvoiceWaiting) -> tuple[str, str] | None:
    """What this viewer can enter so that it is issued, and where; None where others must."""
    if waiting.reason == Reason.NO_RULE:
        if not (viewer.is_operator and viewer.may("finance")):
            return None
        return _("Set a rule"), reverse("admin:compensation_taxrule_list_verb", args=["set"])
    is_own = viewer.is_operator
    if waiting.reason in OF_THE_PARTY:
        is_own = waiting.party_id == viewer.party.pk
    if not (is_own and viewer.may("members")):
        return None
    return _("Enter tax data"), reverse("admin:compensation_taxprofile_list_verb", args=["set"])


def todos(viewer: Viewer) -> list[Todo]:
    """The step without which the viewer's documents, or an operator's, are not issued."""
    rows = InvoiceWaiting.objects.filter(_theirs_to_end(viewer))
    steps = [next_step(viewer, one) for one in rows.order_by("reason").distinct("reason")]
    return [
        Todo(_("%(step)s: invoices wait for it") % {"step": words}, url)
        for words, url in dict.fromkeys(step for step in steps if step is not None)
    ]


def _theirs_to_end(viewer: Viewer) -> Q:
    """What lacks something of the viewer's, unless it was entered since it was last tried."""
    own = Q(party=viewer.party, reason__in=OF_THE_PARTY)
    if not viewer.is_operator:
        return own
    last_rule = TaxRule.objects.aggregate(last=Max("set_at"))["last"]
    waits = Q(reason=Reason.NO_RULE)
    if last_rule is not None:
        waits &= Q(tried_at__gt=last_rule)
    if invoices.profile_of(viewer.party) is None:
        waits |= Q(reason=Reason.NO_SELLER)
    return own | waits


class InvoiceWaitingAdmin(ReadOnlyFacts):
    """What cannot be issued yet, and what it takes."""

    list_title = _lazy("Invoices waiting")
    page_template = "compensation/invoice_waiting.html"
    list_display: ClassVar = ("party_and_month", "takes", "net_word", "since_at", "tried_at")
    list_filter: ClassVar = ("reason", "period")
    list_select_related: ClassVar = ("party", "asset", "period")
    ordering: ClassVar = ("since_at", "pk")
    list_words = _lazy(
        "No VAT rate is guessed: a document waits until what is missing was entered."
    )
    empty_title = _lazy("Nothing waits")
    empty_words = _lazy("What closed months ask for was issued.")

    @column(_lazy("Party, month"), header=True)
    def party_and_month(self, waiting: InvoiceWaiting) -> list[str]:
        return [str(waiting.party), f"{waiting.period_id}, {waiting.get_side_display().lower()}"]

    @column(_lazy("Without VAT"))
    def net_word(self, waiting: InvoiceWaiting) -> str:
        return amount(waiting.net_units, waiting.asset)

    @column(_lazy("What it takes"))
    def takes(self, waiting: InvoiceWaiting) -> str:
        return kept.said(waiting.words)

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "step": next_step(viewer_of(request), subject),
            "is_of_the_party": subject.reason in OF_THE_PARTY,
        }


site.register(InvoiceWaiting, InvoiceWaitingAdmin)
