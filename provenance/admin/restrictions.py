"""Suspensions and legal holds: what is stopped, why, until when; operators set and lift them."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import restrictions
from provenance.access import Viewer
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import Panel, site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of
from provenance.models import Dataset, Party, Restriction, User

Kind = Restriction.Kind


class RestrictForm(VerbForm):
    """Why, and until when."""

    reason = forms.CharField(
        widget=forms.Textarea, label=_lazy("Reason"), help_text=_lazy("The party reads it.")
    )
    until = forms.DateField(
        required=False,
        label=_lazy("Until the start of"),
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_lazy("A day, in UTC. Empty: until it is lifted."),
    )

    def clean_until(self) -> datetime | None:
        """The moment at which it ends."""
        day = self.cleaned_data["until"]
        return datetime.combine(day, time(), UTC) if day else None


class LiftForm(VerbForm):
    """Why it ends."""

    reason = forms.CharField(widget=forms.Textarea, label=_lazy("Why it ends"))


def _person(request: HttpRequest) -> User:
    person = person_of(request)
    assert person is not None, "the admin site lets people in, not keys"
    return person


def _restrict(kind: Restriction.Kind) -> Any:
    def do(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
        is_dataset = isinstance(subject, Dataset)
        made = restrictions.restrict(
            kind=kind,
            party=subject.owner if is_dataset else subject,
            dataset=subject if is_dataset else None,
            by=_person(request),
            at=timezone.now(),
            **cleaned,
        )
        return _("%(what)s is in force; its party was told why, on its pages.") % {"what": made}

    return do


def _lift(request: HttpRequest, restriction: Any, cleaned: dict[str, Any]) -> str:
    restrictions.lift(
        restriction=restriction, reason=cleaned["reason"], by=_person(request), at=timezone.now()
    )
    return _("It is lifted.")


def _is_ours(viewer: Viewer, subject: Any) -> bool:
    return viewer.is_operator and not getattr(subject, "is_operator", False)


SUSPEND = Verb(
    "suspend",
    _lazy("Suspend it"),
    "rights",
    _restrict(Kind.SUSPENSION),
    RestrictForm,
    _lazy(
        "It registers nothing, starts no run and is paid nothing. It reads, answers and appeals "
        "as before, and what it earns goes on adding up."
    ),
    offered=_is_ours,
    tone="danger",
)
HOLD = Verb(
    "hold",
    _lazy("Place under a legal hold"),
    "rights",
    _restrict(Kind.LEGAL_HOLD),
    RestrictForm,
    _lazy("Nothing of it is erased, and nothing is paid out, until the hold ends."),
    offered=_is_ours,
    tone="danger",
)


class RestrictionAdmin(ReadOnlyFacts):
    """What is stopped, and why."""

    list_title = _lazy("Restrictions")
    page_template = "provenance/restriction.html"
    list_display = ("what", "party", "label", "begins_at", "ends_at")
    list_filter = ("kind",)
    list_select_related = ("party", "dataset__owner", "set_by", "lifted_by")
    ordering = ("-begins_at",)
    list_words = _lazy(
        "Suspensions stop what is new; legal holds keep what is there, and stop payouts. Each has "
        "a reason and an end, and reading, answering and appealing go on."
    )
    empty_title = _lazy("Nothing is restricted")
    empty_words = _lazy("Should an operator suspend or hold something, its reason stands here.")
    verbs = (
        Verb(
            "lift",
            _lazy("Lift it"),
            "rights",
            _lift,
            LiftForm,
            offered=lambda viewer, one: viewer.is_operator and state_of(one) == "in force",
            is_inline=True,
        ),
    )

    @column(_lazy("What"))
    def what(self, restriction: Restriction) -> str:
        return str(restriction)

    @column(_lazy("State"), label={"in force": "danger", "over": "success", "lifted": "success"})
    def label(self, restriction: Restriction) -> str:
        return state_of(restriction)

    def look(self, request: HttpRequest, subject: Any, reason: str = "") -> HttpResponse | None:
        """What an operator restricted is its own reason."""
        return super().look(request, subject, reason or f"restriction {subject.pk}")

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {"state": state_of(subject), "is_operator": viewer_of(request).is_operator}


def state_of(restriction: Restriction) -> str:
    """Whether it binds now."""
    if restriction.lifted_at is not None:
        return "lifted"
    is_over = restriction.ends_at is not None and restriction.ends_at <= timezone.now()
    return "over" if is_over else "in force"


def _of(request: HttpRequest, rows: Any) -> Panel | None:
    found = rows.in_force(timezone.now()).select_related("party", "dataset__owner")
    if not found.exists():
        return None
    context = {"restrictions": found}
    return Panel(_("Restrictions in force"), "provenance/restrictions_panel.html", context)


site.register(Restriction, RestrictionAdmin)
for _noun in (Party, Dataset):
    site.add_verb(_noun, HOLD)
site.add_verb(Party, SUSPEND)
site.add_panel(Party, lambda request, party: _of(request, party.restrictions.all()))
site.add_panel(
    Dataset,
    lambda request, dataset: _of(
        request,
        Restriction.objects.visible_to(viewer_of(request)).filter(party=dataset.owner_id),
    ),
)
