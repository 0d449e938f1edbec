"""The way of an upload, in order: received, read, sealed, screened; and what people may ask of it.

Doors call the use cases here; workers call `advance`, which goes on wherever the last one stopped.
Every step commits its results and its place together, so that a killed worker costs time only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO
from uuid import UUID, uuid4

import structlog
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from ingest import fetch, hints, leases, notices, reading, screening, storage
from ingest.models import Upload
from ingest.readers import ReaderError
from provenance import ledger, registry
from provenance.models import Dataset, DatasetVersion, User
from provenance.refusals import Refused

log = structlog.get_logger(__name__)

Clock = Callable[[], datetime]

SLICE = timedelta(seconds=30)
"""How long one task works before it lets others have a turn."""
DISCARDED = "discarded"
"""The code of an upload that its owner's people gave up."""


class UploadExists(Refused):
    """This version has its upload already."""

    code = "upload_exists"
    hint = "Open another version of the dataset, or discard the upload that is there."


class NotNow(Refused):
    """The upload is past the point where that could be asked."""

    code = "not_now"
    hint = "Look at the upload's state; open another version to change what was registered."


class NothingSent(Refused):
    """There is neither a file nor an address."""

    code = "nothing_sent"
    status = 422
    hint = "Send a file, or give a url."


class ColumnRefused(Refused):
    """That column cannot be read from this file."""

    code = "column_refused"
    status = 422


@dataclass(frozen=True)
class DeltaPreview:
    """What a delta would do to its dataset, before anybody confirms it."""

    added: int
    changed: int
    withdrawn: int
    unchanged: int
    bad: int


def begin_upload(
    *,
    version: DatasetVersion,
    file: BinaryIO | None = None,
    file_name: str = "",
    url: str = "",
    text_column: str | None = None,
    key_column: str | None = None,
    contributor_column: str = "",
    starts: bool = True,
    by: User | None = None,
    at: datetime,
) -> Upload:
    """Take a file, or note an address, as the content of an open version.

    With `starts=False` the columns may still be chosen (`choose_columns`) before `start_upload`.
    A file that cannot be read is answered with an upload in state `failed` that says why.
    Raises UploadExists, NothingSent, UrlNotAllowed, TooLarge, EmptyFile.
    """
    _check_free(version)
    if file is None:
        if not url:
            raise NothingSent
        fetch.check_url(url)
    upload = Upload(
        id=uuid4(),
        version=version,
        content=reading.content_of(version),
        file_name=storage.safe_name(file_name or getattr(file, "name", "")) if file else "",
        url=url,
        text_column=text_column or "",
        key_column=key_column or "",
        contributor_column=contributor_column,
        by=by,
        created_at=at,
        retry_at=at,
    )
    if file is not None:
        stored = storage.store(upload.id, upload.file_name, file)
        upload.path, upload.sha256 = stored.path, stored.sha256
        upload.bytes_total = stored.byte_count
    return _enter(upload, starts=starts, at=at)


def _check_free(version: DatasetVersion) -> None:
    if version.state != DatasetVersion.State.OPEN:
        raise NotNow(
            _("%(version)s is %(state)s and takes no more content.")
            % {"version": version, "state": version.state}
        )
    if version.uploads.exclude(state=Upload.State.FAILED).exists():
        raise UploadExists


@transaction.atomic
def _enter(upload: Upload, *, starts: bool, at: datetime) -> Upload:
    """Save a new upload and, where its bytes are here, look into them."""
    upload.save(force_insert=True)
    if upload.path:
        try:
            reading.look_into(upload, may_choose=not starts)
        except ReaderError as error:
            fail(upload, code=error.code, detail=str(error), hint=error.hint, at=at)
            return upload
    if starts:
        start_upload(upload=upload, at=at)
    return upload


@transaction.atomic
def choose_columns(
    *,
    upload: Upload,
    text_column: str | None = None,
    key_column: str | None = None,
    contributor_column: str | None = None,
) -> Upload:
    """Name the columns that are read, in place of the guessed ones; before the upload starts."""
    upload = _locked(upload)
    if upload.state != Upload.State.RECEIVED or upload.started_at is not None:
        raise NotNow(_("The columns can be chosen until the upload is started."))
    upload.text_column = upload.text_column if text_column is None else text_column
    upload.key_column = upload.key_column if key_column is None else key_column
    if contributor_column is not None:
        upload.contributor_column = contributor_column
    try:
        reading.check_columns(upload)
    except ReaderError as error:
        raise ColumnRefused(str(error), hint=error.hint) from error
    upload.save(update_fields=["text_column", "key_column", "contributor_column"])
    return upload


@transaction.atomic
def start_upload(*, upload: Upload, at: datetime) -> Upload:
    """Let the workers begin; safe to repeat. Raises ColumnRefused where a choice is still due."""
    upload.refresh_from_db()
    if (
        upload.columns
        and not upload.text_column
        and upload.version.dataset.kind in (Dataset.Kind.TEXT, Dataset.Kind.CODE)
    ):
        raise ColumnRefused(
            _("No column looks like a text."),
            hint=_("Choose the text column first: %(names)s.")
            % {"names": ", ".join(upload.columns[:20])},
        )
    Upload.objects.filter(
        pk=upload.pk, started_at__isnull=True, state=Upload.State.RECEIVED
    ).update(started_at=at, retry_at=at)
    upload.refresh_from_db()
    hints.advance(upload.pk)
    return upload


def preview(upload: Upload) -> DeltaPreview:
    """What a delta would add, change and withdraw, as far as it has been read."""
    counts = registry.preview_delta(upload.version)
    return DeltaPreview(
        added=counts.added,
        changed=counts.changed,
        withdrawn=counts.withdrawn,
        unchanged=counts.unchanged,
        bad=upload.bad_count,
    )


@transaction.atomic
def confirm_delta(*, upload: Upload, at: datetime) -> Upload:
    """Let a delta that was read and shown be sealed and screened. Raises NotNow."""
    upload = _locked(upload)
    if upload.state != Upload.State.READY:
        raise NotNow(_("Only an upload that is ready can be confirmed."))
    upload.state, upload.stage = Upload.State.SCREENING, "sealing"
    upload.stage_at = upload.retry_at = at
    upload.save(update_fields=["state", "stage", "stage_at", "retry_at"])
    hints.advance(upload.pk)
    return upload


@transaction.atomic
def discard_upload(*, upload: Upload, at: datetime) -> Upload:
    """Give up an upload that is not sealed yet: its version fails and nothing of it stays."""
    upload = _locked(upload)
    is_sealed = upload.version.sealed_at is not None
    if is_sealed or upload.state in (Upload.State.SEALED, Upload.State.FAILED):
        raise NotNow(_("What is sealed can be withdrawn, not discarded."))
    fail(upload, code=DISCARDED, detail=_noop("It was discarded."), hint="", at=at)
    return upload


def note_seen(*, upload: Upload, at: datetime) -> None:
    """Its owner's people look at what was found; the first time is kept. Safe to repeat."""
    rows = Upload.objects.filter(pk=upload.pk, state=Upload.State.SEALED)
    rows.filter(result_seen_at__isnull=True).update(result_seen_at=at)


@transaction.atomic
def fail(upload: Upload, *, code: str, detail: str, hint: str, at: datetime) -> None:
    """End an upload with an error; the version fails with it, and a sweeper removes its rows."""
    upload.state, upload.stage = Upload.State.FAILED, "failed"
    upload.error_code, upload.error_detail, upload.error_hint = code, detail, hint
    upload.finished_at, upload.lease, upload.lease_until = at, None, None
    upload.save(
        update_fields=[
            *("state", "stage", "error_code", "error_detail", "error_hint"),
            *("finished_at", "lease", "lease_until"),
        ]
    )
    registry.fail_version(version=upload.version, reason=f"{code}: {detail}", at=at)
    if code != DISCARDED:
        notices.tell_of_failure(upload, at=at)
    log.info("upload failed", upload=str(upload.pk), code=code)


def advance(upload_id: UUID, *, clock: Clock, time_limit: timedelta = SLICE) -> bool:
    """Work on an upload for about `time_limit`; True where it has more to do at once."""
    upload = leases.claim(upload_id, at=clock())
    if upload is None:
        return False
    until = clock() + time_limit
    try:
        while upload.state in Upload.WORKING and clock() < until:
            _step(upload, clock=clock, until=until)
    except leases.LeaseLost:
        log.info("lease lost", upload=str(upload_id))
        return False
    except (Refused, ReaderError) as error:
        _refuse(upload, error, at=clock())
        return False
    except Exception:
        _stumble(upload, at=clock())
        raise
    leases.release(upload, at=clock())
    return upload.state in Upload.WORKING


def _step(upload: Upload, *, clock: Clock, until: datetime) -> None:
    """One stage, as far as it goes until `until`."""
    if not upload.path:
        reading.bring(upload, clock=clock)
    elif upload.state in (Upload.State.RECEIVED, Upload.State.READING):
        reading.read(upload, clock=clock, until=until)
    elif upload.version.sealed_at is None:
        reading.seal(upload, clock=clock)
    elif upload.version.state != DatasetVersion.State.SEALED:
        screening.leave(upload, at=clock())
    elif upload.version.sealed_sequence is None:
        # The sealer comes by every second or so; no harm in numbering what is there at once.
        ledger.seal()
        upload.version.refresh_from_db(fields=["sealed_sequence"])
    else:
        screening.screen(upload, clock=clock, until=until)


def _refuse(upload: Upload, error: Refused | ReaderError, *, at: datetime) -> None:
    """The content cannot be registered: say why, and let nothing of it stay."""
    if upload.version.sealed_at is not None:
        _stumble(upload, at=at)
        return
    hint = error.next_step if isinstance(error, Refused) else error.hint
    with transaction.atomic():
        leases.hold(upload, at=at)
        fail(upload, code=error.code, detail=str(error), hint=hint, at=at)


def _stumble(upload: Upload, *, at: datetime) -> None:
    """Our own error: try again later, and give up before sealing after a few times."""
    log.exception("upload stumbled", upload=str(upload.pk), attempt=upload.attempt_count)
    if upload.version.sealed_at is None and upload.attempt_count >= leases.MOST_ATTEMPTS:
        fail(
            upload,
            code="internal_error",
            detail=_noop(
                "Reading this file failed again and again, through no fault of the file's."
            ),
            hint=_noop("Tell the operator the upload's id; the log has the error."),
            at=at,
        )
    else:
        leases.put_off(upload, at=at)


def _locked(upload: Upload) -> Upload:
    return (
        Upload.objects.select_for_update(of=("self",))
        .select_related("version__dataset__owner")
        .get(pk=upload.pk)
    )
