"""What owners and operators are told of overlaps and conflicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from provenance.models import Conflict, Dataset, Event, Notice, Overlap, Party, Resolution
from provenance.notices.kinds import OPERATORS, OWNERS, Kind, Topic, register
from provenance.notices.telling import follows, operators, tell

State = Conflict.State
_PAGE = "admin:provenance_conflict_change"


def _awaited(rows: Sequence[Notice], at: datetime) -> set[UUID]:
    conflicts = Conflict.objects.in_bulk({row.about for row in rows})
    return {row.pk for row in rows if _awaits(conflicts.get(UUID(row.about)), row)}


def _awaits(conflict: Conflict | None, notice: Notice) -> bool:
    """Whether the conflict still waits for this party until the moment that it was told."""
    if conflict is None or conflict.deadline_at != notice.deadline_at:
        return False
    if notice.party.is_operator:
        return conflict.state in (State.DECIDING, State.APPEALED)
    return conflict.awaits_id == notice.party_id or conflict.state == State.DECIDED


register(
    Kind(
        "overlap.found",
        Topic.CONFLICTS,
        _("Your registration is like data of others"),
        _("%(dataset)s is like data registered before"),
        _(
            "Your registration %(dataset)s was compared with everything registered before it. "
            "Datasets of others that it is like: %(overlaps)s. Records of yours that match: "
            "%(matching)s; that possibly match, which holds nothing: %(possible)s. Nobody has said "
            "that anything is wrong with them."
        ),
        "admin:provenance_datasetversion_change",
        "rights",
        _("See what was found"),
        reaches=OWNERS,
    ),
    Kind(
        "overlap.by_another",
        Topic.CONFLICTS,
        _("Somebody registered data that is like yours"),
        _("A new registration of %(other)s is like data of yours"),
        _(
            "%(other)s registered %(dataset)s. Records in it that match yours: %(matching)s; that "
            "possibly match: %(possible)s. Look at them side by side."
        ),
        "admin:provenance_overlap_changelist",
        "rights",
        _("See the overlaps"),
        is_list=True,
        reaches=OWNERS,
    ),
    Kind(
        "conflict.opened",
        Topic.CONFLICTS,
        _("Records of somebody else are like yours, and you may claim them"),
        _("Records of %(other)s are like yours: do you claim them?"),
        _(
            "%(others)s of %(other)s, registered later, has records that match closely with your "
            "%(yours)s: %(records)s. What they earn is held for now. You may claim them as your "
            "own; if you do nothing, what is held is released to %(other)s."
        ),
        _PAGE,
        "rights",
        _("Look, and claim or let go"),
        awaited=_awaited,
        reaches=OWNERS,
    ),
    Kind(
        "records.held",
        Topic.CONFLICTS,
        _("What records of yours earn is held"),
        _("What some records of %(yours)s earn is held"),
        _(
            "Records of your %(yours)s that match closely with %(others)s of %(other)s, registered "
            "earlier: %(records)s. What they earn is held, and released if nobody claims them "
            "within 14 days. The order of registration is a date: it says nothing about who is "
            "right."
        ),
        _PAGE,
        "rights",
        _("See the records"),
        reaches=OWNERS,
    ),
    Kind(
        "records.released",
        Topic.CONFLICTS,
        _("What records of yours earn is no longer held"),
        _("What records of %(yours)s earn is no longer held"),
        _(
            "In the matter of %(yours)s and %(others)s, what was held is released to you. Records: "
            "%(records)s."
        ),
        _PAGE,
        "rights",
        reaches=OWNERS,
    ),
    Kind(
        "claim.made",
        Topic.CONFLICTS,
        _("Somebody claims records of yours"),
        _("%(other)s claims records of %(yours)s"),
        _(
            "%(other)s says that records of your %(yours)s are its own, and what they earn is held "
            "until this is settled. Records: %(records)s. Please answer in your own words, or "
            "accept the claim; without an answer a person decides."
        ),
        _PAGE,
        "rights",
        _("Answer the claim"),
        awaited=_awaited,
        reaches=OWNERS,
    ),
    Kind(
        "claim.withdrawn",
        Topic.CONFLICTS,
        _("A claim on records of yours was taken back"),
        _("%(other)s takes its claim on %(yours)s back"),
        _(
            "%(other)s no longer claims records of your %(yours)s. What only its claim held is "
            "released."
        ),
        _PAGE,
        "rights",
        reaches=OWNERS,
    ),
    Kind(
        "claim.waits",
        Topic.CONFLICTS,
        _("A claim on records of yours waits to be admitted"),
        _("%(other)s asks to claim records of %(yours)s"),
        _(
            "%(other)s claims records of your %(yours)s. Nothing more is held unless an operator "
            "admits the claim; you are told when one has looked at the evidence."
        ),
        _PAGE,
        "rights",
        _("See the claim"),
        reaches=OWNERS,
    ),
    Kind(
        "claim.admitted",
        Topic.CONFLICTS,
        _("Your claim was admitted"),
        _("Your claim on %(others)s is admitted"),
        _(
            "An operator has looked at your evidence on %(yours)s and %(others)s. What the records "
            "earn is held until this is settled, and %(other)s is asked to answer."
        ),
        _PAGE,
        "rights",
        reaches=OWNERS,
    ),
    Kind(
        "claim.rejected",
        Topic.CONFLICTS,
        _("Your claim was not admitted"),
        _("Your claim on %(others)s is not admitted"),
        _(
            "An operator has looked at your evidence on %(yours)s and %(others)s. Nothing is held "
            "because of the claim. The reasons stand on the page of the conflict; you may bring "
            "better evidence."
        ),
        _PAGE,
        "rights",
        _("Read the reasons"),
        reaches=OWNERS,
    ),
    Kind(
        "conflict.answered",
        Topic.CONFLICTS,
        _("The other side of a conflict has answered"),
        _("%(other)s has answered about %(yours)s"),
        _(
            "In the matter of %(yours)s and %(others)s the other side has said something. Read it; "
            "where the page asks you for a reply, silence gives up what your claim holds."
        ),
        _PAGE,
        "rights",
        _("Read it"),
        awaited=_awaited,
        reaches=OWNERS,
    ),
    Kind(
        "conflict.referred",
        Topic.CONFLICTS,
        _("A person decides a conflict of yours"),
        _("A person decides about %(yours)s and %(others)s"),
        _(
            "There was no answer in time, so an operator decides. What is held stays held until "
            "then. You are told the decision and its reasons."
        ),
        _PAGE,
        "rights",
        reaches=OWNERS,
    ),
    Kind(
        "decision.made",
        Topic.CONFLICTS,
        _("A conflict of yours was decided"),
        _("Decided: %(yours)s and %(others)s"),
        _(
            "On %(records)s contested records: %(outcome)s. The reasons stand on the page of the "
            "conflict, with what you may do, and until when."
        ),
        _PAGE,
        "rights",
        _("Read the reasons"),
        awaited=_awaited,
        reaches=OWNERS,
    ),
    Kind(
        "appeal.made",
        Topic.CONFLICTS,
        _("The other side appeals a decision"),
        _("%(other)s appeals the decision on %(yours)s"),
        _(
            "%(other)s asks another operator to look at the decision on %(yours)s and %(others)s. "
            "The decision stands until then."
        ),
        _PAGE,
        "rights",
        reaches=OWNERS,
    ),
    Kind(
        "operator.claim_waits",
        Topic.CONFLICTS,
        _("A claim waits to be admitted"),
        _("A claim waits to be admitted: %(yours)s and %(others)s"),
        _("%(claimant)s claims records with evidence. Admit the claim, or say why not."),
        _PAGE,
        "rights",
        _("Look at the evidence"),
        reaches=OPERATORS,
    ),
    Kind(
        "operator.decide",
        Topic.CONFLICTS,
        _("A conflict waits to be decided"),
        _("To decide: %(yours)s and %(others)s"),
        _("Both sides have said what they wish to say, or their time is over."),
        _PAGE,
        "rights",
        _("Decide"),
        awaited=_awaited,
        reaches=OPERATORS,
    ),
)


def overlaps_with_others(event: Event) -> list[Overlap]:
    """The overlaps that a screening found with datasets of other owners, for certain or maybe."""
    found = [row["overlap"] for row in event.body["overlaps"] if row["matching"] or row["possible"]]
    rows = Overlap.objects.filter(pk__in=found).exclude(earlier__dataset__owner=event.party)
    return list(rows.select_related("later__dataset__owner", "earlier__dataset__owner"))


@follows("version.screened")
def _overlaps_found(event: Event) -> None:
    """The registrant hears of all overlaps with others, each other owner of its own."""
    if event.party is None or not (mine := overlaps_with_others(event)):
        return
    by_owner: dict[UUID, list[Overlap]] = defaultdict(list)
    for row in mine:
        by_owner[row.earlier.dataset.owner_id].append(row)
    # Whom a conflict was opened with was told by that.
    opened = set(Conflict.objects.filter(overlap__in=mine).values_list("overlap", flat=True))
    version = mine[0].later
    tell(
        "overlap.found",
        party=event.party,
        about=version.pk,
        key=event.pk,
        at=event.occurred_at,
        dataset=version,
        overlaps=len(mine),
        matching=sum(row.matching_count for row in mine),
        possible=sum(row.possible_count for row in mine),
    )
    for rows_of_one in by_owner.values():
        if some := [row for row in rows_of_one if row.pk not in opened]:
            _tell_of_another(event, some)


def _tell_of_another(event: Event, rows: list[Overlap]) -> None:
    """An owner hears of what somebody else registered; the rows are all of its own datasets."""
    tell(
        "overlap.by_another",
        party=rows[0].earlier.dataset.owner,
        key=event.pk,
        at=event.occurred_at,
        other=event.party,
        dataset=rows[0].later,
        matching=sum(row.matching_count for row in rows),
        possible=sum(row.possible_count for row in rows),
    )


@follows("conflict.opened", "conflict.extended")
def _opened(event: Event) -> None:
    conflict = _conflict(event)
    records = int(event.body["added"])
    _tell_side("conflict.opened", conflict, conflict.earlier, event, records=records)
    if event.body["held"]:
        held = int(event.body["held"])
        _tell_side("records.held", conflict, conflict.later, event, records=held)


@follows("conflict.claimed")
def _claimed(event: Event) -> None:
    """Of a claim that takes effect at once, `conflict.held` tells."""
    if not event.body["needs_admission"]:
        return
    conflict = _conflict(event)
    claimant, other = _sides(conflict, event.body["claimant"])
    _tell_side("claim.waits", conflict, other, event)
    _tell_operators("operator.claim_waits", conflict, event, claimant=claimant.owner)


@follows("conflict.held")
def _held(event: Event) -> None:
    conflict = _conflict(event)
    against = (
        conflict.later if str(conflict.later_id) == event.body["dataset"] else conflict.earlier
    )
    _tell_side("claim.made", conflict, against, event, records=int(event.body["records"]))


@follows("conflict.claim_admitted", "conflict.claim_rejected")
def _judged(event: Event) -> None:
    conflict = _conflict(event)
    claimant, _other = _sides(conflict, event.body["claimant"])
    kind = "claim.admitted" if event.kind.endswith("admitted") else "claim.rejected"
    _tell_side(kind, conflict, claimant, event)


@follows("conflict.claim_withdrawn")
def _withdrawn(event: Event) -> None:
    conflict = _conflict(event)
    _claimant, other = _sides(conflict, event.body["claimant"])
    _tell_side("claim.withdrawn", conflict, other, event)


@follows("conflict.answered", "conflict.replied")
def _answered(event: Event) -> None:
    """An answer that agrees is told as the decision that it is."""
    if event.body.get("agrees"):
        return
    conflict = _conflict(event)
    _speaker, other = _sides(conflict, event.body["party"])
    _tell_side("conflict.answered", conflict, other, event)
    if event.kind == "conflict.replied":
        _tell_operators("operator.decide", conflict, event)


@follows("conflict.unanswered")
def _unanswered(event: Event) -> None:
    conflict = _conflict(event)
    for side in (conflict.later, conflict.earlier):
        _tell_side("conflict.referred", conflict, side, event)
    _tell_operators("operator.decide", conflict, event)


@follows("conflict.decided")
def _decided(event: Event) -> None:
    conflict = _conflict(event)
    outcome = Resolution.Outcome(event.body["outcome"]).label.lower()
    for side in (conflict.later, conflict.earlier):
        _tell_side(
            "decision.made",
            conflict,
            side,
            event,
            records=int(event.body["records"]),
            outcome=outcome,
        )


@follows("conflict.appealed")
def _appealed(event: Event) -> None:
    conflict = _conflict(event)
    _speaker, other = _sides(conflict, event.body["party"])
    _tell_side("appeal.made", conflict, other, event)
    _tell_operators("operator.decide", conflict, event)


@follows("conflict.released")
def _released(event: Event) -> None:
    conflict = _conflict(event)
    of = conflict.later if str(conflict.later_id) == event.body["dataset"] else conflict.earlier
    _tell_side("records.released", conflict, of, event, records=int(event.body["records"]))


def _conflict(event: Event) -> Conflict:
    rows = Conflict.objects.select_related("later__owner", "earlier__owner")
    return rows.get(pk=event.subject_id)


def _sides(conflict: Conflict, party: str) -> tuple[Dataset, Dataset]:
    """The dataset of this party, and the other side's."""
    sides = (conflict.later, conflict.earlier)
    return sides if str(conflict.later.owner_id) == party else (sides[1], sides[0])


def _tell_side(
    kind: str, conflict: Conflict, side: Dataset, event: Event, **facts: int | str
) -> None:
    """Tell one side, until when it may act if it is the one that is awaited.

    Of a decision it hears until when it may appeal, and nothing of what goes on beside it.
    """
    other = conflict.earlier if side.pk == conflict.later_id else conflict.later
    is_awaited = conflict.awaits_id == side.owner_id and kind != "decision.made"
    may_act = is_awaited or conflict.state == State.DECIDED
    tell(
        kind,
        party=side.owner,
        about=conflict.pk,
        key=event.pk,
        at=event.occurred_at,
        deadline_at=conflict.deadline_at if may_act else None,
        yours=side,
        others=other,
        other=other.owner,
        **facts,
    )


def _tell_operators(kind: str, conflict: Conflict, event: Event, **facts: Party) -> None:
    for party in operators():
        tell(
            kind,
            party=party,
            about=conflict.pk,
            key=event.pk,
            at=event.occurred_at,
            deadline_at=conflict.deadline_at if kind == "operator.decide" else None,
            yours=conflict.later,
            others=conflict.earlier,
            **facts,
        )
