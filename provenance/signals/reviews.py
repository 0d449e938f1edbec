"""Reviews: raised by rules, answered by the lab, closed by an operator with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from operator import or_
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from provenance import ledger
from provenance.models import Party, Review, ReviewNote, Run, Usage, User
from provenance.refusals import Refused
from provenance.signals.findings import Finding, find, looked_at

State = Review.State
# What a closed review was about is asked again only when it has grown by more than half.
WORSE = 1.5
# Only one worker looks at a time: a second one would find the same.
LOOKING_LOCK = 0x7A11_0009
AT_ONCE = 500


class ReviewClosed(Refused):
    """This review is closed."""

    code = "review_closed"
    hint = "Nothing is awaited. It opens again by itself if what it was about grows."


class BadClosing(Refused):
    """A review is closed with an outcome and a reason."""

    code = "bad_closing"
    status = 400
    hint = f"Say why, and choose one of: {', '.join(Review.Outcome.values)}."


@transaction.atomic
def raise_reviews(*, since: datetime, at: datetime) -> int:
    """Bring reviews up to date with what was reported since `since`; how many are new.

    The same finding again changes the review that is there. Nothing is charged or taken back.
    """
    if not _may_look():
        return 0
    found = find(since=since, at=at)
    raised = sum(
        _keep(found[start : start + AT_ONCE], at) for start in range(0, len(found), AT_ONCE)
    )
    _note_what_is_gone({one.key for one in found}, since, at)
    return raised


@transaction.atomic
def ask_for_a_look(*, usage: Usage, policy: str, version: int, words: str, at: datetime) -> Review:
    """Raise a review because a policy of the operators names this use; one for each use."""
    found = Finding(
        rule=Review.Rule.POLICY,
        usage_id=usage.pk,
        run_id=usage.run_id,
        subject=usage.subject,
        purpose=usage.purpose,
        version_id=usage.version_id,
        other_version_id=None,
        measure=usage.record_count,
        evidence={"policy": policy, "version": version, "words": words},
    )
    _keep([found], at)
    return Review.objects.get(
        run=usage.run_id, subject=usage.subject, purpose=usage.purpose, rule=found.rule
    )


@transaction.atomic
def assign(*, review: Review, to: User | None) -> Review:
    """Say which operator looks at it; None gives it back to the queue."""
    locked = _open(review)
    locked.assignee = to
    locked.save(update_fields=["assignee"])
    return locked


@transaction.atomic
def say(*, review: Review, party: Party, text: str, by: User | None, at: datetime) -> ReviewNote:
    """What the lab answers, or an operator asks; both sides read it, the data's owner does not."""
    locked = _open(review)
    return ReviewNote.objects.create(review=locked, party=party, by=by, text=text, made_at=at)


@transaction.atomic
def close(*, review: Review, outcome: str, reason: str, by: User, at: datetime) -> Review:
    """End it in words. What follows, if anything, is decided and done elsewhere."""
    locked = _open(review)
    if outcome not in Review.Outcome.values or not reason.strip():
        raise BadClosing
    locked.state, locked.outcome, locked.reason = State.CLOSED, outcome, reason.strip()
    locked.closed_by, locked.closed_at = by, at
    locked.save(update_fields=["state", "outcome", "reason", "closed_by", "closed_at"])
    _record("review.closed", locked, at, {"outcome": outcome})
    return locked


def _open(review: Review) -> Review:
    rows = Review.objects.select_related("run__lab", "version__dataset__owner")
    locked = rows.select_for_update(of=("self",)).get(pk=review.pk)
    if locked.state != State.OPEN:
        raise ReviewClosed
    return locked


def _keep(found: Sequence[Finding], at: datetime) -> int:
    """Raise or renew a review for each finding; how many were raised or opened again."""
    runs = Run.objects.select_related("lab").in_bulk({one.run_id for one in found})
    mine = reduce(
        or_,
        (
            Q(run=one.run_id, subject=one.subject, purpose=one.purpose, rule=one.rule)
            for one in found
        ),
    )
    rows = Review.objects.filter(mine).select_for_update()
    known = {(row.run_id, row.subject, row.purpose, row.rule): row for row in rows}
    return sum(_keep_one(one, runs[one.run_id], known.get(one.key), at) for one in found)


def _keep_one(found: Finding, run: Run, known: Review | None, at: datetime) -> bool:
    if known is None:
        made = Review.objects.create(
            rule=found.rule,
            run=run,
            subject=found.subject,
            purpose=found.purpose,
            usage_id=found.usage_id,
            version_id=found.version_id,
            other_version_id=found.other_version_id,
            measure=found.measure,
            evidence=found.evidence,
            raised_at=at,
            found_at=at,
        )
        _record("review.opened", made, at, {})
        return True
    if known.state == State.CLOSED and found.measure <= known.measure * WORSE:
        return False
    is_again = known.state == State.CLOSED
    known.usage_id, known.other_version_id = found.usage_id, found.other_version_id
    known.measure, known.evidence = found.measure, found.evidence
    known.found_at, known.gone_at = at, None
    fields = ["usage", "other_version", "measure", "evidence", "found_at", "gone_at"]
    if is_again:
        known.state, known.outcome, known.reason = State.OPEN, "", ""
        known.closed_by = known.closed_at = None
        fields += ["state", "outcome", "reason", "closed_by", "closed_at"]
        _record("review.opened", known, at, {})
    known.save(update_fields=fields)
    return is_again


def _note_what_is_gone(
    found: set[tuple[UUID, str, str, str]], since: datetime, at: datetime
) -> None:
    """Say on open reviews that the reports no longer show it: an operator closes them."""
    usages, runs = looked_at(since=since)
    # What a policy asked for shows in no report, and is never gone by itself.
    rows = Review.objects.filter(state=State.OPEN, gone_at=None).exclude(rule=Review.Rule.POLICY)
    rows = rows.select_for_update()
    for review in rows.filter(Q(usage__in=usages) | Q(usage=None, run__in=runs)).order_by("pk"):
        if (review.run_id, review.subject, review.purpose, review.rule) not in found:
            review.gone_at = at
            review.save(update_fields=["gone_at"])


def _may_look() -> bool:
    """Whether nobody else looks in this moment; ours until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOOKING_LOCK])
        return bool(cursor.fetchone()[0])


def _record(kind: str, review: Review, at: datetime, body: dict[str, str]) -> None:
    """The owner of the data learns that there is a review, not what the lab's reports say."""
    version = review.version
    ledger.record(
        kind,
        at=at,
        subject_kind="review",
        subject_id=review.id,
        party=review.run.lab,
        other_party=version.dataset.owner if version else None,
        body={
            "rule": review.rule,
            "run": review.run.pseudonym,
            "version": review.version_id,
            "purpose": review.purpose,
            **body,
        },
    )
