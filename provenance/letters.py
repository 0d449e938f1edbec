"""Letters to people: what they say, and that they leave once what they tell has been committed."""

from __future__ import annotations

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse

from provenance.models import Invitation


def send_invitation(invitation: Invitation, token: str) -> str:
    """Mail the link that accepts `invitation` to the invited; returns it, for who invites.

    The link holds the token: show it once, keep it nowhere.
    """
    link = f"{settings.PUBLIC_URL}{reverse('accept-invitation', args=[token])}"
    subject = f"Tallymark: join {invitation.party.name}"
    words = (
        f"{invitation.invited_by.email} invites you to act for {invitation.party.name} on "
        f"Tallymark as {invitation.role}.\n\n"
        f"Accept until {invitation.expires_at:%d %B %Y} (UTC): {link}\n"
    )

    def send() -> None:
        send_mail(subject, words, None, [invitation.email])

    # Robust: a mail server that is down leaves the invitation and its link as they are.
    transaction.on_commit(send, robust=True)
    return link
