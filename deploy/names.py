"""What the pages of accounts say in words of others, whose Chinese is not ours: said again."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _noop
from django.utils.translation import ngettext_lazy

NAMES = (
    _noop("Confirm Email Address"),
    _noop("Do you really want to remove the selected email address?"),
    _noop("Email"),
    _noop("Email address"),
    _noop("Email Address"),
    _noop("Email address %(deleted_email)s has been removed from your account."),
    _noop("Email Changed"),
    _noop("Email Confirmation"),
    _noop("Email Removed"),
    _noop("Please Confirm Your Email Address"),
    _noop("Primary email address set."),
    _noop("Removed email address %(email)s."),
    _noop("Verify Your Email Address"),
    _noop("You are about to generate a new set of recovery codes for your account."),
    _noop(
        "You cannot activate two-factor authentication until you have verified your email address."
    ),
    _noop("You cannot remove your primary email address (%(email)s)."),
    _noop("You have confirmed %(email)s."),
    _noop("Your email has been confirmed."),
    _noop("Your old password was entered incorrectly. Please enter it again."),
    _noop("Your password can’t be a commonly used password."),
    _noop("Your password can’t be too similar to your other personal information."),
    ngettext_lazy(
        "Your password must contain at least %(min_length)d character.",
        "Your password must contain at least %(min_length)d characters.",
        "min_length",
    ),
)
