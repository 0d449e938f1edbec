"""Who signs: keys by role, behind one protocol, so that a key may live elsewhere than here.

`CHAIN_KEYS` says for each role where its key is: `keystore:PATH`, a file that a passphrase opens,
or `kms:ARN`, a key that never leaves AWS. A key itself, in hexadecimal, is for the development
chain only; so are the public development keys, which everybody knows.
"""

from __future__ import annotations

from functools import cache

import structlog
from django.conf import settings

from provenance import chains
from provenance.chains import DEVELOPMENT_CHAIN
from provenance.signers.keys import KeyMissing, LocalKey, Signed, Signer
from provenance.signers.keystore import from_keystore
from provenance.signers.kms import from_kms

__all__ = [
    "DEVELOPMENT_CHAIN",
    "DEVELOPMENT_KEYS",
    "ROLES",
    "KeyMissing",
    "LocalKey",
    "Signed",
    "Signer",
    "accounts",
    "address",
    "signer",
    "signer_for",
]

# The first accounts of the public phrase "test test ... junk", funded on every development chain.
DEVELOPMENT_KEYS = {
    "deployer": "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "anchorer": "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "proposer": "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "guardian": "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "treasury": "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
}
ROLES = tuple(DEVELOPMENT_KEYS)
# A replaced key, under its role's name with this: it only sees through what it has sent.
FORMER = ".former"

log = structlog.get_logger(__name__)


def signer(role: str) -> Signer:
    """The signer of a role (see ROLES); raises KeyMissing with what to set."""
    told = settings.CHAIN_KEYS.get(role, "")
    if chains.is_development():
        return _signer(told or DEVELOPMENT_KEYS[role])
    if not told:
        raise KeyMissing(f"No key for '{role}': set it in TALLYMARK_CHAIN_KEYS for this chain.")
    if ":" not in told:
        raise KeyMissing(
            f"The key for '{role}' stands in the environment, where every process and every report "
            f"of a crash can read it. On {_real_chains()} put it into a keystore with "
            "`./run manage make_keystore`, or into a KMS."
        )
    found = _signer(told)
    if found.address in _development_addresses():
        raise KeyMissing(
            f"The key for '{role}' is a public development key: anybody can spend from it. "
            f"For {_real_chains()} make your own with `./run manage make_keystore`."
        )
    return found


def address(role: str) -> str:
    """The address of a role, with checksum."""
    return signer(role).address


def signer_for(account: str) -> Signer:
    """The signer whose address is `account`; raises KeyMissing when no role has it."""
    for address_here, roles in accounts().items():
        if address_here.lower() == account.lower():
            return signer(roles[0])
    raise KeyMissing(f"No key for {account}: set the role that owns it in TALLYMARK_CHAIN_KEYS.")


def accounts() -> dict[str, list[str]]:
    """The roles of each address that has a key here, in the order of ROLES.

    A role whose key cannot be had now is left out: the others go on.
    """
    found: dict[str, list[str]] = {}
    for role in _roles_with_key():
        try:
            found.setdefault(address(role), []).append(role)
        except KeyMissing as missing:
            log.error("chain_key_missing", role=role, error=str(missing))
    return found


def _roles_with_key() -> list[str]:
    is_development = chains.is_development()
    former = [role + FORMER for role in ROLES if role + FORMER in settings.CHAIN_KEYS]
    return [role for role in ROLES if role in settings.CHAIN_KEYS or is_development] + former


def _real_chains() -> str:
    """Our chains on which something is at stake, in words."""
    real = [str(one) for one in chains.ids() if one != DEVELOPMENT_CHAIN]
    return f"chain {real[0]}" if len(real) == 1 else f"chains {', '.join(real)}"


@cache
def _signer(told: str) -> Signer:
    """The signer that a setting names; opened once, because a keystore takes a second to open."""
    kind, separator, where = told.partition(":")
    if not separator:
        return LocalKey(told)
    if kind == "keystore":
        return from_keystore(where)
    if kind == "kms":
        return from_kms(where)
    raise KeyMissing(f"'{kind}:' is no place of a key: write keystore:PATH or kms:ARN.")


@cache
def _development_addresses() -> frozenset[str]:
    return frozenset(LocalKey(key).address for key in DEVELOPMENT_KEYS.values())
