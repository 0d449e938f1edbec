"""Writing policies, putting them in force, and ending them: operators only, each with a reason."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from tallymark.canonical import canonical

from compensation.models import Policy
from compensation.policies.matters import examples
from provenance import casework, ledger, policy
from provenance.models import User
from provenance.refusals import Refused

Target = Policy.Target
# A case is due within a year, or is not hurried at all.
MOST_HOURS = 366 * 24


class BadPolicy(Refused):
    """This is no policy."""

    code = "bad_policy"
    status = 400


class NotForYou(Refused):
    """Only operators write policies, put them in force and end them."""

    code = "policies_are_the_operators"
    status = 403
    hint = "Write to the operator."


class PolicyStands(Refused):
    """This version was put in force before, or is not in force."""

    code = "policy_stands"
    hint = "Write its next version."


@transaction.atomic
def write(
    *,
    name: str,
    target: str,
    condition: str,
    assign_to: User | None = None,
    due_hours: int | None = None,
    words: str = "",
    by: User,
    at: datetime,
) -> Policy:
    """Write a policy, or the next version of the one of that name; nothing happens by it yet.

    Raises BadPolicy, policy.BadCondition or NotForYou.
    """
    _require_operator(by)
    name, words = name.strip(), words.strip()
    if target not in Target.values or not 0 < len(name) <= 80:
        raise BadPolicy(_("Give it a name of at most 80 letters, and say what it looks at."))
    _require_effect(target, assign_to, due_hours, words)
    policy.require_sound(policy.condition(condition, root=target), examples(target))
    _take_turn(name)
    last = Policy.objects.filter(name=name).aggregate(last=Max("version"))["last"]
    return Policy.objects.create(
        name=name,
        version=(last or 0) + 1,
        target=target,
        condition=condition.strip(),
        assign_to=assign_to,
        due_hours=due_hours,
        words=words,
        written_by=by,
        written_at=at,
    )


@transaction.atomic
def begin(
    *, rule: Policy, reason: str, by: User, at: datetime, tried: dict[str, int] | None = None
) -> Policy:
    """Put a version in force, in the place of the one that was; `tried` says what a dry run found.

    Raises BadPolicy, PolicyStands or NotForYou.
    """
    _require_operator(by)
    _take_turn(rule.name)
    locked = Policy.objects.select_for_update().get(pk=rule.pk)
    if locked.begun_at is not None:
        raise PolicyStands
    if not reason.strip():
        raise BadPolicy(_("Say why."))
    if locked.assign_to and locked.assign_to not in casework.operators():
        raise casework.NotAColleague
    for before in Policy.objects.in_force().filter(name=locked.name):
        end(rule=before, reason=reason, by=by, at=at)
    locked.begun_at, locked.begun_by, locked.begun_reason = at, by, reason.strip()
    locked.save(update_fields=["begun_at", "begun_by", "begun_reason"])
    _record("policy.begun", locked, at, tried or {})
    return locked


@transaction.atomic
def end(*, rule: Policy, reason: str, by: User, at: datetime) -> Policy:
    """End a policy now; what it did stays done. A repeat changes nothing.

    Raises BadPolicy, PolicyStands or NotForYou.
    """
    _require_operator(by)
    locked = Policy.objects.select_for_update().get(pk=rule.pk)
    if locked.ended_at is not None:
        return locked
    if locked.begun_at is None:
        raise PolicyStands(_("It was never put in force."))
    if not reason.strip():
        raise BadPolicy(_("Say why."))
    locked.ended_at, locked.ended_by, locked.ended_reason = at, by, reason.strip()
    locked.save(update_fields=["ended_at", "ended_by", "ended_reason"])
    _record("policy.ended", locked, at, {"acts": locked.acts.count()})
    return locked


def condition_of(rule: Policy) -> policy.Condition:
    """A policy's condition, compiled."""
    return policy.condition(rule.condition, root=rule.target)


def _require_operator(person: User) -> None:
    if not casework.operators().filter(pk=person.pk).exists():
        raise NotForYou


def _require_effect(target: str, assign_to: User | None, due_hours: int | None, words: str) -> None:
    """A policy on cases assigns or hurries them; one on reports raises reviews, in words."""
    if target == Target.USE:
        if not words or len(words) > 500 or assign_to is not None or due_hours is not None:
            raise BadPolicy(
                _("Of reports of use it raises reviews, and nothing else."),
                hint=_("Say in at most 500 letters what the lab reads in the review."),
            )
        return
    if words or (assign_to is None and due_hours is None):
        raise BadPolicy(
            _("Of cases it says who looks after them, when they are due, or both."),
            hint=_("Only policies on reports of use have words for the lab."),
        )
    if due_hours is not None and not 0 < due_hours <= MOST_HOURS:
        raise BadPolicy(_("A case is due within 1 to %(most)s hours.") % {"most": MOST_HOURS})
    if assign_to is not None and assign_to not in casework.operators():
        raise casework.NotAColleague


def _take_turn(name: str) -> None:
    """Nobody else changes a policy of this name until we are done."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"policy:{name}"])


def _record(kind: str, rule: Policy, at: datetime, body: dict[str, int]) -> None:
    """The ledger knows which rule it was by its digest, not what it says of whom."""
    said: dict[str, Any] = {
        "name": rule.name,
        "target": rule.target,
        "condition": rule.condition,
        "assign_to": rule.assign_to_id,
        "due_hours": rule.due_hours,
        "words": rule.words,
    }
    ledger.record(
        kind,
        at=at,
        subject_kind="policy",
        subject_id=rule.pk,
        body={
            "version": rule.version,
            "target": rule.target,
            "rule_sha256": hashlib.sha256(canonical(said)).digest(),
            **body,
        },
    )
