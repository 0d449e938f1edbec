"""Letters to people: what they say, and that they leave once what they tell has been committed."""

from __future__ import annotations

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse
from django.utils.dateformat import format as dated
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from provenance.models import Invitation


def send_invitation(invitation: Invitation, token: str) -> str:
    """Mail the link that accepts `invitation` to the invited; returns it, for who invites.

    The link holds the token: show it once, keep it nowhere.
    """
    link = f"{settings.PUBLIC_URL}{reverse('accept-invitation', args=[token])}"
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

    def send() -> None:
        send_mail(subject, words, None, [invitation.email])

    # Robust: a mail server that is down leaves the invitation and its link as they are.
    transaction.on_commit(send, robust=True)
    return link
