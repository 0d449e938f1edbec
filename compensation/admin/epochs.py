"""Payout epochs: the trees that operators build, fund and push."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from compensation import approvals, payouts, settlement
from compensation.admin.due_now import BuildForm, PushForm
from compensation.models import PayoutEpoch
from provenance import chains, evm
from provenance.access import Viewer
from provenance.admin.base import OPERATORS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, person_of
from provenance.models import Proposal
from provenance.refusals import Refused


def _build(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    at = timezone.now()
    try:
        assets = [one for each in chains.ids() for one in payouts.assets_to_build(at, each)]
    except (evm.ChainUnreachable, evm.WrongChain) as loss:
        raise Refused(str(loss), hint=_("Try again once the chain answers.")) from loss
    words = []
    for asset in assets:
        try:
            made = approvals.attempt(
                kind=Proposal.Kind.ROOT,
                subject=str(asset.pk),
                body={"asset": asset.code},
                by=person_of(request),
                at=at,
            )
        except approvals.NothingToBuild:
            continue
        is_waiting = isinstance(made, Proposal)
        words.append(
            _("%(asset)s takes a second person: it waits under Second opinions.") % {"asset": asset}
            if is_waiting
            else _("%(tree)s is proposed.") % {"tree": made}
        )
    return " ".join(words) or _("Nothing is payable now, or an epoch is under way.")


def _push(request: HttpRequest, epoch: Any, cleaned: dict[str, Any]) -> str:
    count = settlement.push(asset=epoch.asset, at=timezone.now(), by=person_of(request))
    if not count:
        return _("Every payee of this tree was paid or asked.")
    words = ngettext("Sent to %(count)s payee.", "Sent to %(count)s payees.", count)
    return words % {"count": f"{count:,}"}


def _active(**of: Any) -> QuerySet[PayoutEpoch]:
    """Active trees. All that an earlier one owed stands in the newest, too."""
    return PayoutEpoch.objects.filter(state=PayoutEpoch.State.ACTIVE, **of).select_related("asset")


class PayoutEpochAdmin(ReadOnlyFacts):
    """Trees of all that is owed, from proposal to activation."""

    shown_to = OPERATORS
    page_template = "compensation/epoch.html"
    list_display = ("name_word", "label", "payee_count", "built_at", "active_at")
    list_select_related = ("asset", "contract", "entry", "activation")
    ordering = ("-built_at",)
    list_words = _lazy("Each holds all that every payee is owed, ever. Leaves never fall.")
    empty_title = _lazy("No epoch yet")
    empty_words = _lazy("One is built when something is payable to an owner who named an address.")
    list_verbs = (
        Verb(
            "build",
            _lazy("Build what is due"),
            "finance",
            _build,
            BuildForm,
            explains=_lazy(
                "A tree of what every payee is owed, for each asset of which something is "
                "payable on the chain. It is funded, proposed and activated by itself."
            ),
        ),
    )
    verbs = (
        Verb(
            "push",
            _lazy("Pay everybody who has not claimed"),
            "finance",
            _push,
            PushForm,
            explains=_lazy("The service sends all open amounts of the active tree with one proof."),
            offered=lambda viewer, epoch: (
                viewer.is_operator
                and epoch.state == PayoutEpoch.State.ACTIVE
                and not epoch.is_replaced
            ),
        ),
    )

    def scope(self, viewer: Viewer) -> Any:
        later = _active(contract=OuterRef("contract"), number__gt=OuterRef("number"))
        rows = PayoutEpoch.objects.select_related(*self.list_select_related)
        rows = rows.annotate(is_replaced=Exists(later))
        return rows if viewer.is_operator else rows.none()

    @column(_lazy("Epoch"), ordering="number")
    def name_word(self, epoch: PayoutEpoch) -> str:
        return str(epoch)

    @column(
        _lazy("State"),
        label={"active": "success", "failed": "danger", "proposed": "warning"},
    )
    def label(self, epoch: Any) -> str:
        return "over" if epoch.is_replaced else str(epoch.state)

    @column(_lazy("Payees"), ordering="leaf_count")
    def payee_count(self, epoch: PayoutEpoch) -> str:
        return f"{epoch.leaf_count:,}"

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "replaced_by": subject.is_replaced and _active(contract=subject.contract).last(),
            "leaves": subject.leaves.select_related("party").order_by("position")[:200],
            "sent": subject.outbox.order_by("pk"),
        }


site.register(PayoutEpoch, PayoutEpochAdmin)
