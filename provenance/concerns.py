"""People without an account say that something of theirs is registered, and are answered."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.mail import send_mail
from django.db import transaction
from django.utils.dateformat import format as dated
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from provenance.models import Concern, User
from provenance.models.concerns import ANSWERED_WITHIN
from provenance.refusals import Refused

DAILY_LIMIT = 5
DAY = timedelta(days=1)


class TooManyConcerns(Refused):
    """Five notices a day are taken from one address."""

    code = "too_many_concerns"
    status = 429
    hint = "Put what belongs together into one notice, or write again tomorrow."
    retry_after_seconds = 86_400


class ConcernAnswered(Refused):
    """It has been answered."""

    code = "concern_answered"
    hint = "Look at the answer that was given."


@transaction.atomic
def tell(*, name: str, email: str, what: str, place: str, why: str, at: datetime) -> Concern:
    """Keep a person's word and confirm it by mail. Raises TooManyConcerns."""
    if Concern.objects.filter(email=email, made_at__gt=at - DAY).count() >= DAILY_LIMIT:
        raise TooManyConcerns
    made = Concern.objects.create(
        name=name, email=email, what=what, place=place, why=why, made_at=at
    )
    date = dated(at, pgettext("date and time", "d F Y, H:i"))
    words = _(
        "We have your notice of %(date)s (UTC), number %(number)s. A person reads it and answers "
        "to this address within %(days)s days. It blocks nothing by itself: if records of yours "
        "are registered by somebody else, sign up and claim them, and money for them is held.\n\n"
        "What you told us:\n\n%(what)s\n"
    ) % {"date": date, "number": made.pk, "days": ANSWERED_WITHIN.days, "what": what}
    _mail(email, _("Tallymark: we have your notice"), words)
    return made


@transaction.atomic
def answer(*, concern: Concern, text: str, by: User, at: datetime) -> Concern:
    """Answer by mail, once. Raises ConcernAnswered."""
    concern = Concern.objects.select_for_update().get(pk=concern.pk)
    if concern.answered_at is not None:
        raise ConcernAnswered
    concern.answer, concern.answered_by, concern.answered_at = text, by, at
    concern.save(update_fields=["answer", "answered_by", "answered_at"])
    words = _("Your notice %(number)s was answered:\n\n%(text)s\n") % {
        "number": concern.pk,
        "text": text,
    }
    _mail(concern.email, _("Tallymark: your notice is answered"), words)
    return concern


def _mail(email: str, subject: str, words: str) -> None:
    # Robust: a mail server that is down leaves what is kept as it is.
    transaction.on_commit(lambda: send_mail(subject, words, None, [email]) and None, robust=True)
