"""Notices by mail: each person's copy once, at once or gathered at the beginning of their day.

A copy that is due is taken in a short transaction that puts its next try off, mailed outside of
any, and marked. Two workers never mail the same copy; where one dies between the mail server's
word and the mark, the copy goes out again under the same Message-ID, which mail servers and
programs fold into one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from provenance import notices
from provenance.models import Letter, Sending
from provenance.notices.words import Said, line, moment_words

log = structlog.get_logger(__name__)

AT_ONCE = 50
DIGEST_LIMIT = 200
# More than so many that wait for one person at a time go into one letter.
FLOOD = 5
# Longer than a mail server is waited for; doubled at each try, up to a day.
FIRST_RETRY = timedelta(minutes=2)
LONGEST_RETRY = timedelta(hours=24)
MOST_ATTEMPTS = 12
SUBJECT_LENGTH = 150


@dataclass(frozen=True)
class Item:
    """One notice in a letter."""

    said: Said
    until: str


def send_due(*, at: datetime, limit: int = AT_ONCE) -> int:
    """Mail what is due by `at`; how many mails went out."""
    sent = 0
    for _turn in range(limit):
        letters = take(at=at)
        if not letters:
            break
        sent += _send(letters, at)
    return sent


@transaction.atomic
def take(*, at: datetime) -> list[Letter]:
    """The next copy to mail, with others of that person where they are gathered.

    A person's day goes into one letter, and so does a flood. Nobody else takes these for a while.
    """
    rows = Letter.objects.due(at).select_related("notice__party", "user")
    locked = rows.select_for_update(of=("self",), skip_locked=True).order_by("send_at", "pk")
    first = locked.first()
    if first is None:
        return []
    letters = [first]
    if first.user_id:
        mine = locked.filter(user=first.user, sending=first.sending)
        gathered = list(mine.order_by("notice__made_at", "pk")[:DIGEST_LIMIT])
        if first.sending == Sending.DAILY or len(gathered) > FLOOD:
            letters = gathered
    for letter in letters:
        letter.attempt_count += 1
        letter.send_at = at + min(FIRST_RETRY * 2 ** (letter.attempt_count - 1), LONGEST_RETRY)
    Letter.objects.bulk_update(letters, ["attempt_count", "send_at"])
    return letters


def _send(letters: Sequence[Letter], at: datetime) -> bool:
    """Mail copies of one person that were taken; whether that went well."""
    try:
        message = compose(letters)
        if message is not None:
            message.send()
    except (SMTPException, OSError) as error:
        log.warning("mail waits", letters=len(letters), error=str(error))
        _held(letters).update(error=line(str(error), 300))
        worn_out = [one.pk for one in letters if one.attempt_count >= MOST_ATTEMPTS]
        _held(letters).filter(pk__in=worn_out).update(send_at=None)
        return False
    mailed_at = at if message is not None else None
    _held(letters).update(send_at=None, mailed_at=mailed_at, error="")
    return message is not None


def _held(letters: Sequence[Letter]) -> QuerySet[Letter]:
    """Those of the copies that no other worker has taken since."""
    first = letters[0]
    if len(letters) == 1:
        return Letter.objects.filter(pk=first.pk, attempt_count=first.attempt_count)
    return Letter.objects.filter(pk__in=[one.pk for one in letters], send_at=first.send_at)


def compose(letters: Sequence[Letter]) -> EmailMultiAlternatives | None:
    """The mail of one copy, or of a person's day, in that person's language.

    None where there is no address any more.
    """
    first = letters[0]
    to = first.user.email if first.user else first.notice.party.contact_email
    if not to or (first.user and not first.user.is_active):
        return None
    with translation.override((first.user and first.user.language) or settings.LANGUAGE_CODE):
        return _composed(letters, to)


def _composed(letters: Sequence[Letter], to: str) -> EmailMultiAlternatives:
    """The mail in the language that is active."""
    first = letters[0]
    items = [Item(notices.say(one.notice), _until(one)) for one in letters]
    is_digest = first.sending == Sending.DAILY or len(items) > 1
    if is_digest:
        subject = _("News for you: %(count)s") % {"count": len(items)}
    else:
        subject = items[0].said.title
    context = {
        "items": items,
        "party": ", ".join(dict.fromkeys(line(one.notice.party.name) for one in letters)),
        "is_digest": is_digest,
        "inbox": settings.PUBLIC_URL + reverse("admin:provenance_notice_changelist"),
        "preferences": settings.PUBLIC_URL + reverse("admin:provenance_notice_preferences"),
    }
    message = EmailMultiAlternatives(
        line(f"Tallymark: {subject}", SUBJECT_LENGTH),
        render_to_string("mail/notices.txt", context),
        None,
        [to],
        headers={"Message-ID": message_id(letters), "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string("mail/notices.html", context), "text/html")
    return message


def message_id(letters: Sequence[Letter]) -> str:
    """The same for the same copies, however often they are sent."""
    named = ",".join(f"{one.notice_id}:{one.pk}" for one in letters)
    host = urlsplit(settings.PUBLIC_URL).hostname
    return f"<{hashlib.sha256(named.encode()).hexdigest()[:40]}@{host}>"


def _until(letter: Letter) -> str:
    deadline = letter.notice.deadline_at
    return moment_words(deadline) if deadline else ""
