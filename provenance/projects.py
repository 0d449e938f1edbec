"""Projects of a lab, and the caps that its runs accepted.

A cap is what a run may cost in one asset before its usage waits for the lab. It may only rise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from provenance import ledger
from provenance.models import Party, Project, Run
from provenance.refusals import Refused

LARGEST = 2**63 - 1


class BadProject(Refused):
    """That is no name for a project."""

    code = "bad_project"
    status = 400
    hint = "Give 1 to 100 characters, without spaces around them."


class UnknownProject(Refused):
    """The lab has no project of that name."""

    code = "unknown_project"
    status = 400
    hint = "Names are exact. Somebody with the right 'finance' makes projects: POST /projects."


class BadCap(Refused):
    """That cap cannot be."""

    code = "bad_cap"
    status = 400
    hint = "Give whole units of one asset; a cap that was accepted only rises."


@dataclass(frozen=True)
class Cap:
    """What a run may cost: whole units of the asset of this code."""

    asset: str
    units: int


@transaction.atomic
def make_project(*, lab: Party, name: str, at: datetime) -> Project:
    """Make a project of a lab. Safe to repeat."""
    if not 0 < len(name) <= 100 or name != name.strip() or "\x00" in name or not lab.is_lab:
        raise BadProject
    made, is_new = Project.objects.get_or_create(lab=lab, name=name, defaults={"created_at": at})
    if is_new:
        # A name may say what a lab has not told anybody: the ledger gets the id alone.
        ledger.record(
            "project.made", at=at, subject_kind="project", subject_id=made.pk, party=lab, body={}
        )
    return made


def project_named(lab: Party, name: str) -> Project:
    """The lab's project of that name; raises UnknownProject."""
    found = Project.objects.filter(lab=lab, name=name).first()
    if found is None:
        raise UnknownProject(_("There is no project %(name)s.") % {"name": repr(name)})
    return found


@transaction.atomic
def place(*, run: Run, project: Project | None, cap: Cap | None, at: datetime) -> Run:
    """Say of a root run, once, what it belongs to and what it may cost; the first word stands."""
    assert run.root_id is None, "ranks and children belong where their root does"
    if cap is not None and not 0 <= cap.units <= LARGEST:
        raise BadCap
    row = Run.objects.select_for_update(of=("self",), no_key=True).get(pk=run.pk)
    is_placed = row.project_id is not None or row.cap_units is not None
    if is_placed or (project is None and cap is None):
        return row
    row.project = project
    if cap is not None:
        row.cap_asset, row.cap_units = cap.asset, cap.units
    row.save(update_fields=["project", "cap_asset", "cap_units"])
    if cap is not None:
        _record(row, at)
    return row


@transaction.atomic
def raise_cap(*, run: Run, cap: Cap, at: datetime) -> Run:
    """Let a run cost more than its lab first accepted; what waits for it is charged then.

    A run without a cap may be given none later: its usage is owed as it was agreed.
    """
    row = Run.objects.select_for_update(of=("self",), no_key=True).get(pk=run.top.pk)
    if row.cap_units is None:
        raise BadCap(_("This run has no cap."), hint=_("Caps are accepted when a run is started."))
    if row.cap_asset != cap.asset:
        raise BadCap(_("The cap of this run is in %(cap_asset)s.") % {"cap_asset": row.cap_asset})
    if not row.cap_units <= cap.units <= LARGEST:
        raise BadCap(
            _("The cap is %(cap_units)s units; it only rises.") % {"cap_units": row.cap_units}
        )
    if cap.units > row.cap_units:
        row.cap_units = cap.units
        row.save(update_fields=["cap_units"])
        _record(row, at)
    return row


def _record(run: Run, at: datetime) -> None:
    body = {"asset": run.cap_asset, "cap_units": str(run.cap_units)}
    ledger.record(
        "run.capped", at=at, subject_kind="run", subject_id=run.pk, party=run.lab, body=body
    )
