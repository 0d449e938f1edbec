"""How a conflict begins: from an overlap of two owners' data, and for records found later."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from provenance import debts, ledger
from provenance.conflicts.evidence import ask_openings
from provenance.conflicts.sides import (
    OPEN_STATES,
    STEP,
    State,
    held_records,
    locked,
    move,
    note,
    reopen,
    side_of,
    standing_claims,
    tell,
)
from provenance.models import Conflict, Dataset, DatasetVersion, Overlap
from provenance.refusals import Refused


class NotRegistered(Refused):
    """Only versions that are sealed can be in conflict: nothing else is registered."""

    code = "version_not_registered"
    hint = "Seal the version first, then open conflicts from its overlaps."


class NoLead(Refused):
    """Nothing in this overlap is left to claim."""

    code = "no_lead"
    hint = "Claim in the conflict that stands between the two datasets, if there is one."


# Each match that holds, or each that is only a lead, with the sequences at which either owner
# first registered that content: a record that comes back in a later version keeps its first date.
# OFFSET 0 and + 0 keep the plan at one look at the index of digests for each match, whatever the
# statistics: by the order of the versions' sequences it would read a whole dataset for each.
_PAIRS = """
WITH dated AS (
  SELECT m.id, m.kind, m.containment, m.later_id, m.earlier_id,
         (SELECT min(v.sealed_sequence + 0) FROM (
            SELECT dataset_id, added_number FROM provenance_record
             WHERE digest = l.digest AND dataset_id = l.dataset_id OFFSET 0
          ) AS s JOIN provenance_datasetversion v
              ON v.dataset_id = s.dataset_id AND v.number = s.added_number) AS later_since,
         (SELECT min(v.sealed_sequence + 0) FROM (
            SELECT dataset_id, added_number FROM provenance_record
             WHERE digest = e.digest AND dataset_id = e.dataset_id OFFSET 0
          ) AS s JOIN provenance_datasetversion v
              ON v.dataset_id = s.dataset_id AND v.number = s.added_number) AS earlier_since
    FROM provenance_match m
    JOIN provenance_record l ON l.id = m.later_id
    JOIN provenance_record e ON e.id = m.earlier_id
   WHERE m.overlap_id = %(overlap)s AND m.holds = %(holds)s
), pairs AS (
  SELECT id, kind, containment,
         CASE WHEN %(turned)s THEN earlier_id ELSE later_id END AS newcomer,
         CASE WHEN %(turned)s THEN later_id ELSE earlier_id END AS elder
    FROM dated
   WHERE (later_since < earlier_since) = %(turned)s
)
"""
_ANY = _PAIRS + "SELECT EXISTS (SELECT 1 FROM pairs)"  # noqa: S608
# A record stands in a conflict once, with its strongest match; the answer counts newcomers.
_CONTEST = (
    _PAIRS  # noqa: S608  (constants only: everything from outside is a parameter)
    + """
, sides AS (
  SELECT newcomer AS record, elder AS counterpart, true AS is_new, kind, containment, id FROM pairs
   UNION ALL
  SELECT elder, newcomer, false, kind, containment, id FROM pairs
), added AS (
  INSERT INTO provenance_contestedrecord
         (conflict_id, record_id, counterpart_id, kind, held_since)
  SELECT DISTINCT ON (record) %(conflict)s::uuid, record, counterpart, kind,
         CASE WHEN is_new THEN %(newcomers_since)s ELSE %(elders_since)s END::timestamptz
    FROM sides
   ORDER BY record, array_position(ARRAY['exact', 'near', 'contained', 'semantic'], kind::text),
            containment DESC, id
  ON CONFLICT (conflict_id, record_id) DO NOTHING
  RETURNING record_id
)
SELECT count(*) FROM added JOIN provenance_record AS r ON r.id = added.record_id
 WHERE r.dataset_id = %(newcomers)s
"""
)
# What was held, released or decided about some content holds for its next record, too.
_CARRY = """
INSERT INTO provenance_contestedrecord
       (conflict_id, record_id, counterpart_id, kind, held_since, released_at, resolution_id)
SELECT DISTINCT ON (c.conflict_id, n.id)
       c.conflict_id, n.id, c.counterpart_id, c.kind, c.held_since, c.released_at, c.resolution_id
  FROM provenance_record n
  JOIN provenance_record o
    ON o.dataset_id = n.dataset_id AND o.digest = n.digest AND o.added_number < n.added_number
  JOIN provenance_contestedrecord c ON c.record_id = o.id
 WHERE n.dataset_id = %(dataset)s AND n.added_number = %(number)s
 ORDER BY c.conflict_id, n.id, o.added_number DESC, c.id
ON CONFLICT (conflict_id, record_id) DO NOTHING
"""


@transaction.atomic
def open_from_overlap(*, overlap: Overlap, at: datetime) -> Conflict | None:
    """Open the conflict that an overlap calls for, or add its records to the one that is there.

    None where one owner has both datasets or one was made from the other with its owner's word
    (that is information), and where no match is over the threshold (that is a lead: it opens and
    holds nothing). Safe to repeat.
    """
    overlap = _with_versions(overlap)
    later, earlier = overlap.later.dataset, overlap.earlier.dataset
    if later.owner_id == earlier.owner_id or debts.is_accepted_between(later.pk, earlier.pk):
        return None
    return _open_both_ways(overlap, at, holds=True)


def open_from_lead(*, overlap: Overlap, at: datetime) -> Conflict:
    """Open the conflict that a person claims from leads alone; nothing is held yet."""
    overlap = _with_versions(overlap)
    if overlap.later.dataset.owner_id == overlap.earlier.dataset.owner_id:
        raise NoLead(_("Both datasets are one owner's."))
    conflict = _open_both_ways(overlap, at, holds=False)
    if conflict is None:
        raise NoLead
    return conflict


@transaction.atomic
def carry_into(version: DatasetVersion, *, at: datetime) -> int:
    """Let holds and resolutions follow record digests into a new version; how many records."""
    with connection.cursor() as cursor:
        cursor.execute(_CARRY, {"dataset": version.dataset_id, "number": version.number})
        return int(cursor.rowcount)


def _with_versions(overlap: Overlap) -> Overlap:
    """The overlap with its versions, both of them registered and numbered."""
    rows = Overlap.objects.select_related("later__dataset__owner", "earlier__dataset__owner")
    overlap = rows.get(pk=overlap.pk)
    if overlap.later.sealed_at is None or overlap.earlier.sealed_at is None:
        raise NotRegistered
    if overlap.later.sealed_sequence is None or overlap.earlier.sealed_sequence is None:
        while ledger.seal():
            pass
    return overlap


def _open_both_ways(overlap: Overlap, at: datetime, *, holds: bool) -> Conflict | None:
    """The conflict in the direction of the overlap, or in the other if only that has records."""
    later, earlier = overlap.later.dataset, overlap.earlier.dataset
    carry_into(overlap.later, at=at)
    straight = _open(overlap, later, earlier, at, turned=False, holds=holds)
    turned = _open(overlap, earlier, later, at, turned=True, holds=holds)
    return straight or turned


def _open(
    overlap: Overlap,
    later: Dataset,
    earlier: Dataset,
    at: datetime,
    *,
    turned: bool,
    holds: bool,
) -> Conflict | None:
    """Contest the pairs in which `later` is the newcomer; None where there are none."""
    named: dict[str, Any] = {"overlap": overlap.pk, "turned": turned, "holds": holds}
    with connection.cursor() as cursor:
        cursor.execute(_ANY, named)
        if cursor.fetchone() != (True,):
            return None
    conflict, is_new = Conflict.objects.get_or_create(
        later=later,
        earlier=earlier,
        defaults={
            "overlap": overlap,
            "opened_at": at,
            "awaits": earlier.owner,
            "deadline_at": at + STEP,
        },
    )
    conflict = locked(conflict)
    added = _contest(conflict, named, at, holds=holds)
    if added:
        conflict.overlap = overlap
        conflict.save(update_fields=["overlap"])
        _extend(conflict, at)
        _announce(conflict, added, at, is_new=is_new)
    return conflict


def _announce(conflict: Conflict, added: int, at: datetime, *, is_new: bool) -> None:
    """Write it into the ledger; and where something is held, tell both sides why."""
    held = held_records(conflict, conflict.later).count()
    note(
        conflict,
        "opened" if is_new else "extended",
        at,
        later=conflict.later_id,
        earlier=conflict.earlier_id,
        overlap=conflict.overlap_id,
        detector=conflict.overlap.detector if conflict.overlap else "",
        added=added,
        held=held,
    )
    if held:
        tell(conflict, "hold", at, records=held, until=conflict.deadline_at)


def _contest(conflict: Conflict, named: dict[str, Any], at: datetime, *, holds: bool) -> int:
    """Add both sides' records; how many of the newcomer's are new. A lead holds none."""
    claimants = {side_of(conflict, claim.claimant).pk for claim in standing_claims(conflict)}
    since = {
        "newcomers_since": at if holds else None,
        "elders_since": at if holds and conflict.later_id in claimants else None,
    }
    with connection.cursor() as cursor:
        place = {"conflict": conflict.pk, "newcomers": conflict.later_id}
        cursor.execute(_CONTEST, {**named, **since, **place})
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _extend(conflict: Conflict, at: datetime) -> None:
    """Give the earlier owner the whole time to look at records that were found now."""
    if conflict.state in (State.RELEASED, State.CLOSED):
        reopen(conflict, at)
    elif conflict.state == State.OPEN:
        move(conflict, State.OPEN, awaits=conflict.earlier.owner, until=at + STEP)
    for claim in standing_claims(conflict) if conflict.state in OPEN_STATES else []:
        ask_openings(conflict, side_of(conflict, claim.claimant), at)
