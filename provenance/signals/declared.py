"""What a run says at its start that it will use: figures to hold its reports against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from provenance import ledger
from provenance.models import Purpose, Run, RunPlan, Usage
from provenance.refusals import Refused
from provenance.streams import LARGEST_COUNT, BadReport
from provenance.usage import find_version


class PlanStands(Refused):
    """This run's plan was declared already, with other figures."""

    code = "plan_stands"
    hint = "Leave the plan out: the first one holds, and what differs can be said in a review."


class PlanTooLate(Refused):
    """A plan is declared before anything is used."""

    code = "plan_too_late"
    hint = "Send the plan with the start of the run."


@dataclass(frozen=True)
class Planned:
    """One subject of a plan: records in all, over all epochs, or epochs, or both."""

    subject: str
    records: int | None = None
    epochs: int | None = None
    purpose: str = ""


@transaction.atomic
def declare(*, run: Run, planned: Sequence[Planned], at: datetime) -> list[RunPlan]:
    """Keep what `run` will use; every rank may say it, in the same words.

    Raises BadReport, PlanStands where another plan was declared, or PlanTooLate.
    """
    root = Run.objects.select_related("lab").select_for_update(of=("self",)).get(pk=run.top.pk)
    rows = {(row.subject, row.purpose): row for row in _rows(root, planned, at)}
    if len(rows) < len(planned):
        raise BadReport(_("A plan names each dataset once for each purpose."))
    earlier = {(row.subject, row.purpose): row for row in root.plan.all()}
    if earlier:
        if {key: _figures(row) for key, row in earlier.items()} != {
            key: _figures(row) for key, row in rows.items()
        }:
            raise PlanStands
        return list(earlier.values())
    if Usage.objects.filter(run=root).exists():
        raise PlanTooLate
    made = RunPlan.objects.bulk_create(rows.values())
    _record(root, made, at)
    return made


def _rows(root: Run, planned: Sequence[Planned], at: datetime) -> list[RunPlan]:
    found = []
    for one in planned:
        purpose = one.purpose or root.purpose
        counts = [count for count in (one.records, one.epochs) if count is not None]
        is_sound = counts and all(0 <= count <= LARGEST_COUNT for count in counts)
        if not one.subject or purpose not in Purpose.values or not is_sound:
            raise BadReport(
                _("A plan names a dataset with the records or the epochs that are expected."),
                hint=_("Give whole numbers that are not negative, and a purpose that exists."),
            )
        version = find_version(one.subject)
        found.append(
            RunPlan(
                run=root,
                subject=str(version.pk) if version else one.subject[:300],
                version=version,
                purpose=purpose,
                record_count=one.records,
                epoch_count=one.epochs,
                declared_at=at,
            )
        )
    return found


def _figures(row: RunPlan) -> tuple[int | None, int | None]:
    return row.record_count, row.epoch_count


def _record(root: Run, made: Sequence[RunPlan], at: datetime) -> None:
    """Only the lab reads the event: a plan says what a run is for."""
    planned = [
        {
            "version": row.version_id,
            "purpose": row.purpose,
            "records": row.record_count,
            "epochs": row.epoch_count,
        }
        for row in made
    ]
    ledger.record(
        "run.planned",
        at=at,
        subject_kind="run",
        subject_id=root.id,
        party=root.lab,
        body={"run": root.pseudonym, "planned": planned},
    )
