"""What owners are told of their uploads when they are over. Declared into the one table."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from ingest.models import Upload
from provenance.models import DatasetVersion, Event
from provenance.notices import OWNERS, Kind, Topic, follows, of_conflicts, register, tell

_DONE, _FAILED = "registration.done", "registration.failed"

register(
    Kind(
        _DONE,
        Topic.CONFLICTS,
        _("A registration is done, and nothing was found"),
        _("%(dataset)s is registered: what it brings is like nothing of others"),
        _(
            "Your registration %(dataset)s is sealed. Records that this version adds or changes: "
            "%(records)s. They were compared with everything that others registered before, and "
            "nothing like them was found. Its certificate is on its page."
        ),
        "admin:provenance_datasetversion_change",
        "rights",
        _("See the registration"),
        reaches=OWNERS,
    ),
    Kind(
        _FAILED,
        Topic.CONFLICTS,
        _("A registration ended with an error"),
        _("%(dataset)s could not be registered"),
        _(
            "The upload for %(dataset)s ended with an error, and nothing of it stays. Its page "
            "says what happened and what to do about it."
        ),
        "admin:ingest_upload_change",
        "rights",
        _("See what happened"),
        reaches=OWNERS,
    ),
)


@follows("version.screened")
def _compared(event: Event) -> None:
    """Who registered hears of a version that is done; of one with overlaps they tell."""
    if event.party is None or of_conflicts.overlaps_with_others(event):
        return
    version = DatasetVersion.objects.filter(pk=event.subject_id).first()
    if version is not None:
        tell(
            _DONE,
            party=event.party,
            about=version.pk,
            key=event.pk,
            at=event.occurred_at,
            dataset=version,
            records=int(event.body["compared"]),
        )


def tell_of_failure(upload: Upload, *, at: datetime) -> None:
    """An upload ended with an error that nobody of its owner's chose."""
    version = upload.version
    owner = version.dataset.owner
    tell(_FAILED, party=owner, about=upload.pk, key=upload.pk, at=at, dataset=version)
