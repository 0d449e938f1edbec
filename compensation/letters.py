"""Letters about payouts, to everybody who minds a party's money; they leave after the commit."""

from __future__ import annotations

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse

from compensation.models import PayoutMethod
from provenance.models import Membership, Party

Role = Membership.Role


def tell_of_method(method: PayoutMethod) -> None:
    """Tell of a new account or address, so that a change by a stranger is stopped in time."""
    since = (
        f"Nothing is paid there before {method.held_until:%d %B %Y, %H:%M} UTC."
        if method.held_until
        else "Payouts go there from now on."
    )
    _send(
        method.party,
        "where payouts go was changed",
        f"From now on the payouts of {method.party.name} are meant for {_what(method)}. {since}\n\n"
        "If nobody of you did this, remove it at once, change your passwords and write to the "
        f"operator: {_page(method)}\n",
    )


def tell_of_return(method: PayoutMethod) -> None:
    """Tell that a payment came back, and that payouts wait."""
    _send(
        method.party,
        "a payout came back",
        f"A payout to {_what(method)} came back: {method.flag_words}\n\n"
        "The money is yours as before, and waits. Confirm the account if it is right, or name "
        f"another one: {_page(method)}\n",
    )


def _what(method: PayoutMethod) -> str:
    return (
        f"the bank account {method.address} of {method.holder}"
        if method.is_bank
        else f"the address {method.address}"
    )


def _page(method: PayoutMethod) -> str:
    return settings.PUBLIC_URL + reverse("admin:compensation_payoutmethod_change", args=[method.pk])


def _send(party: Party, subject: str, words: str) -> None:
    members = Membership.objects.filter(party=party, role__in=[Role.ADMIN, Role.FINANCE])
    to = {*members.values_list("user__email", flat=True), party.contact_email} - {""}
    if not to:
        return
    # One letter each: nobody learns the others' addresses.
    for address in sorted(to):
        # Robust: a mail server that is down takes nothing back of what was done.
        transaction.on_commit(
            lambda address=address: send_mail(f"Tallymark: {subject}", words, None, [address]),  # type: ignore[misc]
            robust=True,
        )
