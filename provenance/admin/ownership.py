"""Transfers of ownership: what passes to whom, since when, and who had it before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import ownership
from provenance.access import Viewer
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import Panel, site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of
from provenance.event_words import happened
from provenance.models import Dataset, Event, OwnershipTransfer, Party

State = OwnershipTransfer.State


class AnswerForm(VerbForm):
    """Why, if one wants to say."""

    reason = forms.CharField(
        widget=forms.Textarea,
        label=_lazy("Why"),
        required=False,
        help_text=_lazy("The other side reads it."),
    )


def _waits_for(viewer: Viewer, transfer: OwnershipTransfer) -> bool:
    return transfer.state == State.PROPOSED and transfer.receiver_id == viewer.party.pk


def _may_withdraw(viewer: Viewer, transfer: OwnershipTransfer) -> bool:
    is_theirs = (
        viewer.is_operator if transfer.is_by_operator else transfer.giver_id == viewer.party.pk
    )
    return transfer.state == State.PROPOSED and is_theirs


def _accept(request: HttpRequest, transfer: Any, cleaned: dict[str, Any]) -> str:
    ownership.accept_transfer(
        transfer=transfer, party=viewer_of(request).party, by=person_of(request), at=timezone.now()
    )
    return _("It is yours: what is used of it from now on earns for you.")


def _refuse(request: HttpRequest, transfer: Any, cleaned: dict[str, Any]) -> str:
    ownership.refuse_transfer(
        transfer=transfer,
        party=viewer_of(request).party,
        reason=cleaned["reason"],
        by=person_of(request),
        at=timezone.now(),
    )
    return _("Refused. It stays where it is.")


def _withdraw(request: HttpRequest, transfer: Any, cleaned: dict[str, Any]) -> str:
    ownership.withdraw_transfer(
        transfer=transfer,
        party=viewer_of(request).party,
        reason=cleaned["reason"],
        by=person_of(request),
        at=timezone.now(),
    )
    return _("Withdrawn. It stays where it is.")


class OwnershipTransferAdmin(ReadOnlyFacts):
    """What passes from one party to another."""

    list_title = _lazy("Transfers of ownership")
    shown_to = OWNERS
    page_template = "provenance/ownership_transfer.html"
    list_display = ("what", "giver", "receiver", "label", "proposed_at", "decided_at")
    list_filter = ("state",)
    list_select_related = ("dataset__owner", "giver", "receiver", "proposed_by", "confirmed_by")
    ordering = ("-proposed_at",)
    list_words = _lazy(
        "A dataset passes to another owner when the other accepts. What was used before is the "
        "giver's, what is used from then on the receiver's."
    )
    empty_title = _lazy("Nothing passes to another owner")
    empty_words = _lazy("An owner hands a dataset over from the dataset's page.")
    empty_step = (_lazy("To the datasets"), "admin:provenance_dataset_changelist")
    verbs = (
        Verb(
            "accept",
            _lazy("Take it over"),
            "rights",
            _accept,
            explains=_lazy(
                "From this moment it is yours, with its licences, grants, debts and settled "
                "conflicts. What was earned before stays with the giver."
            ),
            offered=_waits_for,
            is_inline=True,
        ),
        Verb("refuse", _lazy("Do not take it"), "rights", _refuse, AnswerForm, offered=_waits_for),
        Verb("withdraw", _lazy("Withdraw it"), "rights", _withdraw, AnswerForm,
             offered=_may_withdraw),
    )  # fmt: skip

    @column(_lazy("Dataset"))
    def what(self, transfer: OwnershipTransfer) -> str:
        return str(transfer.dataset.title)

    @column(
        _lazy("State"),
        label={"accepted": "success", "proposed": "warning", "refused": "danger"},
    )
    def label(self, transfer: OwnershipTransfer) -> str:
        return str(transfer.state)

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.giver, subject.receiver]

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        events = Event.objects.visible_to(viewer).filter(
            subject_kind="dataset", subject_id=subject.dataset_id, body__transfer=str(subject.pk)
        )
        is_theirs = viewer.is_operator or subject.dataset.owner_id == viewer.party.pk
        return {
            "opens_dataset": is_theirs,
            "events": [(happened(one.kind), one) for one in events.order_by("occurred_at")],
            "receives": subject.receiver_id == viewer.party.pk,
            "bundles": subject.dataset.licences.filter(
                bundles__retired_at=None, bundles__isnull=False
            ).exists(),
        }


def _owners(request: HttpRequest, dataset: Any) -> Panel | None:
    """Who owned it when, and what waits; nothing where it was always its owner's."""
    waiting = dataset.transfers.filter(state=State.PROPOSED, expires_at__gt=timezone.now())
    tenures = list(dataset.tenures.select_related("owner", "transfer"))
    offered = waiting.select_related("giver", "receiver").first()
    if not tenures and offered is None:
        return None
    context = {"tenures": tenures, "offered": offered}
    return Panel(_("Owners"), "provenance/owners_panel.html", context)


site.register(OwnershipTransfer, OwnershipTransferAdmin)
site.add_panel(Dataset, _owners)
