"""What an owner shows to anybody: nothing, until it publishes a dataset's page."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from provenance import ledger
from provenance.models import Dataset, DatasetVersion
from provenance.refusals import Refused


class NothingSealed(Refused):
    """A dataset without a sealed version has nothing to show."""

    code = "nothing_sealed"
    hint = "Wait until its first version is sealed, then publish it."


@transaction.atomic
def publish(*, dataset: Dataset, at: datetime) -> Dataset:
    """Show the dataset's page to anybody: title, description, owner, counts and terms; no record.

    Safe to repeat. Raises NothingSealed.
    """
    dataset = Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
    if dataset.published_at is not None:
        return dataset
    if not dataset.versions.filter(state=DatasetVersion.State.SEALED).exists():
        raise NothingSealed
    return _set(dataset, at, "dataset.published", at)


@transaction.atomic
def take_down(*, dataset: Dataset, at: datetime) -> Dataset:
    """Show the page to nobody any more. Safe to repeat."""
    dataset = Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
    if dataset.published_at is None:
        return dataset
    return _set(dataset, None, "dataset.taken_down", at)


def _set(dataset: Dataset, published_at: datetime | None, kind: str, at: datetime) -> Dataset:
    dataset.published_at = published_at
    dataset.save(update_fields=["published_at"])
    ledger.record(
        kind,
        at=at,
        subject_kind="dataset",
        subject_id=dataset.pk,
        party=dataset.owner,
        body={"dataset": str(dataset)},
    )
    return dataset
