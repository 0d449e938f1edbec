"""Every address of the service; each app brings its own part of the API."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from django.contrib.staticfiles import finders
from django.http import FileResponse, Http404, HttpRequest
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

import compensation.api.urls
import deploy.languages
import deploy.public
import ingest.api.urls
import provenance.api.urls
import provenance.web
from deploy.health import healthz, metrics, readyz
from deploy.reference import reference
from provenance.admin.site import site

VERIFY_PAGE = "provenance/verify.html"
OWN_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]+)"')


def verify(request: HttpRequest) -> FileResponse:
    """The public page that checks a proof in the browser; one file that needs nothing else."""
    found = finders.find(VERIFY_PAGE)
    if not isinstance(found, str):
        raise Http404("The page was not installed.")
    headers = {"Content-Security-Policy": _own_policy(found)}
    kind = "text/html; charset=utf-8"
    return FileResponse(open(found, "rb"), content_type=kind, headers=headers)


@cache
def _own_policy(page: str) -> str:
    """The policy that stands in the page, with what only a header can say."""
    own = OWN_POLICY.search(Path(page).read_text())
    assert own is not None, "the page was built without its policy"
    return f"{own[1]}; frame-ancestors 'none'"


handler404 = "provenance.api.problems.page_not_found"
handler500 = "provenance.api.problems.server_error"

urlpatterns = [
    path("", include(provenance.web.urlpatterns)),
    path("", include(deploy.public.urlpatterns)),
    path("", include(deploy.languages.urlpatterns)),
    path("admin/", site.urls),
    path("accounts/", include("allauth.urls")),
    path("api/v1/", include(provenance.api.urls.urlpatterns)),
    path("api/v1/", include(ingest.api.urls.urlpatterns)),
    path("api/v1/", include(compensation.api.urls.urlpatterns)),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", reference, name="api-docs"),
    path("verify", verify, name="verify"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
