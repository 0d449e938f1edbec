"""What was found about an upload, in sentences with figures, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse
from django.utils.dateformat import format as dated
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from ingest.admin.standing import against
from ingest.models import Upload
from provenance.access import Viewer
from provenance.models import Conflict, DatasetVersion, Licence, Overlap
from provenance.templatetags.tallymark import until

# So many overlaps are said in words; the table has them all.
MOST_SAID = 10


@dataclass(frozen=True)
class Finding:
    """One overlap in words: the figures with what each means, whom it concerns, who acts when."""

    title: str
    url: str
    points: list[str]
    then: str
    tone: str = ""


@dataclass(frozen=True)
class NextStep:
    """Something to do now, and why."""

    label: str
    url: str
    why: str
    is_first: bool = False


@dataclass(frozen=True)
class Result:
    """What an owner reads when its upload is done."""

    compared: str
    findings: list[Finding]
    more_count: int
    next_steps: list[NextStep] = field(default_factory=list)
    overlaps: Any = ()


def result_of(upload: Upload, viewer: Viewer) -> Result | None:
    """What was found, once it is sealed and compared; None before that."""
    if upload.state != Upload.State.SEALED:
        return None
    rows = (
        Overlap.objects.visible_to(viewer)
        .filter(later=upload.version)
        .select_related("later__dataset__owner", "earlier__dataset__owner")
        .order_by("-matching_count", "pk")
    )
    conflicts = {
        one.earlier_id: one
        for one in Conflict.objects.visible_to(viewer)
        .filter(later=upload.version.dataset, closed_at__isnull=True)
        .select_related("later__owner", "earlier__owner", "awaits")
    }
    overlaps = list(rows)
    findings = [
        _finding(one, conflicts.get(one.earlier.dataset_id), viewer) for one in overlaps[:MOST_SAID]
    ]
    return Result(
        compared=_compared(upload),
        findings=findings,
        more_count=max(len(overlaps) - MOST_SAID, 0),
        next_steps=list(_next_steps(upload, viewer, list(conflicts.values()))),
        overlaps=overlaps,
    )


def _compared(upload: Upload) -> str:
    """How many records were compared with how much."""
    if upload.version.state != DatasetVersion.State.SEALED:
        return _("It was taken back before it was compared.")
    count = upload.screened_count
    said = ngettext(
        "%(count)s record of this version is new and was compared.",
        "%(count)s records of this version are new and were compared.",
        count,
    ) % {"count": f"{count:,}"}
    return f"{said} {against(upload)}" if upload.against_owners is not None else said


def _finding(overlap: Overlap, conflict: Conflict | None, viewer: Viewer) -> Finding:
    """One overlap: what of it is alike, and how."""
    is_own = overlap.earlier.dataset.owner_id == viewer.party.pk
    words = {
        "count": f"{overlap.matching_count:,}",
        "all": f"{overlap.later.record_count:,}",
        "other": overlap.earlier.dataset.title if is_own else str(overlap.earlier),
        "day": _plain_day(overlap),
    }
    title = _("%(count)s of %(all)s records are like records of %(other)s, registered %(day)s")
    return Finding(
        title=title % words,
        url=reverse("admin:provenance_overlap_change", args=[overlap.pk]),
        points=list(_points(overlap)),
        then=_then(overlap, conflict, viewer, is_own=is_own),
        tone="wait" if conflict is not None else "",
    )


def _plain_day(overlap: Overlap) -> str:
    at = overlap.earlier.sealed_at
    return dated(at, pgettext("date", "j M Y")) if at else "–"


def _points(overlap: Overlap) -> Iterator[str]:
    """Each kind that was found, with what it means."""
    counted = (
        (
            overlap.exact_count,
            _("%(count)s exactly the same: after case, spaces and spelling variants are evened "
              "out, nothing differs."),
        ),
        (
            overlap.near_count,
            _("%(count)s nearly the same: most of both is alike, with small changes."),
        ),
        (
            overlap.contained_count,
            _("%(count)s contained: one holds most of the other, among other things."),
        ),
        (
            overlap.possible_count,
            _("%(count)s possible: too little is alike to be sure, or too many others hold the "
              "same. They hold nothing, and nobody has to answer for them."),
        ),
        (
            overlap.semantic_count,
            _("%(count)s about the same things in other words: a lead for people, never a ground."),
        ),
    )  # fmt: skip
    for count, words in counted:
        if count:
            yield words % {"count": f"{count:,}"}


def _then(overlap: Overlap, conflict: Conflict | None, viewer: Viewer, *, is_own: bool) -> str:
    """Whom it concerns, and who acts until when."""
    if is_own:
        return _("Both are yours: this is for your information, and nothing is held.")
    if conflict is None:
        return _("Nothing of it is in question: nobody has to do anything.")
    date = until(conflict.deadline_at)
    if conflict.awaits_id == viewer.party.pk:
        return _("It is your turn, %(date)s.") % {"date": date}
    who = conflict.awaits.name if conflict.awaits else _("Either side")
    if conflict.state == Conflict.State.OPEN:
        return _(
            "%(who)s may claim these records, %(date)s. Until then what they earn is held; if "
            "nobody claims, it is released to you by itself."
        ) % {"who": who, "date": date}
    words = _("%(who)s acts next, %(date)s. Until it is settled, what these records earn is held.")
    return words % {"who": who, "date": date}


def _next_steps(upload: Upload, viewer: Viewer, conflicts: list[Conflict]) -> Iterator[NextStep]:
    """What to do now, most pressing first; never nothing."""
    dataset = upload.version.dataset
    if dataset.owner_id != viewer.party.pk:
        return
    for conflict in conflicts[:MOST_SAID]:
        label = _("Conflict with %(owner)s") % {"owner": conflict.earlier.owner}
        if len(conflicts) > 1:
            label += f": {conflict.earlier.title}"
        yield NextStep(
            label,
            reverse("admin:provenance_conflict_change", args=[conflict.pk]),
            _("Look at the records side by side; say that they are yours, or give them up."),
            is_first=True,
        )
    if upload.bad_count:
        yield NextStep(
            _("See the rows that could not be read"),
            "#bad",
            _("Correct them and send them as a delta."),
        )
    if not Licence.objects.filter(dataset=dataset, retired_at=None).exists():
        yield NextStep(
            _("Say on what terms it may be used"),
            reverse("admin:provenance_dataset_verb", args=[dataset.pk, "offer"]),
            _("All rights are reserved until you offer a licence; then labs find it."),
            is_first=not conflicts,
        )
    yield NextStep(
        _("Certificate (PDF)"),
        reverse("admin:provenance_datasetversion_certificate", args=[upload.version_id]),
        _("What was registered and when, and how anybody checks it without us."),
    )
    yield NextStep(
        _("To the dataset"),
        reverse("admin:provenance_dataset_change", args=[dataset.pk]),
        _("Its versions, overlaps, licences and earnings."),
    )
