"""Where an upload stands, in words: its step, what is done, how fast, and what is left."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ingest.models import Progress, Upload
from ingest.models.progress import STALE
from provenance.templatetags.tallymark import size

State = Upload.State
STEPS = ("fetching", "reading", "sealing", "comparing")


def state_of(upload: Upload) -> dict[str, Any]:
    """How far it is, as the page that waits shows it."""
    at = timezone.now()
    progress = upload.progress(at)
    is_working = upload.state in Upload.WORKING and upload.started_at is not None
    step = step_of(upload)
    title, words = _in_words(upload, progress, step)
    # Bytes that are here already are not fetched.
    steps = STEPS if upload.url else STEPS[1:]
    return {
        "progress": progress,
        "done_width": _width(upload, progress),
        "is_working": is_working,
        "is_stopped": _is_stopped(progress, at),
        "waits": upload.state == State.RECEIVED and upload.started_at is None,
        "step_title": title,
        "step_words": words,
        "step_number": steps.index(step) + 1,
        "step_count": len(steps),
        "figures": _figures(upload, progress, step),
    }


def step_of(upload: Upload) -> str:
    """Which of STEPS it is at."""
    if upload.url and not upload.path:
        return "fetching"
    if upload.state != State.SCREENING:
        return "reading"
    return "comparing" if upload.stage == "comparing" else "sealing"


def _is_stopped(progress: Progress, at: datetime) -> bool:
    moved = progress.last_moved_at
    return moved is not None and at - moved > STALE


def _width(upload: Upload, progress: Progress) -> int:
    """The part of this step that is done, in percent."""
    done, total = progress.bytes_done, progress.bytes_total
    if upload.state == State.SCREENING:
        done, total = progress.screened_count, progress.to_compare_count
    return min(round(100 * done / total), 100) if total else 0


def _in_words(upload: Upload, progress: Progress, step: str) -> tuple[str, str]:
    """What is being done now, and what for."""
    if step == "fetching":
        return _("Fetching it"), _("From the address that you gave; it is fetched once.")
    if step == "reading" and upload.state == State.RECEIVED:
        return _("Waiting for a worker"), _("It begins within seconds; nothing is asked of you.")
    if step == "reading":
        return _("Reading"), _("Each row becomes a record with its digest and its fingerprints.")
    if step == "sealing":
        return (
            _("Sealing"),
            _("All records go under one root, and the root takes its place in the ledger."),
        )
    return _("Comparing with what was registered before"), against(progress)


def against(progress: Progress | Upload) -> str:
    """With how much of others' it is compared, naming nobody."""
    records, owners = progress.against_records, progress.against_owners
    if records is None or owners is None:
        return _("Each record is compared with everything that was registered before.")
    if not owners:
        return _("Nobody else has registered anything of this kind yet; yours is the first.")
    return ngettext(
        "Each record is compared with %(records)s records of %(owners)s other owner.",
        "Each record is compared with %(records)s records of %(owners)s other owners.",
        owners,
    ) % {"records": f"{records:,}", "owners": f"{owners:,}"}


def _figures(upload: Upload, progress: Progress, step: str) -> list[tuple[str, str]]:
    """Counts with their words, the speed, and the time that is left."""
    if step == "fetching":
        return [(size(progress.bytes_done), _("fetched so far"))]
    found = [_records(progress, step)]
    if step == "reading":
        total = size(progress.bytes_total)
        found.append((size(progress.bytes_done), _("of %(total)s") % {"total": total}))
    if step != "sealing":
        pace = progress.records_per_second
        found.append((f"{pace:,.0f}" if pace else "–", _("records a second")))
        found.append((_left(progress), _("left, as it goes now")))
    if progress.bad_count:
        found.append((f"{progress.bad_count:,}", _("rows could not be read")))
    return found


def _records(progress: Progress, step: str) -> tuple[str, str]:
    """How many records are done, and of how many where that is known."""
    if step == "comparing":
        total = f"{progress.to_compare_count or 0:,}"
        words = _("of %(total)s records compared") % {"total": total}
        return f"{progress.screened_count:,}", words
    if step == "sealing" or progress.record_estimate is None:
        return f"{progress.record_count:,}", _("records read")
    total = f"{_rounded(progress.record_estimate):,}"
    return f"{progress.record_count:,}", _("records read, of about %(total)s") % {"total": total}


def _rounded(count: int) -> int:
    """An estimate with no more figures than it deserves: three."""
    unit = int(10 ** max(len(str(count)) - 3, 0))
    return round(count / unit) * unit


def _left(progress: Progress) -> str:
    """The time left, as roughly as it is known."""
    seconds = progress.remaining_seconds
    if seconds is None:
        return _("not known yet")
    if seconds < 10:
        return _("a few seconds")
    if seconds < 90:
        return _("about %(count)s s") % {"count": round(seconds, -1)}
    if seconds < 5_400:
        return _("about %(count)s min") % {"count": round(seconds / 60)}
    return _("about %(count)s h") % {"count": round(seconds / 3_600)}
