"""Registering datasets: versions, their records, and what is done with them afterwards.

A record is stored once and belongs to every version from the one that added it up to the one that
withdrew it, so that a version costs only what changed.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from provenance import ledger, records, restrictions
from provenance.commitments import records_root
from provenance.models import Dataset, DatasetVersion, Party, Record, User
from provenance.models.datasets import RecordQuerySet
from provenance.records import Delta, NewRecord, OrdinalTaken, preview_delta
from provenance.refusals import Refused
from provenance.states import within

__all__ = [
    "Delta",
    "EmptyVersion",
    "NameTaken",
    "NewRecord",
    "NoBase",
    "NotAnOwner",
    "NotSealed",
    "OrdinalTaken",
    "VersionClosed",
    "VersionInProgress",
    "add_records",
    "erase_version",
    "export_version",
    "fail_version",
    "open_version",
    "preview_delta",
    "ready_version",
    "records_of",
    "register_dataset",
    "seal_version",
    "withdraw_keys",
    "withdraw_version",
]

State = DatasetVersion.State


class NameTaken(Refused):
    """This owner has a dataset of that name."""

    code = "dataset_name_taken"
    hint = "Choose another name, or open a new version of the dataset that has it."


class NotAnOwner(Refused):
    """Only a party that is an owner registers datasets."""

    code = "not_an_owner"
    status = 403
    hint = "Ask the operator to make your organisation an owner."


class VersionInProgress(Refused):
    """Another version of this dataset is being registered."""

    code = "version_in_progress"
    hint = "Wait until it is sealed, or cancel it, then try again."


class VersionClosed(Refused):
    """This version takes no more records."""

    code = "version_closed"
    hint = "Open a new version of the dataset."


class NoBase(Refused):
    """A version by delta needs a sealed version before it."""

    code = "delta_without_base"
    hint = "Register a full version first."


class EmptyVersion(Refused):
    """A version without records cannot be sealed."""

    code = "empty_version"
    hint = "Upload at least one record; to take everything back, withdraw the last version."


class NotSealed(Refused):
    """Only a sealed version can be withdrawn, exported or erased."""

    code = "version_not_sealed"
    hint = "Look at the version's state first."


@transaction.atomic
def register_dataset(
    *,
    owner: Party,
    name: str,
    title: str,
    description: str = "",
    kind: str = "text",
    is_fingerprint_only: bool = False,
    at: datetime,
    by: User | None = None,
) -> Dataset:
    """Register a dataset. It grants nobody anything: without a licence all rights are reserved."""
    if not owner.is_owner:
        raise NotAnOwner
    restrictions.require_active(owner, at)
    dataset, is_new = Dataset.objects.get_or_create(
        owner=owner,
        name=name,
        defaults={
            "title": title or name,
            "description": description,
            "kind": kind,
            "is_fingerprint_only": is_fingerprint_only,
            "created_at": at,
        },
    )
    if not is_new:
        raise NameTaken(_("You have a dataset named '%(name)s'.") % {"name": name})
    body = {"kind": kind, "is_fingerprint_only": is_fingerprint_only}
    ledger.record(
        "dataset.registered",
        at=at,
        subject_kind="dataset",
        subject_id=dataset.id,
        party=owner,
        body={"owner": owner.id, **body, "by": str(by.pk) if by else None},
    )
    return dataset


@transaction.atomic
def open_version(*, dataset: Dataset, mode: str = "full", at: datetime) -> DatasetVersion:
    """Begin the next version: `full` replaces all records, `delta` changes some by key."""
    restrictions.require_active(dataset.owner, at)
    Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
    versions = DatasetVersion.objects.filter(dataset=dataset)
    if versions.filter(state__in=[State.OPEN, State.READY]).exists():
        raise VersionInProgress
    last = versions.exclude(state=State.FAILED).order_by("-number").first()
    if mode == DatasetVersion.Mode.DELTA and (last is None or last.state != State.SEALED):
        raise NoBase
    number = (versions.aggregate(last=Max("number"))["last"] or 0) + 1
    return DatasetVersion.objects.create(dataset=dataset, number=number, mode=mode, created_at=at)


@transaction.atomic
def add_records(*, version: DatasetVersion, rows: Sequence[NewRecord]) -> list[Record]:
    """Register `rows` in an open version; the records in their order. Safe to repeat.

    A row whose key and digest the version before holds already costs no new record: its record is
    carried over. In a delta, a row with a known key and another digest replaces that record.
    """
    _require_open(version)
    return records.add(version, rows)


@transaction.atomic
def withdraw_keys(*, version: DatasetVersion, keys: Sequence[str]) -> int:
    """In an open delta, leave out the records with these keys; how many there were."""
    if version.mode != DatasetVersion.Mode.DELTA:
        raise NoBase(_("Only a version by delta withdraws single records."))
    _require_open(version)
    return records.withdraw(version, keys)


@transaction.atomic
def ready_version(*, version: DatasetVersion, at: datetime) -> DatasetVersion:
    """All records of an open version are in: show what would change, and wait to be sealed."""
    locked = _locked(version)
    if locked.state == State.OPEN:
        locked.state = State.READY
        locked.save(update_fields=["state"])
    elif locked.state != State.READY:
        raise VersionClosed(_("This version is %(state)s.") % {"state": within(locked.state)})
    version.state = locked.state
    return version


@transaction.atomic
def seal_version(
    *, version: DatasetVersion, at: datetime, file_sha256: bytes | None = None
) -> DatasetVersion:
    """Close a version for good: its records enter the ledger as one root. Safe to repeat.

    `file_sha256` is of the file that the records were read from, 32 bytes, if there was one.
    """
    locked = _locked(version)
    if locked.state == State.SEALED:
        return locked
    if locked.state not in (State.OPEN, State.READY):
        raise VersionClosed(_("This version is %(state)s.") % {"state": within(locked.state)})
    delta = preview_delta(locked)
    if not delta.record_count:
        raise EmptyVersion
    if locked.mode == DatasetVersion.Mode.FULL:
        records.withdraw_unconfirmed(locked)
    locked.salt = secrets.token_bytes(32)
    digests = records_of(locked).values_list("digest", flat=True).iterator(records.CHUNK)
    locked.records_root = records_root(locked.salt, map(bytes, digests))
    locked.record_count = delta.record_count
    locked.token_count, locked.byte_count = delta.token_count, delta.byte_count
    locked.added_count, locked.changed_count = delta.added, delta.changed
    locked.withdrawn_count = delta.withdrawn
    locked.state, locked.sealed_at, locked.file_sha256 = State.SEALED, at, file_sha256
    locked.save()
    _record(locked, "version.sealed", at, _sealed_body(locked))
    return locked


@transaction.atomic
def fail_version(*, version: DatasetVersion, reason: str, at: datetime) -> DatasetVersion:
    """Give up an unsealed version: its records belong to no version. Safe to repeat."""
    locked = _locked(version)
    if locked.state == State.FAILED:
        return locked
    if locked.sealed_at is not None:
        raise VersionClosed(_("A sealed version cannot fail; it can be withdrawn."))
    records.forget(locked)
    locked.state, locked.reason = State.FAILED, reason[:300]
    locked.save(update_fields=["state", "reason"])
    return locked


@transaction.atomic
def withdraw_version(*, version: DatasetVersion, at: datetime, reason: str) -> DatasetVersion:
    """Take a sealed version back: later use of it is flagged; what was used stays used."""
    locked = _locked(version)
    if locked.state == State.WITHDRAWN:
        return locked
    if locked.state != State.SEALED:
        raise NotSealed
    locked.state, locked.withdrawn_at, locked.reason = State.WITHDRAWN, at, reason[:300]
    locked.save(update_fields=["state", "withdrawn_at", "reason"])
    _record(locked, "version.withdrawn", at, {})
    return locked


@transaction.atomic
def erase_version(*, version: DatasetVersion, at: datetime) -> DatasetVersion:
    """Erase a version: its salt, and key, digest and evidence of records no other version holds.

    Counts, the root and the ledger stay, so that it still verifies. Ingest's sweeper then erases
    the bodies, fingerprints and indexes of records whose digest is all zeros.
    """
    locked = _locked(version)
    if locked.state == State.ERASED:
        return locked
    if locked.state not in (State.SEALED, State.WITHDRAWN):
        raise NotSealed
    restrictions.require_erasable(locked.dataset, at)
    locked.state, locked.erased_at, locked.salt = State.ERASED, at, None
    locked.withdrawn_at = locked.withdrawn_at or at
    locked.file_sha256 = None
    locked.save(update_fields=["state", "erased_at", "salt", "withdrawn_at", "file_sha256"])
    erased = records.erase_orphans(locked)
    _record(locked, "version.erased", at, {"records": erased})
    return locked


def records_of(version: DatasetVersion) -> RecordQuerySet:
    """The records of `version`, in the order in which they were registered."""
    return Record.objects.of_version(version).order_by("added_number", "ordinal")


def export_version(version: DatasetVersion) -> Iterator[dict[str, Any]]:
    """What is known of each record, one dict at a time: place, key, digest, counts."""
    if version.state not in (State.SEALED, State.WITHDRAWN):
        raise NotSealed
    for record in records_of(version).iterator(records.CHUNK):
        yield {
            "ordinal": record.ordinal,
            "key": record.key,
            "sha256": bytes(record.digest).hex(),
            "token_count": record.token_count,
            "byte_count": record.byte_count,
            "added_in": record.added_number,
        }


def _locked(version: DatasetVersion) -> DatasetVersion:
    """The row of `version`, held until the transaction ends, after that of its dataset."""
    Dataset.objects.select_for_update(no_key=True).get(pk=version.dataset_id)
    rows = DatasetVersion.objects.select_related("dataset__owner")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=version.pk)


def _require_open(version: DatasetVersion) -> None:
    rows = DatasetVersion.objects.select_for_update(no_key=True)
    state = rows.values_list("state", flat=True).get(pk=version.pk)
    if state != State.OPEN:
        raise VersionClosed(_("This version is %(state)s.") % {"state": within(state)})


def _sealed_body(version: DatasetVersion) -> dict[str, Any]:
    """What the ledger says of a sealed version: counts and one commitment, no content."""
    return {
        "dataset": version.dataset_id,
        "number": version.number,
        "mode": version.mode,
        "records": version.record_count,
        "tokens": version.token_count,
        "bytes": version.byte_count,
        "added": version.added_count,
        "changed": version.changed_count,
        "withdrawn": version.withdrawn_count,
        "records_root": version.records_root,
    }


def _record(version: DatasetVersion, kind: str, at: datetime, body: dict[str, Any]) -> None:
    """A fact about `version`, for its owner to see."""
    ledger.record(
        kind,
        at=at,
        subject_kind="version",
        subject_id=version.id,
        party=version.dataset.owner,
        body=body,
    )
