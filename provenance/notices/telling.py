"""Writing notices: once for each party and fact, with a copy for each person and each webhook."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import translation

from provenance.access import ROLE_VERBS
from provenance.kept import in_english
from provenance.models import (
    Event,
    Letter,
    Membership,
    Notice,
    NoticeChoice,
    NoticeDay,
    Party,
    Sending,
    User,
    Webhook,
    WebhookMessage,
)
from provenance.notices.kinds import Kind, kind_of
from provenance.notices.words import kept, say

Rule = Callable[[Event], None]
_RULES: dict[str, list[Rule]] = defaultdict(list)
# Programs read one language, whoever caused the notice.
LANGUAGE_OF_PROGRAMS = "en-gb"


def follows(*event_kinds: str) -> Callable[[Rule], Rule]:
    """Declare a rule: what parties are told when an event of these kinds is recorded."""

    def declare(rule: Rule) -> Rule:
        for kind in event_kinds:
            _RULES[kind].append(rule)
        return rule

    return declare


def follow(event: Event) -> None:
    """Tell whom an event concerns, in its transaction; most kinds of events concern nobody.

    What a notice keeps is English, whoever caused it; it is said when it is read.
    """
    with in_english():
        for rule in _RULES.get(event.kind, ()):
            rule(event)


def operators() -> Iterable[Party]:
    """The parties that run this service."""
    return Party.objects.filter(is_operator=True).order_by("created_at", "id")


@transaction.atomic
def tell(
    kind: str,
    *,
    party: Party,
    about: object = "",
    key: object,
    at: datetime,
    deadline_at: datetime | None = None,
    **facts: Any,
) -> Notice:
    """Write a notice to `party`, unless the same `key` of this kind was told it before.

    `facts` fill the words of the kind, and are all that is kept: name only what the party may see.
    """
    notice, is_new = Notice.objects.get_or_create(
        party=party,
        kind=kind,
        key=str(key),
        defaults={
            "about": str(about),
            "facts": kept(facts),
            "made_at": at,
            "deadline_at": deadline_at,
        },
    )
    if is_new:
        spec = kind_of(kind)
        _address(notice, spec)
        _post(notice)
    return notice


def wanted(kind: Kind, right: str, role: str, choice: str | None) -> str:
    """When a member in `role` is mailed a notice for holders of `right`, who may have chosen."""
    is_theirs = right in ROLE_VERBS.get(role, frozenset())
    if is_theirs and not kind.may_be_off:
        return Sending.NOW
    return choice or (kind.sending if is_theirs else Sending.OFF)


def day_begins(day: NoticeDay | None, after: datetime) -> datetime:
    """The first beginning of a person's day after a moment."""
    zone, hour = (ZoneInfo(day.zone), day.hour) if day else (ZoneInfo("UTC"), 8)
    local = after.astimezone(zone)
    begins = datetime.combine(local.date(), time(hour), zone)
    if begins <= local:
        begins = datetime.combine(local.date() + timedelta(days=1), time(hour), zone)
    return begins.astimezone(UTC)


def _address(notice: Notice, kind: Kind) -> None:
    """A copy for each member, to be mailed as each wants it; and for the contact address."""
    everybody = Membership.objects.filter(party=notice.party).select_related("user")
    spared = kind.but(notice) if kind.but else None
    members = [one for one in everybody if one.user != spared]
    people = [member.user_id for member in members]
    choices = dict(
        NoticeChoice.objects.filter(user__in=people, kind=kind.code).values_list("user", "sending")
    )
    days = {day.user_id: day for day in NoticeDay.objects.filter(user__in=people)}
    # A reminder is for those whom its first notice was for.
    right = kind_of(notice.facts.get("of_kind", kind.code)).right
    letters = []
    for member in members:
        sending = wanted(kind, right, member.role, choices.get(member.user_id))
        day = days.get(member.user_id)
        letters.append(_letter(notice, member.user, sending, day))
    mailed = {
        member.user.email.casefold()
        for member, letter in zip(members, letters, strict=True)
        if letter.send_at is not None
    }
    contact = notice.party.contact_email.casefold()
    if contact and contact not in mailed and (not kind.may_be_off or not mailed):
        letters.append(_letter(notice, None, kind.sending, None))
    Letter.objects.bulk_create(letters)


def _letter(notice: Notice, user: User | None, sending: str, day: NoticeDay | None) -> Letter:
    send_at = {
        Sending.NOW: notice.made_at,
        Sending.DAILY: day_begins(day, notice.made_at),
        Sending.OFF: None,
    }[Sending(sending)]
    return Letter(notice=notice, user=user, sending=sending, send_at=send_at)


def _post(notice: Notice) -> None:
    """A message for each webhook of the party that asks for this kind.

    One that is switched off misses it, until somebody replays what it missed.
    """
    hooks = Webhook.objects.standing().filter(party=notice.party)
    wanting = [hook for hook in hooks if not hook.kinds or notice.kind in hook.kinds]
    if not wanting:
        return
    body = body_of(notice)
    WebhookMessage.objects.bulk_create(
        WebhookMessage(
            webhook=hook,
            notice=notice,
            kind=notice.kind,
            body=body,
            made_at=notice.made_at,
            send_at=None if hook.disabled_at else notice.made_at,
            gave_up_at=notice.made_at if hook.disabled_at else None,
        )
        for hook in wanting
    )


def body_of(notice: Notice) -> str:
    """What programs are posted: the notice as its party may see it, and nothing else."""
    with translation.override(LANGUAGE_OF_PROGRAMS):
        said = say(notice)
    deadline = notice.deadline_at
    body = {
        "type": notice.kind,
        "timestamp": notice.made_at.astimezone(UTC).isoformat(),
        "data": {
            "notice": str(notice.pk),
            "party": str(notice.party_id),
            "about": notice.about,
            "title": said.title,
            "words": said.words,
            "url": said.url,
            "deadline_at": deadline.astimezone(UTC).isoformat() if deadline else None,
            "facts": notice.facts,
        },
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
