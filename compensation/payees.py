"""Where owners want their money: addresses, proved to be theirs; and the pseudonyms they have."""

from __future__ import annotations

import secrets
from datetime import datetime

from django.db import transaction

from compensation import addresses
from compensation.models import PayoutMethod
from provenance import evm, ledger, merkle, signers
from provenance.models import Party, User


def payee_id(party: Party) -> bytes:
    """The pseudonym of a party on the chain: 32 bytes that only we can tie to it."""
    return merkle.keccak(bytes(party.salt) + party.pk.bytes)


def method_in_force(party: Party) -> PayoutMethod | None:
    """Where a party is paid now, if it has said so."""
    return PayoutMethod.objects.filter(
        party=party, verified_at__isnull=False, removed_at=None
    ).first()


@transaction.atomic
def add_method(
    *, party: Party, address: str, chain_id: int, at: datetime, by: User | None = None
) -> PayoutMethod:
    """Name an address to be paid at. It takes effect once its holder has signed the challenge.

    On the development chain nobody has a wallet: there it takes effect at once.
    """
    found = addresses.checked(address)
    made = PayoutMethod.objects.create(
        party=party,
        address=f"{evm.caip2(chain_id)}:{found}",
        challenge=(
            f"I want the payouts of {party.name} ({party.pk}) at {found} on chain {chain_id}. "
            f"Number {secrets.token_hex(8)}."
        )[:300],
        added_by=by,
        added_at=at,
    )
    if chain_id == signers.DEVELOPMENT_CHAIN:
        return _put_in_force(made, "", at)
    return made


@transaction.atomic
def verify_method(*, method: PayoutMethod, signature: str, at: datetime) -> PayoutMethod:
    """Put an address in force whose holder signed the challenge (EIP-191). Safe to repeat."""
    locked = PayoutMethod.objects.select_for_update().get(pk=method.pk)
    if locked.verified_at is not None:
        return locked
    addresses.require_holder(
        address=locked.chain_address, words=locked.challenge, signature=signature
    )
    return _put_in_force(locked, signature, at)


@transaction.atomic
def remove_method(*, method: PayoutMethod, at: datetime) -> PayoutMethod:
    """Pay there no longer; what is in a tree already can still be claimed. Safe to repeat."""
    locked = PayoutMethod.objects.select_for_update().get(pk=method.pk)
    if locked.removed_at is None:
        locked.removed_at = at
        locked.save(update_fields=["removed_at"])
        _record("payout_method.removed", locked, at)
    return locked


def _put_in_force(method: PayoutMethod, signature: str, at: datetime) -> PayoutMethod:
    """Replace the party's method by this one."""
    in_force = PayoutMethod.objects.filter(
        party=method.party, verified_at__isnull=False, removed_at=None
    )
    in_force.exclude(pk=method.pk).update(removed_at=at)
    method.verified_at, method.signature = at, signature
    method.save(update_fields=["verified_at", "signature"])
    _record("payout_method.verified", method, at)
    return method


def _record(kind: str, method: PayoutMethod, at: datetime) -> None:
    """An address is personal: the ledger gets its salted hash."""
    commitment = merkle.keccak(bytes(method.party.salt) + method.address.lower().encode())
    ledger.record(
        kind,
        at=at,
        subject_kind="payout_method",
        subject_id=method.pk,
        party=method.party,
        body={"address": commitment},
    )
