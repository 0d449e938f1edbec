"""The pages outside the admin: the landing page, choosing a party, accepting an invitation."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import parties
from provenance.middleware import CHOSEN_PARTY
from provenance.models import Membership, User
from provenance.refusals import Refused


class NewPartyForm(forms.Form):
    """What a person tells of an organisation that is new here."""

    name = forms.CharField(max_length=200, label=_lazy("Name of the organisation"))
    does = forms.MultipleChoiceField(
        label=_lazy("It is"),
        choices=[
            ("owner", _lazy("a rights holder with data")),
            ("lab", _lazy("a lab that trains models")),
        ],
        widget=forms.CheckboxSelectMultiple,
    )


def landing(request: HttpRequest) -> HttpResponse:
    """What Tallymark is; a person who is signed in goes straight to work."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(reverse("admin:index"))
    return render(request, "public/landing.html")


@login_required
def choose_party(request: HttpRequest) -> HttpResponse:
    """For whom a member of several acts; and how to begin for a person who is in none."""
    assert isinstance(request.user, User), "login_required lets users in only"
    memberships = Membership.objects.filter(user=request.user).select_related("party")
    form = NewPartyForm(request.POST if "name" in request.POST else None)
    if request.method == "POST" and "party" in request.POST:
        chosen = next((m for m in memberships if str(m.party_id) == request.POST["party"]), None)
        if chosen is not None:
            return _act_for(request, chosen.party_id)
        messages.error(request, _("You are not a member of that organisation."))
    elif form.is_valid():
        try:
            return _act_for(request, _found_party(request.user, form))
        except Refused as refusal:
            form.add_error(None, f"{refusal.detail} {refusal.next_step}".strip())
    context = {"memberships": memberships, "form": form}
    return render(request, "public/choose_party.html", context)


@transaction.atomic
def _found_party(user: User, form: NewPartyForm) -> UUID:
    """A new party whose first admin is the person who registers it."""
    at = timezone.now()
    does = form.cleaned_data["does"]
    party = parties.create_party(
        name=form.cleaned_data["name"],
        is_owner="owner" in does,
        is_lab="lab" in does,
        contact_email=user.email,
        at=at,
    )
    parties.add_member(party=party, user=user, role=Membership.Role.ADMIN, at=at)
    return party.pk


def _act_for(request: HttpRequest, party_id: UUID) -> HttpResponse:
    request.session[CHOSEN_PARTY] = str(party_id)
    return HttpResponseRedirect(reverse("admin:index"))


@login_required
def accept_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Where the link of an invitation leads: a person says yes, and belongs."""
    assert isinstance(request.user, User), "login_required lets users in only"
    if request.method != "POST":
        return render(request, "public/invitation.html")
    try:
        membership = parties.accept_invitation(token=token, user=request.user, at=timezone.now())
    except Refused as refusal:
        context = {"refusal": refusal}
        return render(request, "public/invitation.html", context, status=refusal.status)
    messages.success(request, _("Welcome to %(party)s.") % {"party": membership.party.name})
    return _act_for(request, membership.party_id)


urlpatterns = [
    path("", landing, name="landing"),
    path("parties/choose/", choose_party, name="choose-party"),
    path("invitations/<str:token>/", accept_invitation, name="accept-invitation"),
]
