"""What browsers are told to refuse: scripts, styles, frames and hosts that are not ours.

Pages get one policy; everything else (JSON, CSV, pictures, papers) is data, and whoever opens it
in a tab gets a document that can do nothing. In pages the characters that turn the direction of
text are written out, because a record's key or title could show as something else by them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

_PAGE = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    # data: carries thumbnails and the picture of a second factor.
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "object-src": "'none'",
    "frame-ancestors": "'none'",
}
PAGE_POLICY = "; ".join(f"{name} {sources}" for name, sources in _PAGE.items())
DATA_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PERMISSIONS = ", ".join(
    f"{name}=()"
    for name in (
        *("accelerometer", "autoplay", "browsing-topics", "camera", "display-capture"),
        *("encrypted-media", "fullscreen", "geolocation", "gyroscope", "hid", "magnetometer"),
        *("microphone", "midi", "payment", "picture-in-picture", "screen-wake-lock", "serial"),
        *("usb", "xr-spatial-tracking"),
    )
)
# The paper's own reader in a browser does not start in a sandbox, and our papers are made by us.
_UNBOXED = ("application/pdf",)
# U+202A to U+202E, U+2066 to U+2069: embeddings, overrides and isolates of direction, in UTF-8.
_TURNS = re.compile(rb"\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]")


class HeadersMiddleware:
    """Gives each answer its policy, unless the view that made it has named a stricter one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, and add what is missing."""
        answer = self.get_response(request)
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        is_page = kind == "text/html"
        policy = PAGE_POLICY if is_page else DATA_POLICY
        if not is_page and kind not in _UNBOXED:
            policy += "; sandbox"
        if is_page and settings.SESSION_COOKIE_SECURE:
            policy += "; upgrade-insecure-requests"
        answer.headers.setdefault("Content-Security-Policy", policy)
        answer.headers.setdefault("Permissions-Policy", PERMISSIONS)
        answer.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if is_page and isinstance(answer, HttpResponse):
            _write_out_turns(answer)
        return answer


def _write_out_turns(answer: HttpResponse) -> None:
    """Show what would turn the direction of text as its name, such as [U+202E]."""
    content = answer.content
    if _TURNS.search(content) is None:
        return
    answer.content = _TURNS.sub(lambda found: f"[U+{ord(found[0].decode()):04X}]".encode(), content)
    if answer.has_header("Content-Length"):
        answer.headers["Content-Length"] = str(len(answer.content))
