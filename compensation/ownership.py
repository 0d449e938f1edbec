"""Proof that somebody holds an address: a sign-in message, signed by a key or by a contract wallet.

A message counts for this service's own domain, one address and chain, until it expires, and its
nonce once.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from compensation import addresses, siwe
from compensation.models import PayoutMethod
from provenance import chains, evm, merkle
from provenance.models import Party
from provenance.refusals import Refused

VALID_MINUTES = 60
# A wallet's clock may be a little ahead of ours.
AHEAD = timedelta(minutes=5)
# EIP-1271: isValidSignature(bytes32,bytes), which is also what it answers.
VALID = bytes.fromhex("1626ba7e")


class AddressRefused(Refused):
    """The operator does not pay to this address."""

    code = "address_refused"
    status = 403
    hint = "Name another address of yours, or ask the operator why."


class NotThisMessage(Refused):
    """That is not the message that was asked for here."""

    code = "not_this_message"
    status = 400
    hint = "Sign the text that is shown, unchanged, with the address that you named."


class MessageExpired(Refused):
    """The message to sign has expired."""

    code = "message_expired"
    hint = "Ask for a new one, and sign that."


class NonceUsed(Refused):
    """The message was used, or another one was asked for since."""

    code = "nonce_used"
    hint = "Ask for a new message, and sign that."


def is_refused(name: str) -> bool:
    """Whether the operator's list names an address, which may stand behind its chain (CAIP-10)."""
    return name.rpartition(":")[2].lower() in settings.PAYOUT_REFUSED_ADDRESSES


def require_payable(address: str) -> None:
    """Raise AddressRefused where the operator's list names the address."""
    if is_refused(address):
        raise AddressRefused


def message_for(method: PayoutMethod, at: datetime) -> siwe.Message:
    """A fresh message that the holder of a method's address signs."""
    party: Party = method.party
    return siwe.Message(
        domain=_domain(),
        address=method.chain_address,
        statement=_statement(party),
        uri=settings.PUBLIC_URL,
        chain_id=_chain_id(method),
        nonce=secrets.token_hex(16),
        issued_at=at,
        expires_at=at + timedelta(minutes=VALID_MINUTES),
        request_id=str(method.pk),
    )


def require_shown(method: PayoutMethod, text: str, signature: str, at: datetime) -> siwe.Message:
    """The message by which a signature shows that the method's address is its party's.

    Asks the chain where a contract stands at the address. Raises NotThisMessage, MessageExpired,
    NonceUsed, addresses.NotTheHolder, or evm.ChainUnreachable.
    """
    try:
        message = siwe.parse(text)
    except siwe.NotAMessage as error:
        raise NotThisMessage(str(error)) from error
    for name, found, wanted in (
        ("domain", message.domain, _domain()),
        ("URI", message.uri, settings.PUBLIC_URL),
        ("address", message.address, method.chain_address),
        ("chain", message.chain_id, _chain_id(method)),
        ("request", message.request_id, str(method.pk)),
        ("statement", message.statement, _statement(method.party)),
    ):
        if found != wanted:
            raise NotThisMessage(
                _("Its %(name)s is %(found)s, not %(wanted)s.")
                % {"name": name, "found": found, "wanted": wanted}
            )
    if message.nonce != method.nonce:
        raise NonceUsed
    if text != method.challenge:
        raise NotThisMessage(_("Its times are not those that were asked for."))
    if not message.issued_at <= at + AHEAD or at >= message.expires_at:
        raise MessageExpired
    _require_signed(method, text, signature)
    return message


def _require_signed(method: PayoutMethod, text: str, signature: str) -> None:
    """Raise addresses.NotTheHolder unless the key of the address, or its contract, signed."""
    try:
        addresses.require_holder(address=method.chain_address, words=text, signature=signature)
    except addresses.NotTheHolder:
        # Only our own chains can be asked what stands there.
        chain_id = _chain_id(method)
        if chain_id not in chains.ids() or not _accepts(
            chain_id, method.chain_address, text, signature
        ):
            raise


def _accepts(chain_id: int, address: str, text: str, signature: str) -> bool:
    """Whether a contract wallet stands at an address and accepts the signature (EIP-1271)."""
    from eth_abi.abi import encode

    chain = evm.connect(chain_id)
    if not chain.has_code(address):
        return False
    words = text.encode()
    digest = merkle.keccak(f"\x19Ethereum Signed Message:\n{len(words)}".encode() + words)
    try:
        raw = bytes.fromhex(signature.removeprefix("0x"))
    except ValueError:
        return False
    try:
        answer = chain.ask(address, VALID + encode(["bytes32", "bytes"], [digest, raw]))
    except evm.CallReverted:
        return False
    return answer == VALID.ljust(32, b"\0")


def _chain_id(method: PayoutMethod) -> int:
    """The EIP-155 id of the chain of an address."""
    return int(method.chain.removeprefix("eip155:"))


def _domain() -> str:
    return urlsplit(settings.PUBLIC_URL).netloc


def _statement(party: Party) -> str:
    return f"Payouts of the organisation {party.pk} go to this address."
