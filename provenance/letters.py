"""Letters to people: what they say, and that they leave once what they tell has been committed."""

from __future__ import annotations

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse
from django.utils import translation
from django.utils.dateformat import format as dated
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

from provenance.models import Invitation, User


def send_invitation(invitation: Invitation, token: str) -> str:
    """Mail the link that accepts `invitation` to the invited; returns it, for who invites.

    In the language that the invited reads here, if any; else in each that the service speaks.

    The link holds the token: show it once, keep it nowhere.
    """
    link = f"{settings.PUBLIC_URL}{reverse('accept-invitation', args=[token])}"
    said = [_invitation(invitation, link, language) for language in _languages_of(invitation.email)]
    subject = " / ".join(subject for subject, _words in said)
    words = "\n".join(words for _subject, words in said)

    def send() -> None:
        send_mail(subject, words, None, [invitation.email])

    # Robust: a mail server that is down leaves the invitation and its link as they are.
    transaction.on_commit(send, robust=True)
    return link


def _languages_of(email: str) -> list[str]:
    """The one that the invited reads, if we know it; else all, that of who invites first."""
    known = User.objects.filter(email__iexact=email).values_list("language", flat=True).first()
    codes = [code for code, _name in settings.LANGUAGES]
    if known in codes:
        return [known]
    return sorted(codes, key=lambda code: code != get_language())


def _invitation(invitation: Invitation, link: str, language: str) -> tuple[str, str]:
    """Subject and words of the letter in one language."""
    with translation.override(language):
        subject = _("Tallymark: join %(party)s") % {"party": invitation.party.name}
        words = _(
            "%(by)s invites you to act for %(party)s on Tallymark as %(role)s.\n\n"
            "Accept until %(day)s (UTC): %(link)s\n"
        ) % {
            "by": invitation.invited_by.email,
            "party": invitation.party.name,
            "role": _(invitation.role),
            "day": dated(invitation.expires_at, pgettext("date", "d F Y")),
            "link": link,
        }
    return subject, words
