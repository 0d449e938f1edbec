"""Every address of the service; each app brings its own part of the API."""

from __future__ import annotations

from django.contrib.staticfiles import finders
from django.http import FileResponse, Http404, HttpRequest
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

import compensation.api.urls
import ingest.api.urls
import provenance.api.urls
import provenance.web
from deploy.health import healthz, metrics, readyz
from provenance.admin.site import site

VERIFY_PAGE = "provenance/verify.html"


def verify(request: HttpRequest) -> FileResponse:
    """The public page that checks a proof in the browser; one file that needs nothing else."""
    found = finders.find(VERIFY_PAGE)
    if not isinstance(found, str):
        raise Http404("The page was not installed.")
    return FileResponse(open(found, "rb"), content_type="text/html; charset=utf-8")


handler404 = "provenance.api.problems.page_not_found"
handler500 = "provenance.api.problems.server_error"

urlpatterns = [
    path("", include(provenance.web.urlpatterns)),
    path("admin/", site.urls),
    path("accounts/", include("allauth.urls")),
    path("api/v1/", include(provenance.api.urls.urlpatterns)),
    path("api/v1/", include(ingest.api.urls.urlpatterns)),
    path("api/v1/", include(compensation.api.urls.urlpatterns)),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="schema"), name="api-docs"),
    path("verify", verify, name="verify"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
