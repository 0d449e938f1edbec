"""An operator may look at what is a party's, with a reason that the party can read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import looked, parties, viewing
from provenance.admin.verbs import VerbForm, viewer_of
from provenance.models import Party

_SESSION_KEY = "looking"
_REASON_LASTS = timedelta(minutes=30)


class ReasonForm(VerbForm):
    """Why an operator looks."""

    reason = forms.CharField(
        max_length=300,
        label=_lazy("Why do you need to look?"),
        help_text=_lazy("The party reads this in its access log. It holds for 30 minutes."),
        widget=forms.TextInput(attrs={"autofocus": True}),
    )


def stated_reason(request: HttpRequest, at: datetime) -> str:
    """The reason given in this session, while it holds; empty otherwise."""
    kept = request.session.get(_SESSION_KEY) or {}
    if not kept or datetime.fromisoformat(kept["until"]) < at:
        return ""
    return str(kept["reason"])


def reason_view(request: HttpRequest) -> HttpResponse:
    """The page that asks an operator for the reason, and goes on to what was asked for."""
    from provenance.admin.site import site

    viewer = viewer_of(request)
    onward = request.POST.get("next") or request.GET.get("next") or reverse("admin:index")
    if not url_has_allowed_host_and_scheme(onward, allowed_hosts={request.get_host()}):
        onward = reverse("admin:index")
    form = ReasonForm(request.POST or None, viewer=viewer)
    if form.is_valid():
        until = timezone.now() + _REASON_LASTS
        request.session[_SESSION_KEY] = {
            "reason": form.cleaned_data["reason"],
            "until": until.isoformat(),
        }
        return HttpResponseRedirect(onward)
    context = {
        **site.each_context(request),
        "title": _("Why are you looking?"),
        "form": form,
        "onward": onward,
    }
    return TemplateResponse(request, "provenance/reason.html", context)


def end_view(request: HttpRequest) -> HttpResponse:
    """End a look through a party's eyes; back to the party's page, as oneself."""
    kept = request.session.pop(viewing.SESSION_KEY, None) if request.method == "POST" else None
    if kept is None:
        return HttpResponseRedirect(reverse("admin:index"))
    messages.success(request, _("You are yourself again."))
    return HttpResponseRedirect(reverse("admin:provenance_party_change", args=[kept["party"]]))


def gate(
    request: HttpRequest, what: str, touched: Iterable[Party], reason: str = ""
) -> HttpResponse | None:
    """Log an operator's look at the touched parties' data; the reason page if none was given."""
    viewer = viewer_of(request)
    others = {party.pk: party for party in touched if party.pk != viewer.party.pk}
    if not viewer.is_operator or not others:
        return None
    at = timezone.now()
    stated = reason or stated_reason(request, at)
    if not stated:
        query = urlencode({"next": request.get_full_path()})
        return HttpResponseRedirect(f"{reverse('admin:reason')}?{query}")
    _log(request, what, others.values(), stated, at)
    return None


def note_list(
    request: HttpRequest, what: str, touched: Iterable[Party], reason: str = looked.LIST_REASON
) -> None:
    """Log that an operator saw these parties' rows in a list: once an hour, party and list.

    `reason` stands where the operator stated none.
    """
    viewer = viewer_of(request)
    if not viewer.is_operator:
        return
    at = timezone.now()
    seen: dict[str, str] = request.session.get("lists_seen", {})
    fresh = {}
    for party in touched:
        mark = f"{what}:{party.pk}"
        last = seen.get(mark)
        if party.pk != viewer.party.pk and (
            last is None or datetime.fromisoformat(last) < at - timedelta(hours=1)
        ):
            fresh[party.pk] = party
            seen[mark] = at.isoformat()
    if fresh:
        request.session["lists_seen"] = seen
        _log(request, what, fresh.values(), stated_reason(request, at) or reason, at)


def _log(
    request: HttpRequest, what: str, others: Iterable[Party], reason: str, at: datetime
) -> None:
    for party in others:
        parties.log_view(
            viewer=viewer_of(request), party=party, what=what[:200], reason=reason[:300], at=at
        )
