"""What an error says: RFC 9457 problem details, with a stable code and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

from provenance.access import Viewer
from provenance.refusals import Refused

MEDIA_TYPE = "application/problem+json"

# What somebody who met one of these should do next, by code.
HINTS = {
    "not_authenticated": "Send `Authorization: Bearer tm_...`; keys are made under Keys.",
    "authentication_failed": "Make a new key under Keys, or check that it was copied whole.",
    "no_party": "Ask an admin of your organisation to invite you.",
    "not_found": "Check the id. What belongs to another party is not shown.",
    "invalid": "Correct the fields named in `errors` and send it again.",
    "parse_error": "Send well-formed JSON with `Content-Type: application/json`.",
    "throttled": "Wait as long as `Retry-After` says, then send it again.",
    "method_not_allowed": "See /api/docs for what this address accepts.",
    "not_acceptable": "Ask for `application/json`; PDF and CSV have addresses of their own.",
    "unsupported_media_type": "See /api/docs for what this address accepts.",
    "internal_error": "Try again; if it stays, tell the operator the time and the address.",
}


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    hint: str = "",
    errors: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """The body of a problem: type, title, status, detail, code, and hint and errors if any."""
    body: dict[str, Any] = {
        "type": f"urn:tallymark:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        "hint": hint or HINTS.get(code, ""),
    }
    if errors is not None:
        body["errors"] = errors
    return body


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's exception handler: a Response for what was expected, None for a bug."""
    headers: dict[str, str] = {}
    if isinstance(exc, Refused):
        body = problem(exc.status, exc.code, exc.detail, hint=exc.next_step)
        if exc.retry_after_seconds is not None:
            headers["Retry-After"] = str(exc.retry_after_seconds)
    elif isinstance(exc, Http404):
        body = problem(404, "not_found", "There is nothing here that you may see.")
    elif isinstance(exc, PermissionDenied):
        body = problem(403, "not_allowed", str(exc) or "This is not allowed.")
    elif isinstance(exc, RecursionError):
        # The framework's parser lets it through; nothing of ours recurses.
        body = problem(400, "parse_error", "The JSON is nested too deeply to be read.")
    elif isinstance(exc, exceptions.APIException):
        body = _of_framework(exc, context)
        if wait := getattr(exc, "wait", None):
            headers["Retry-After"] = str(round(wait) or 1)
        if header := getattr(exc, "auth_header", None):
            headers["WWW-Authenticate"] = header
    else:
        return None
    return Response(body, status=body["status"], headers=headers, content_type=MEDIA_TYPE)


def _of_framework(exc: exceptions.APIException, context: dict[str, Any]) -> dict[str, Any]:
    """The problem that one of REST framework's own exceptions is."""
    if isinstance(exc, exceptions.ValidationError):
        errors = list(_flat(exc.get_full_details()))
        first = errors[0] if errors else {"field": "", "message": "Something is wrong."}
        where = f"{first['field']}: " if first["field"] else ""
        return problem(exc.status_code, "invalid", f"{where}{first['message']}", errors=errors)
    code = str(exc.get_codes()) if isinstance(exc.detail, str) else exc.default_code
    request = context.get("request")
    if isinstance(exc, exceptions.PermissionDenied):
        has_party = isinstance(getattr(request, "auth", None), Viewer)
        code = "not_allowed" if has_party else "no_party"
    return problem(exc.status_code, code, str(exc.detail))


def _flat(details: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Nested validation details as a list of {field, message, code}."""
    if isinstance(details, dict) and set(details) == {"message", "code"}:
        yield {"field": path, "message": str(details["message"]), "code": str(details["code"])}
    elif isinstance(details, dict):
        for name, inner in details.items():
            is_general = name == "non_field_errors"
            yield from _flat(inner, path if is_general else f"{path}.{name}".lstrip("."))
    elif isinstance(details, list):
        is_many = any(isinstance(item, dict) and "message" not in item for item in details)
        for number, inner in enumerate(details):
            yield from _flat(inner, f"{path}[{number}]" if is_many else path)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's 404: a problem under /api/, the site's page elsewhere."""
    if not request.path.startswith("/api/"):
        return defaults.page_not_found(request, exception)
    body = problem(404, "not_found", "There is no such address.", hint="See /api/docs.")
    return JsonResponse(body, status=404, content_type=MEDIA_TYPE)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's 500: a problem under /api/, the site's page elsewhere."""
    if not request.path.startswith("/api/"):
        return defaults.server_error(request)
    body = problem(500, "internal_error", "Something broke here; it was not you.")
    return JsonResponse(body, status=500, content_type=MEDIA_TYPE)
