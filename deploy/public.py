"""Pages for anybody: published datasets, how the service is, and a notice from outside."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django import forms
from django.conf import settings
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from deploy import checks
from provenance import concerns, tenures
from provenance.documents import cards
from provenance.models import Dataset, DatasetVersion, Licence
from provenance.models.concerns import ANSWERED_WITHIN
from provenance.refusals import Refused

HOURLY_LIMIT = 10
ALL_WELL_SECONDS = 15


class ConcernForm(forms.Form):
    """What a notice must say (as article 16 of the EU's Digital Services Act lists it)."""

    what = forms.CharField(
        label=_lazy("What is yours?"),
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_lazy("Name the work: title, author, where it was published."),
    )
    place = forms.CharField(
        label=_lazy("Where do you see it here?"),
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_lazy("The dataset's name or address, or how you came to think it is in one."),
    )
    why = forms.CharField(
        label=_lazy("Why is it yours?"),
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    name = forms.CharField(label=_lazy("Your name"), max_length=200)
    email = forms.EmailField(
        label=_lazy("Your e-mail address"), help_text=_lazy("The answer goes there, nothing else.")
    )
    good_faith = forms.BooleanField(
        label=_lazy("I believe in good faith that what I write here is accurate and complete.")
    )


@require_safe
def dataset_page(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """What an owner publishes of a dataset; 404 for what it does not, as for what is not there."""
    found = (
        Dataset.objects.select_related("owner")
        .filter(owner__namespace=namespace, name=name, published_at__isnull=False)
        .first()
    )
    sealed = DatasetVersion.State.SEALED
    versions = list(found.versions.filter(state=sealed).order_by("-number")[:20]) if found else []
    if found is None and (moved := tenures.formerly(namespace, name)) and moved.published_at:
        return redirect("public-dataset", moved.owner.namespace, moved.name, permanent=True)
    if found is None or not versions:
        raise Http404(_("No such page is published."))
    licences = list(Licence.objects.filter(dataset=found, retired_at=None).order_by("name"))
    card = cards.card(
        dataset=found,
        version=versions[0],
        licences=licences,
        url=f"{settings.PUBLIC_URL}{request.path}",
    )
    context = {"dataset": found, "versions": versions, "licences": licences, "card": card}
    return render(request, "public/dataset.html", context)


@never_cache
@require_safe
def status_page(request: HttpRequest) -> HttpResponse:
    """How the service is, in plain words, from the checks of /readyz; looked at every 15 s."""
    found = cache.get("status")
    if found is None:
        looked = checks.findings(needed_only=True)
        well = {one.check.name: one.is_well for one in looked}
        found = {"well": well, "at": timezone.now()}
        cache.set("status", found, ALL_WELL_SECONDS)
    # Kept by name: each reader is told in a language of its own.
    rows = [
        (one.title, one.what, found["well"][one.name])
        for one in checks.CHECKS
        if one.name in found["well"]
    ]
    context = {"rows": rows, "is_well": all(found["well"].values()), "looked_at": found["at"]}
    return render(request, "public/status.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def notice_page(request: HttpRequest) -> HttpResponse:
    """Something of mine is in here: for people without an account."""
    form = ConcernForm(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST" and form.is_valid():
        told = {name: form.cleaned_data[name] for name in ("name", "email", "what", "place", "why")}
        try:
            _count(request)
            made = concerns.tell(**told, at=timezone.now())
        except Refused as refusal:
            form.add_error(None, f"{refusal.detail} {refusal.next_step}".strip())
            status = refusal.status
        else:
            return render(request, "public/notice_sent.html", {"concern": made})
    elif request.method == "POST":
        status = 422
    days = ANSWERED_WITHIN.days
    return render(request, "public/notice.html", {"form": form, "days": days}, status=status)


def _count(request: HttpRequest) -> None:
    """Raises TooManyConcerns where one address of the network sends too many within an hour."""
    sender = hashlib.sha256(request.META.get("REMOTE_ADDR", "").encode()).hexdigest()
    key = f"concerns:{sender}"
    cache.add(key, 0, 3_600)
    if cache.incr(key) > HOURLY_LIMIT:
        raise concerns.TooManyConcerns


@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """Where to report a weakness (RFC 9116)."""
    expires = timezone.now().replace(microsecond=0) + timedelta(days=180)
    lines = [
        f"Contact: {settings.PUBLIC_URL}{reverse('notice')}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: en",
        f"Canonical: {settings.PUBLIC_URL}/.well-known/security.txt",
    ]
    return HttpResponse("\n".join([*lines, ""]), content_type="text/plain; charset=utf-8")


@require_safe
def robots_txt(request: HttpRequest) -> HttpResponse:
    """What crawlers may read: the public pages."""
    lines = ["User-agent: *", *(f"Disallow: {each}" for each in ("/admin/", "/api/", "/accounts/"))]
    return HttpResponse("\n".join([*lines, ""]), content_type="text/plain; charset=utf-8")


urlpatterns = [
    path("datasets/<slug:namespace>/<slug:name>", dataset_page, name="public-dataset"),
    path("status", status_page, name="status"),
    path("notice", notice_page, name="notice"),
    path(".well-known/security.txt", security_txt, name="security-txt"),
    path("robots.txt", robots_txt, name="robots-txt"),
]
