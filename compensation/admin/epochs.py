"""Payout epochs: the trees that operators build, fund and push."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from compensation import payouts, settlement
from compensation.models import PayoutEpoch
from provenance import evm
from provenance.access import Viewer
from provenance.admin.base import OPERATORS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, person_of
from provenance.refusals import Refused


def _build(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    try:
        count = payouts.build_epochs(at=timezone.now())
    except (evm.ChainUnreachable, evm.WrongChain) as loss:
        raise Refused(str(loss), hint="Try again once the chain answers.") from loss
    return f"{count} proposed." if count else "Nothing is payable now, or an epoch is under way."


def _push(request: HttpRequest, epoch: Any, cleaned: dict[str, Any]) -> str:
    count = settlement.push(asset=epoch.asset, at=timezone.now(), by=person_of(request))
    return f"Sent to {count} payees." if count else "Every payee of this tree was paid or asked."


class PayoutEpochAdmin(ReadOnlyFacts):
    """Trees of all that is owed, from proposal to activation."""

    shown_to = OPERATORS
    page_template = "compensation/epoch.html"
    list_display = ("name_word", "label", "payee_count", "built_at", "active_at")
    list_select_related = ("asset", "contract", "entry", "activation")
    ordering = ("-built_at",)
    list_words = "Each holds all that every payee is owed, ever. Leaves never fall."
    empty_title = "No epoch yet"
    empty_words = "One is built when something is payable to an owner who named an address."
    list_verbs = (
        Verb("build", "Build what is due", "finance", _build, explains="For every asset."),
    )
    verbs = (
        Verb(
            "push",
            "Pay everybody who has not claimed",
            "finance",
            _push,
            explains="The service sends all open amounts of the active tree with one proof.",
            offered=lambda viewer, epoch: (
                viewer.is_operator and epoch.state == PayoutEpoch.State.ACTIVE
            ),
        ),
    )

    def scope(self, viewer: Viewer) -> Any:
        rows = PayoutEpoch.objects.select_related(*self.list_select_related)
        return rows if viewer.is_operator else rows.none()

    @column("Epoch", ordering="number")
    def name_word(self, epoch: PayoutEpoch) -> str:
        return str(epoch)

    @column(
        "State",
        label={"active": "success", "failed": "danger", "proposed": "warning"},
    )
    def label(self, epoch: PayoutEpoch) -> str:
        return str(epoch.state)

    @column("Payees", ordering="leaf_count")
    def payee_count(self, epoch: PayoutEpoch) -> str:
        return f"{epoch.leaf_count:,}"

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "leaves": subject.leaves.select_related("party").order_by("position")[:200],
            "sent": subject.outbox.order_by("pk"),
        }


site.register(PayoutEpoch, PayoutEpochAdmin)
