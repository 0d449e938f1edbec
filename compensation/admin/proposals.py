"""What one operator put forward and another approves or refuses."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import approvals
from compensation.admin.resting import facts_of
from provenance import kept, proposals
from provenance.access import Viewer
from provenance.admin.base import OPERATORS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import Panel, site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of
from provenance.models import Conflict, Proposal, User

State = Proposal.State


class YesForm(VerbForm):
    """A yes."""

    reason = forms.CharField(
        label=_lazy("A word with it"), required=False, widget=forms.Textarea, max_length=2000
    )


class NoForm(VerbForm):
    """A no, and why."""

    reason = forms.CharField(label=_lazy("Why not"), widget=forms.Textarea, max_length=2000)


def _person(request: HttpRequest) -> User:
    person = person_of(request)
    assert person is not None, "the admin site lets people in, not keys"
    return person


def _approve(request: HttpRequest, proposal: Any, cleaned: dict[str, Any]) -> str:
    made = approvals.approve(
        proposal=proposal, by=_person(request), at=timezone.now(), reason=cleaned["reason"]
    )
    return made.outcome


def _refuse(request: HttpRequest, proposal: Any, cleaned: dict[str, Any]) -> str:
    proposals.refuse(
        proposal=proposal, reason=cleaned["reason"], by=_person(request), at=timezone.now()
    )
    return _("Refused. Nothing was done; who put it forward reads your reason here.")


def _withdraw(request: HttpRequest, proposal: Any, cleaned: dict[str, Any]) -> str:
    proposals.withdraw(proposal=proposal, by=_person(request), at=timezone.now())
    return _("Withdrawn. Nothing was done.")


def _waits(viewer: Viewer, proposal: Any) -> bool:
    is_open = proposal.state == State.OPEN and proposal.expires_at > timezone.now()
    return is_open and viewer.may(approvals.right_for(proposal))


def _is_second(viewer: Viewer, proposal: Any) -> bool:
    return _waits(viewer, proposal) and viewer.user != proposal.proposed_by


def _is_first(viewer: Viewer, proposal: Any) -> bool:
    return _waits(viewer, proposal) and viewer.user == proposal.proposed_by


class ProposalAdmin(ReadOnlyFacts):
    """Acts over their limits, and what a second operator said to them."""

    list_title = _lazy("Second opinions")
    shown_to = OPERATORS
    page_template = "compensation/proposal.html"
    list_display = ("what", "stake_word", "label", "who", "proposed_at", "expires_at")
    list_filter = ("state", "kind")
    list_select_related = ("proposed_by", "decided_by")
    ordering = ("-state", "-proposed_at")
    list_words = _lazy(
        "What moves more than one person may move alone: one operator puts it "
        "forward, another approves it, and then exactly that is done."
    )
    empty_title = _lazy("Nothing was put forward yet")
    empty_words = _lazy(
        "Decisions, refunds, entries by hand and payouts over their limits stand here."
    )
    verbs: ClassVar = (
        Verb(
            "approve",
            _lazy("Approve and do it"),
            "read",
            _approve,
            YesForm,
            _lazy("Exactly what stands above is done, at once, and your name stands beside it."),
            offered=_is_second,
            is_inline=True,
        ),
        Verb(
            "refuse",
            _lazy("Refuse"),
            "read",
            _refuse,
            NoForm,
            _lazy("Nothing is done. Who put it forward reads why."),
            offered=_is_second,
            tone="danger",
        ),
        Verb(
            "withdraw",
            _lazy("Withdraw it"),
            "read",
            _withdraw,
            explains=_lazy("Nothing is done, and you may put it forward anew."),
            offered=_is_first,
        ),
    )

    @column(_lazy("What"), header=True)
    def what(self, proposal: Proposal) -> list[str]:
        return [str(proposal.get_kind_display()), kept.said(proposal.words.splitlines()[0])]

    @column(_lazy("At stake"))
    def stake_word(self, proposal: Proposal) -> str:
        return proposal.stake or "–"

    @column(
        _lazy("State"),
        ordering="state",
        label={
            "open": "warning",
            "approved": "success",
            "refused": "danger",
            "void": "danger",
            "expired": "info",
            "withdrawn": "info",
        },
    )
    def label(self, proposal: Proposal) -> str:
        return str(proposal.state)

    @column(_lazy("Put forward by"))
    def who(self, proposal: Proposal) -> str:
        return proposal.proposed_by.email

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        about = ""
        if subject.kind in (Proposal.Kind.DECISION, Proposal.Kind.APPEAL):
            about = reverse("admin:provenance_conflict_change", args=[subject.body["conflict"]])
        elif subject.kind == Proposal.Kind.REVERSAL:
            about = reverse("admin:compensation_entry_change", args=[subject.body["entry"]])
        return {
            "title": str(subject.get_kind_display()),
            "facts": facts_of(subject),
            "about": about,
            "is_yours": viewer.user == subject.proposed_by,
            "is_late": subject.state == State.OPEN and subject.expires_at <= timezone.now(),
        }


def _of_conflict(request: HttpRequest, conflict: Any) -> Panel | None:
    """What waits for a second operator, on the page of the case, for operators alone."""
    if not viewer_of(request).is_operator:
        return None
    rows = Proposal.objects.filter(subject=str(conflict.pk), state=State.OPEN)
    waiting = rows.select_related("proposed_by").first()
    if waiting is None:
        return None
    context = {"proposal": waiting}
    return Panel(_("Waits for a second operator"), "compensation/proposal_panel.html", context)


site.register(Proposal, ProposalAdmin)
site.add_panel(Conflict, _of_conflict)
