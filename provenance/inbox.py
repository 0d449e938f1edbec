"""What a person does with notices: read them, and say which of them to mail, and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID
from zoneinfo import available_timezones

from django.db import transaction

from provenance.models import Letter, NoticeChoice, NoticeDay, Party, Sending, User
from provenance.notices import kinds
from provenance.refusals import Refused


class CannotBeOff(Refused):
    """Notices of security and of deadlines are mailed at once, always."""

    code = "notice_cannot_be_off"
    status = 400
    hint = "Choose for the other kinds; leave this one out."


class UnknownChoice(Refused):
    """That is no kind of notice, or no way to send it."""

    code = "unknown_notice_choice"
    status = 400
    hint = f"Kinds stand at GET /notice-kinds; choose from: {', '.join(Sending.values)}."


class UnknownZone(Refused):
    """That is no time zone, or no hour."""

    code = "unknown_time_zone"
    status = 400
    hint = "Write the zone like Europe/Paris, and the hour from 0 to 23."


@transaction.atomic
def mark_read(*, user: User, party: Party, at: datetime, notice: UUID | None = None) -> int:
    """`user` has read one notice to `party`, or all of them; how many were new to them."""
    letters = Letter.objects.unread(user=user, party=party)
    if notice is not None:
        letters = letters.filter(notice=notice)
    return Letter.objects.filter(pk__in=letters.values("pk")).update(read_at=at)


def unread_count(*, user: User, party: Party) -> int:
    """How many notices to `party` the person has not read."""
    return Letter.objects.unread(user=user, party=party).count()


@transaction.atomic
def choose(
    *,
    user: User,
    choices: Mapping[str, str] | None = None,
    zone: str | None = None,
    hour: int | None = None,
) -> None:
    """Say which kinds are mailed when, and when the person's day begins. Safe to repeat.

    What is left out stays; it holds for what happens from now on. Raises CannotBeOff,
    UnknownChoice or UnknownZone.
    """
    choices, day = choices or {}, day_of(user)
    day.zone, day.hour = zone or day.zone, day.hour if hour is None else hour
    known = {kind.code: kind for kind in kinds()}
    for code, sending in choices.items():
        if code not in known or sending not in Sending.values:
            raise UnknownChoice
        if not known[code].may_be_off and sending != Sending.NOW:
            raise CannotBeOff
    if day.zone not in available_timezones() or not 0 <= day.hour <= 23:
        raise UnknownZone
    day.save()
    NoticeChoice.objects.bulk_create(
        [
            NoticeChoice(user=user, kind=code, sending=sending)
            for code, sending in choices.items()
            if known[code].may_be_off
        ],
        update_conflicts=True,
        unique_fields=["user", "kind"],
        update_fields=["sending"],
    )


def choices_of(user: User) -> dict[str, str]:
    """What the person has chosen, by kind; what is not in it is as usual."""
    return dict(NoticeChoice.objects.filter(user=user).values_list("kind", "sending"))


def day_of(user: User) -> NoticeDay:
    """When the person's day begins, as chosen or as usual."""
    return NoticeDay.objects.filter(user=user).first() or NoticeDay(user=user)
