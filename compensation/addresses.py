"""Addresses on a chain that people name, and the proof that they hold them."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from provenance import evm
from provenance.refusals import Refused

ADDRESS = re.compile("0x[0-9a-fA-F]{40}")
SIGNATURE = re.compile("0x[0-9a-fA-F]{130}")


class NotAnAddress(Refused):
    """This is no address on the chain."""

    code = "not_an_address"
    status = 400
    hint = "Give 0x and 40 hexadecimal digits, as your wallet shows it."


class NotTheHolder(Refused):
    """The signature was not made by the holder of this address."""

    code = "not_the_holder"
    hint = "Sign exactly the text that is shown, with the address that you entered."


def checked(address: str) -> str:
    """The address with its checksum; raises NotAnAddress, also where its capitals do not fit."""
    text = address.strip()
    if not ADDRESS.fullmatch(text) or not int(text, 16):
        raise NotAnAddress
    found = evm.checksum(text)
    if text[2:] not in (found[2:], found[2:].lower(), found[2:].upper()):
        raise NotAnAddress(
            _("The capital letters of this address do not fit: it was mistyped."),
            hint=_("Copy the address from your wallet again."),
        )
    return found


def require_holder(*, address: str, words: str, signature: str) -> None:
    """Raise NotTheHolder unless `address` signed `words` (EIP-191)."""
    from eth_account import Account
    from eth_account.messages import encode_defunct
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    if not SIGNATURE.fullmatch(signature):
        raise NotTheHolder(_("A signature is 0x and 130 hexadecimal digits."))
    try:
        signer = Account.recover_message(
            encode_defunct(text=words), signature=bytes.fromhex(signature[2:])
        )
    except (ValueError, BadSignature, ValidationError) as error:
        raise NotTheHolder(_("This is no signature of that text.")) from error
    if str(signer).lower() != address.lower():
        raise NotTheHolder
