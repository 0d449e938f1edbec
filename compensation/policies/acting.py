"""Policies at work: they hand out cases, bring them forward, and raise reviews; nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction

from compensation.models import Policy, PolicyAct
from compensation.policies.cases import KINDS, age_days, cases
from compensation.policies.matters import USE, Matter
from compensation.policies.rules import condition_of
from compensation.policies.uses import reported, uses
from provenance import casework, signals
from provenance.models import CaseKind, Membership, Resolution, Review, Usage, User

log = structlog.get_logger(__name__)

Target = Policy.Target
# Only one worker at a time acts: a second one would find the same.
ACTING_LOCK = 0x7A11_000A
# A report may be committed a little after the moment that it bears.
OVERLAP = timedelta(minutes=5)
# So many reviews one policy raises in one pass; the next pass goes on.
MOST_REVIEWS = 200


@transaction.atomic
def act(*, at: datetime) -> int:
    """Let every policy in force act on what is new to it; how often one did. Safe to repeat."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ACTING_LOCK])
        if not cursor.fetchone()[0]:
            return 0
    _note_what_is_gone(at)
    rules = Policy.objects.in_force().select_related("assign_to", "begun_by")
    return sum(_act_by(rule, at) for rule in rules.order_by("name"))


def brought_forward() -> dict[tuple[str, str], tuple[datetime, str]]:
    """Waiting cases that a policy made due earlier, the first due first: when, and its name."""
    found: dict[tuple[str, str], tuple[datetime, str]] = {}
    rows = PolicyAct.objects.filter(gone_at=None, due_at__isnull=False, kind__in=KINDS)
    for kind, key, due_at, name in rows.order_by("due_at", "pk").values_list(
        "kind", "subject", "due_at", "policy__name"
    ):
        assert due_at is not None, "only those with a moment were asked for"
        found.setdefault((kind, key), (due_at, name))
    return found


def _act_by(rule: Policy, at: datetime) -> int:
    condition = condition_of(rule)
    if rule.target == Target.USE:
        return _act_on_uses(rule, at)
    done = set(PolicyAct.objects.filter(policy=rule, gone_at=None).values_list("kind", "subject"))
    count = 0
    for case in cases(names=condition.names):
        if (case.kind, case.key) in done:
            continue
        case.facts["age_days"] = age_days(case, at)
        if condition.decide(case.facts):
            _act_on_case(rule, case, at)
            count += 1
    return count


def _act_on_case(rule: Policy, case: Matter, at: datetime) -> None:
    to = rule.assign_to
    is_assigned = to is not None and _assign(rule, case, to, at)
    PolicyAct.objects.create(
        policy=rule,
        kind=case.kind,
        subject=case.key,
        facts=case.facts,
        assigned_to=to if is_assigned else None,
        due_at=at + timedelta(hours=rule.due_hours) if rule.due_hours else None,
        acted_at=at,
    )


def _assign(rule: Policy, case: Matter, to: User, at: datetime) -> bool:
    """Give a case that nobody has to `to`, unless `to` stands too near to it; whether it was."""
    kind = CaseKind(case.kind)
    assert rule.begun_by is not None, "only what was put in force acts"
    if casework.assignees(kind, [case.key]) or _is_near(to, case):
        return False
    try:
        with transaction.atomic():
            if kind == CaseKind.REVIEW:
                signals.assign(review=Review.objects.get(pk=case.key), to=to)
            else:
                casework.assign(kind=kind, subject=case.key, to=to, by=rule.begun_by, at=at)
    except (casework.NotAColleague, signals.ReviewClosed) as refusal:
        log.warning("a policy could not assign", policy=str(rule), refusal=refusal.code)
        return False
    return True


def _is_near(person: User, case: Matter) -> bool:
    """Whether a person belongs to a side of a case, or decided before what is appealed."""
    if Membership.objects.filter(user=person, party__namespace__in=case.parties).exists():
        return True
    decided = Resolution.objects.filter(conflict=case.stake_key, decided_by=person)
    return case.kind == CaseKind.APPEAL and decided.exists()


def _act_on_uses(rule: Policy, at: datetime) -> int:
    """Raise reviews on what was reported since it is in force, a pass at a time."""
    condition = condition_of(rule)
    since = max(rule.since, (rule.looked_at or rule.since) - OVERLAP)
    done = set(PolicyAct.objects.filter(policy=rule).values_list("subject", flat=True))
    until, acted = at, []
    for use in uses(reported(since=since, until=at), names=condition.names):
        if use.key not in done and condition.decide(use.facts):
            acted.append(use)
            if len(acted) == MOST_REVIEWS:
                until = use.began_at
                break
    _raise(rule, acted, at)
    rule.looked_at = until
    rule.save(update_fields=["looked_at"])
    return len(acted)


def _raise(rule: Policy, found: Iterable[Matter], at: datetime) -> None:
    by_key = {one.key: one for one in found}
    for usage in Usage.objects.filter(pk__in=list(by_key)).order_by("pk"):
        use = by_key[str(usage.pk)]
        review = signals.ask_for_a_look(
            usage=usage, policy=rule.name, version=rule.version, words=rule.words, at=at
        )
        PolicyAct.objects.create(
            policy=rule, kind=USE, subject=use.key, facts=use.facts, review=review, acted_at=at
        )


def _note_what_is_gone(at: datetime) -> None:
    """Acts on cases that do not wait any more are over: if one comes again, it is new."""
    live = PolicyAct.objects.filter(gone_at=None, kind__in=KINDS)
    kinds = set(live.values_list("kind", flat=True))
    if not kinds:
        return
    waiting = {(one.kind, one.key) for one in cases(names=(), kinds=kinds)}
    over = [
        pk for pk, *key in live.values_list("pk", "kind", "subject") if tuple(key) not in waiting
    ]
    PolicyAct.objects.filter(pk__in=over).update(gone_at=at)
