"""What the first page says of uploads."""

from __future__ import annotations

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from ingest.models import Screening, Upload
from provenance.access import Viewer
from provenance.admin.cards import Card, Todo


def cards(viewer: Viewer, at: datetime) -> list[Card]:
    """Uploads at work, where there are any; an operator sees all."""
    rows = Upload.objects.visible_to(viewer).filter(state__in=Upload.WORKING)
    count = rows.filter(started_at__isnull=False).count()
    if not count and not viewer.is_operator:
        return []
    return [
        Card(
            _("Uploads"),
            f"{count:,}",
            _("being read or compared now"),
            reverse("admin:ingest_upload_changelist"),
        )
    ]


def todos(viewer: Viewer, at: datetime) -> list[Todo]:
    """Uploads that wait for their owner's word, and reports whose answer has changed."""
    changed = Screening.objects.filter(party=viewer.party, notices__seen_at__isnull=True)
    rows = Upload.objects.filter(version__dataset__owner=viewer.party)
    ready = rows.filter(state=Upload.State.READY)
    columns = rows.filter(state=Upload.State.RECEIVED, started_at__isnull=True)
    return [
        *(
            Todo(
                _("Confirm the changes in %(file_name)s")
                % {"file_name": upload.file_name or upload.url},
                _url(upload),
            )
            for upload in ready[:10]
        ),
        *(
            Todo(
                _("Say which columns of %(file_name)s to read")
                % {"file_name": upload.file_name or upload.url},
                _url(upload),
            )
            for upload in columns[:10]
        ),
        *(
            Todo(
                _("Something changed about %(file_name)s, which you screened")
                % {"file_name": screening.file_name},
                reverse("admin:ingest_screening_change", args=[screening.pk]),
            )
            for screening in changed.filter(notices__isnull=False).distinct()[:10]
        ),
    ]


def _url(upload: Upload) -> str:
    return reverse("admin:ingest_upload_change", args=[upload.pk])
