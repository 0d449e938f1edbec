"""Sets `request.viewer`: the party for which a signed-in person speaks, or None."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from provenance import parties
from provenance.access import Viewer

# Where the session keeps the party that a member of several has chosen.
CHOSEN_PARTY = "party_id"


class ViewerMiddleware:
    """Looks the viewer up where there is a session; a request by key brings its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Set the viewer and go on."""
        request.viewer = _viewer(request)  # type: ignore[attr-defined]
        return self.get_response(request)


def _viewer(request: HttpRequest) -> Viewer | None:
    """The viewer of the chosen party, or of the user's first; None for a stranger."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.user.is_authenticated:
        return None
    try:
        chosen = UUID(request.session.get(CHOSEN_PARTY, ""))
    except ValueError:
        chosen = None
    found = parties.viewer_of_user(request.user, chosen)
    return found or (parties.viewer_of_user(request.user, None) if chosen else None)
