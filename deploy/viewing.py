"""While an operator looks as a party does, pages are that party's and nothing can be changed."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from deploy.readonly import SAFE_METHODS
from provenance import viewing
from provenance.api.problems import MEDIA_TYPE, problem

# What ends the look, or the session with it; and in which language one reads.
STILL_OPEN = ("/accounts/logout/", "/admin/logout/", "/language")


class ViewAsMiddleware:
    """Puts the party in the viewer's place, refuses what writes, and logs each page for it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Go on as the party; as oneself where no look lasts."""
        request.viewing_as = None  # type: ignore[attr-defined]
        operator = getattr(request, "viewer", None)
        kept = request.session.get(viewing.SESSION_KEY) if operator is not None else None
        look = viewing.look_of(kept, operator, timezone.now())
        if look is None or kept is None:
            if kept is not None:
                del request.session[viewing.SESSION_KEY]
            return self.get_response(request)
        request.viewing_as = look  # type: ignore[attr-defined]
        request.viewer = look.viewer  # type: ignore[attr-defined]
        if request.method not in SAFE_METHODS:
            is_open = request.path in (*STILL_OPEN, reverse("admin:view-as-end"))
            return self.get_response(request) if is_open else _refused(request)
        if viewing.note_page(look, kept, request.path, timezone.now()):
            request.session[viewing.SESSION_KEY] = kept
        return self.get_response(request)


def _refused(request: HttpRequest) -> HttpResponse:
    """403: a problem under /api/, a page elsewhere."""
    if request.path.startswith("/api/"):
        detail = "You are looking as another party does: nothing can be changed."
        body = problem(403, "looking_only", detail, hint="End the look first.")
        return JsonResponse(body, status=403, content_type=MEDIA_TYPE)
    return render(request, "looking_only.html", status=403)
