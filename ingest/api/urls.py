"""The addresses of ingest's part of the API, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from ingest.api.screened_files import ScreenedFiles
from ingest.api.screenings import Screenings
from ingest.api.uploads import Uploads
from ingest.api.versions import DatasetPrints, DatasetVersions, SealVersion, VersionContent
from provenance.api.door import router

uploads = router()
uploads.register("uploads", Uploads, basename="upload")
uploads.register("screenings/files", ScreenedFiles, basename="screened-file")

urlpatterns = [
    *uploads.urls,
    path("datasets/<uuid:pk>/versions", DatasetVersions.as_view(), name="dataset-versions"),
    path("datasets/<uuid:pk>/prints", DatasetPrints.as_view(), name="dataset-prints"),
    path("versions/<uuid:pk>/content", VersionContent.as_view(), name="version-content"),
    path("screenings", Screenings.as_view(), name="screenings"),
    path("versions/<uuid:pk>/seal", SealVersion.as_view(), name="version-seal"),
]
