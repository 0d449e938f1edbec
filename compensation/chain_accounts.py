"""Whether an account on a chain that is not an EVM's is well formed; whose it is nobody can see.

Sources: CAIP-2, CAIP-10; base58 and base58check as Bitcoin writes them; BIP-173 and BIP-350
(bech32 and bech32m); Solana's accounts are 32 bytes in base58. Of namespaces that are not listed
here only CAIP-10's own grammar is checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256

from django.utils.translation import gettext as _

from provenance.refusals import Refused

# https://chainagnostic.org/CAIPs/caip-10
ACCOUNT = re.compile(r"([-a-z0-9]{3,8}):([-_a-zA-Z0-9]{1,32}):([-.%a-zA-Z0-9]{1,128})")
LONGEST = 120
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
BECH32_CONSTANT, BECH32M_CONSTANT = 1, 0x2BC830A3
# By CAIP-2 reference (the start of the genesis block's hash): version bytes, human-readable part.
BITCOINS = {
    "000000000019d6689c085ae165831e93": ((0x00, 0x05), "bc"),
    "000000000933ea01ad0ee984209779ba": ((0x6F, 0xC4), "tb"),
}


class BadAccountName(Refused):
    """This is no account on that chain."""

    code = "bad_chain_account"
    status = 400
    hint = "Give it as CAIP-10, such as solana:5eykt4UsFv8P8NJdTREpY1vzqKqdKvdp:ACCOUNT."


def checked(account: str) -> tuple[str, str]:
    """The chain (CAIP-2) and the address of a CAIP-10 account; raises BadAccountName."""
    matched = ACCOUNT.fullmatch(account.strip())
    if matched is None or len(account.strip()) > LONGEST:
        raise BadAccountName(
            _("%(account)s is not written as CAIP-10.") % {"account": repr(account.strip())}
        )
    namespace, reference, address = matched.groups()
    check = CHECKS.get(namespace)
    if namespace == "eip155":
        raise BadAccountName(
            _("Addresses of EVM chains are proved by a signature."),
            hint=_("Name the address with its chain_id, and sign the challenge."),
        )
    if check is not None and not check(reference, address):
        raise BadAccountName(
            _(
                "%(address)s is no address of %(namespace)s:%(reference)s: a character is "
                "wrong or missing."
            )
            % {"address": address, "namespace": namespace, "reference": reference},
            hint=_("Copy it from your wallet again."),
        )
    return f"{namespace}:{reference}", address


def _is_solana(reference: str, address: str) -> bool:
    data = _from_base58(address)
    return data is not None and len(data) == 32


def _is_bitcoin(reference: str, address: str) -> bool:
    """An address of Bitcoin, or of its test network; of unknown relatives any of the two forms."""
    versions, human = BITCOINS.get(reference, (None, None))
    data = _from_base58(address)
    if data is not None and len(data) == 25:
        is_whole = sha256(sha256(data[:-4]).digest()).digest()[:4] == data[-4:]
        return is_whole and (versions is None or data[0] in versions)
    return _is_segwit(address, human)


def _is_segwit(address: str, human: str | None) -> bool:
    """A witness program: bech32 for version 0, bech32m for the others (BIP-350)."""
    if address not in (address.lower(), address.upper()):
        return False
    prefix, _, data = address.lower().rpartition("1")
    values = [BECH32.find(one) for one in data]
    if not prefix or (human is not None and prefix != human) or len(data) < 8 or -1 in values:
        return False
    expanded = [ord(one) >> 5 for one in prefix] + [0] + [ord(one) & 31 for one in prefix]
    constant = BECH32M_CONSTANT if values[0] else BECH32_CONSTANT
    if _polymod(expanded + values) != constant or values[0] > 16:
        return False
    bits = 5 * (len(values) - 7)
    spare = values[-7] & ((1 << bits % 8) - 1)
    return bits % 8 < 5 and not spare and _fits(values[0], bits // 8)


def _fits(version: int, length: int) -> bool:
    """Whether a witness program of this version may have so many bytes (BIP-141)."""
    return length in (20, 32) if version == 0 else 2 <= length <= 40


def _polymod(values: list[int]) -> int:
    """The checksum of BIP-173."""
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(GENERATOR):
            check ^= generator if top >> place & 1 else 0
    return check


def _from_base58(text: str) -> bytes | None:
    """The bytes of a base58 text; None where it is none."""
    number = 0
    for one in text:
        place = BASE58.find(one)
        if place < 0:
            return None
        number = number * 58 + place
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


CHECKS: dict[str, Callable[[str, str], bool]] = {"solana": _is_solana, "bip122": _is_bitcoin}
