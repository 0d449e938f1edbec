"""Where a password alone is not enough: operators' pages, and where money goes.

On the development chain nobody is asked for it, unless the settings say so.
"""

from __future__ import annotations

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from provenance.access import Viewer


def wants_one(request: HttpRequest) -> HttpResponse | None:
    """The way to a second factor, for a person who has none and needs it; None where all is well.

    Whoever has one was asked for it when signing in.
    """
    if not settings.REQUIRE_SECOND_FACTOR or is_mfa_enabled(request.user):
        return None
    messages.warning(
        request,
        _(
            "Set up a second factor first: an app on your phone that shows codes, or a security "
            "key. Operators need it for every page, everybody for where money goes; so a stolen "
            "password moves none."
        ),
    )
    return HttpResponseRedirect(reverse("mfa_index"))


def of_operator(request: HttpRequest) -> HttpResponse | None:
    """The same for pages of operators; None for everybody else."""
    viewer = getattr(request, "viewer", None)
    is_operator = isinstance(viewer, Viewer) and viewer.is_operator
    return wants_one(request) if is_operator else None
