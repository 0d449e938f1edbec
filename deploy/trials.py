"""Keys for tests come to addresses of their own: the same paths, and test data behind them.

This module is what `request.urlconf` names for them; views of facts refuse them besides.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import include, path

import compensation.api.trials.urls
from deploy import urls
from provenance.parties import TEST_PREFIX


class KeyForTestsMiddleware:
    """Shows a request with a key for tests the addresses of this module."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Choose the addresses and go on."""
        words = request.headers.get("Authorization", "").split()
        if words[1:] and words[0].lower() == "bearer" and words[1].startswith(TEST_PREFIX):
            request.urlconf = __name__
        return self.get_response(request)


handler404, handler500 = urls.handler404, urls.handler500

urlpatterns = [
    path("api/v1/", include(compensation.api.trials.urls.urlpatterns)),
    *urls.urlpatterns,
]
