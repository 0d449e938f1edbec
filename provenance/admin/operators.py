"""What only operators see: parties, the outbox, and the batches that went to the chain."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Count
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import pgettext

from provenance import gas, kept, looked, outbox, parties, viewing
from provenance.access import Viewer
from provenance.admin.base import OPERATORS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, viewer_of
from provenance.models import Anchor, ChainAccount, OutboxTransaction, Party


class PartyForm(VerbForm):
    """A new party."""

    name = forms.CharField(max_length=200)
    does = forms.MultipleChoiceField(
        label=_lazy("It is"),
        choices=[("owner", _lazy("an owner")), ("lab", _lazy("a lab"))],
        widget=forms.CheckboxSelectMultiple,
    )
    contact_email = forms.EmailField(required=False)


def _create(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    party = parties.create_party(
        name=cleaned["name"],
        is_owner="owner" in cleaned["does"],
        is_lab="lab" in cleaned["does"],
        contact_email=cleaned["contact_email"],
        at=timezone.now(),
    )
    return HttpResponseRedirect(reverse("admin:provenance_party_change", args=[party.pk]))


class LookForm(VerbForm):
    """Why an operator looks as a party does."""

    reason = forms.CharField(
        max_length=300,
        label=_lazy("Why do you need to look as this party does?"),
        help_text=_lazy("The party reads it in its access log, with every page that you open."),
    )


def _look_as(request: HttpRequest, party: Any, cleaned: dict[str, Any]) -> Outcome:
    request.session[viewing.SESSION_KEY] = viewing.begin(
        viewer=viewer_of(request), party=party, reason=cleaned["reason"], at=timezone.now()
    )
    return HttpResponseRedirect(reverse("admin:index"))


class PartyAdmin(ReadOnlyFacts):
    """Every organisation on this service."""

    shown_to = OPERATORS
    page_template = "provenance/party.html"
    list_display = ("name_word", "roles", "dataset_count", "member_count", "created_at")
    search_fields = ("name", "namespace")
    list_filter = ("is_owner", "is_lab")
    ordering = ("name",)
    list_words = _lazy("Owners, labs and who runs this service, with what each has here.")
    list_verbs = (Verb("new", _lazy("New party"), "members", _create, PartyForm, tone="primary"),)
    verbs = (
        Verb(
            "view-as",
            _lazy("Look as this party does"),
            "rights",
            _look_as,
            LookForm,
            _lazy("You see its pages as it does, for 30 minutes, and can change nothing."),
            offered=lambda viewer, party: viewer.is_operator and not party.is_operator,
        ),
    )

    def scope(self, viewer: Viewer) -> Any:
        return (
            super()
            .scope(viewer)
            .annotate(
                datasets_sum=Count("datasets", distinct=True),
                members_sum=Count("memberships", distinct=True),
            )
        )

    @column(_lazy("Party"), header=True, ordering="name")
    def name_word(self, party: Party) -> list[str]:
        return [party.name, party.namespace]

    @column(_lazy("It is"))
    def roles(self, party: Party) -> str:
        return roles_in_words(party)

    @column(_lazy("Datasets"), ordering="datasets_sum")
    def dataset_count(self, party: Any) -> str:
        return f"{party.datasets_sum:,}"

    @column(_lazy("Members"), ordering="members_sum")
    def member_count(self, party: Any) -> str:
        return f"{party.members_sum:,}"

    def parties_of(self, subject: Any) -> list[Party]:
        return [subject]

    def look(self, request: HttpRequest, subject: Any, reason: str = "") -> Any:
        """The party's own page is the service's business; its data lie behind other pages."""
        return super().look(request, subject, reason or looked.PARTIES)

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "title": subject.name,
            "roles": roles_in_words(subject),
            "members": subject.memberships.select_related("user"),
            "datasets": subject.datasets.order_by("-created_at")[:20],
            "keys": subject.api_keys.filter(revoked_at__isnull=True).count(),
        }


def roles_in_words(party: Party) -> str:
    """Owner, lab, operator, or several."""
    named = {
        _("owner"): party.is_owner,
        _("lab"): party.is_lab,
        _("operator"): party.is_operator,
    }
    return pgettext("list", ", ").join(name for name, is_so in named.items() if is_so) or _("none")


class SendAgainForm(VerbForm):
    """Why it will go through now."""

    reason = forms.CharField(
        max_length=300,
        label=_lazy("What was the cause, and how was it removed?"),
        help_text=_lazy("It is kept with the transaction."),
    )


def _send_again(request: HttpRequest, row: Any, cleaned: dict[str, Any]) -> Outcome:
    outbox.send_again(reviewed=row, reason=cleaned["reason"], at=timezone.now())
    return _("It is queued again, under a new number of its account.")


class OutboxTransactionAdmin(ReadOnlyFacts):
    """What the chain must carry, in the order of its one writer."""

    list_title = _lazy("Outbox")
    shown_to = OPERATORS
    page_template = "provenance/outbox.html"
    list_display = ("purpose_words", "label", "nonce", "created_at", "final_at", "gas_word")
    list_filter = ("state",)
    search_fields = ("purpose", "tx_hash", "idempotency_key")
    ordering = ("-id",)
    list_words = _lazy(
        "Signed bytes are stored before they are sent; only a final receipt is a verdict."
    )
    empty_title = _lazy("Nothing was sent to the chain yet")
    verbs = (
        Verb(
            "send-again",
            _lazy("Send it again"),
            "develop",
            _send_again,
            SendAgainForm,
            _lazy(
                "Only once the cause is gone: find it first, such as a balance that did not last "
                "or a contract that was paused."
            ),
            offered=lambda viewer, row: (
                viewer.is_operator and row.state == OutboxTransaction.State.REVIEW
            ),
            is_inline=True,
        ),
    )

    def scope(self, viewer: Viewer) -> Any:
        rows = OutboxTransaction.objects.all()
        return rows if viewer.is_operator else rows.none()

    @column(_lazy("For"), ordering="purpose")
    def purpose_words(self, row: OutboxTransaction) -> str:
        return kept.said(row.purpose)

    @column(
        _lazy("State"),
        label={"final": "success", "review": "danger", "queued": "info", "sent": "warning"},
    )
    def label(self, row: OutboxTransaction) -> str:
        return str(row.state)

    @column(_lazy("Gas used"), ordering="gas_used")
    def gas_word(self, row: OutboxTransaction) -> str:
        return "–" if row.gas_used is None else f"{row.gas_used:,}"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """An alarm of a sending account stands above everything."""
        alarmed = ChainAccount.objects.exclude(alarm="")
        words = "; ".join(f"{each}: {each.alarm}, {each.alarm_detail}" for each in alarmed)
        told = {"alarm": words, "warnings": gas.warnings()}
        return super().changelist_view(request, told | (extra_context or {}))

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {"attempts": subject.attempts.order_by("id")}


class AnchorAdmin(ReadOnlyFacts):
    """Batches of events whose roots went to the chain."""

    list_title = _lazy("Batches on the chain")
    shown_to = OPERATORS
    page_template = "provenance/anchor.html"
    list_display = ("batch_word", "span", "label", "anchored_at", "final_at")
    list_select_related = ("contract", "outbox")
    ordering = ("-batch",)
    list_words = _lazy(
        "Each batch puts the root of its events on the chain: from then on nobody can change what "
        "the ledger says of them, we neither."
    )
    empty_title = _lazy("No batch yet")
    empty_words = _lazy("The first goes out as soon as events were sealed.")

    def scope(self, viewer: Viewer) -> Any:
        rows = Anchor.objects.select_related("contract", "outbox")
        return rows if viewer.is_operator else rows.none()

    @column(_lazy("Batch"), ordering="batch")
    def batch_word(self, anchor: Anchor) -> str:
        return f"{anchor.batch:,}"

    @column(_lazy("Events"))
    def span(self, anchor: Anchor) -> str:
        named = {"first": f"{anchor.first_sequence:,}", "last": f"{anchor.last_sequence:,}"}
        return named["first"] if anchor.event_count == 1 else _("%(first)s to %(last)s") % named

    @column(_lazy("State"), label={"final": "success", "on its way": "warning"})
    def label(self, anchor: Anchor) -> str:
        return "final" if anchor.final_at else "on its way"


site.register(Party, PartyAdmin)
site.register(OutboxTransaction, OutboxTransactionAdmin)
site.register(Anchor, AnchorAdmin)
