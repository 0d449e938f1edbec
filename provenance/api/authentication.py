"""Who asks: an API key or a signed-in session, each speaking for exactly one party."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from provenance import parties
from provenance.access import Viewer
from provenance.models import User

if TYPE_CHECKING:
    # REST framework imports this module while it builds its own views.
    from rest_framework.views import APIView


def viewer_of(request: Request) -> Viewer:
    """The viewer of an authenticated API request; HasViewer has seen to it that there is one."""
    viewer = request.auth
    assert isinstance(viewer, Viewer), "a view without HasViewer asked for its viewer"
    return viewer


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer tm_...`; a wrong, expired or revoked key is told so."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Viewer] | None:
        """The key's creator and its viewer, or None where no key was sent."""
        words = get_authorization_header(request).decode("latin-1").split()
        if not words or words[0].lower() != "bearer":
            return None
        viewer = parties.viewer_of_key(words[1], timezone.now()) if len(words) == 2 else None
        if viewer is None:
            raise AuthenticationFailed("This API key is unknown, expired or revoked.")
        request._request.viewer = viewer  # type: ignore[attr-defined]
        return viewer.user or AnonymousUser(), viewer

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return 'Bearer realm="Tallymark"'


class ViewerSessionAuthentication(SessionAuthentication):
    """A signed-in person, speaking for the party chosen in the session (CSRF is checked)."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """The user and the viewer that the middleware found, which is None without a party."""
        found = super().authenticate(request)
        if found is None:
            return None
        return found[0], getattr(request._request, "viewer", None)


class HasViewer(BasePermission):
    """Lets in whoever speaks for a party."""

    message = "You are signed in, but you belong to no organisation yet."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether the request speaks for a party."""
        return isinstance(request.auth, Viewer)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tells the schema how a key is sent."""

    target_class = "provenance.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """The OpenAPI security scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "tm_<prefix>_<secret>"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tells the schema that a browser's session serves as well."""

    target_class = "provenance.api.authentication.ViewerSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """The OpenAPI security scheme."""
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
