"""Deposits by chain: transfers of our tokens to the deposit address, read when they are final.

A transfer from an address that a lab has proved to be its own is credited to that lab; any other is
kept for an operator to assign. Each log of a transaction counts once, however often it is read.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from compensation import addresses, deposits, journal, money, reading
from compensation.models import Asset, Deposit, PayingAddress, Transfer, TransferCursor
from provenance import chains, evm, ledger, merkle, signers
from provenance.models import ChainContract, Party, User
from provenance.refusals import Refused

LARGEST = 2**63 - 1
NOBODY = "0x" + "00" * 20


class AddressIsAnothers(Refused):
    """Another lab has proved that it pays from this address."""

    code = "address_is_anothers"
    hint = "Pay from an address of your own; one that many people share proves nothing."


class TransferAssigned(Refused):
    """This transfer was credited to another lab."""

    code = "transfer_assigned"
    hint = "Look at its deposit; an operator moves money between labs by an adjustment."


class NoAmount(Refused):
    """The transfer holds less than a unit, or more than an account can."""

    code = "no_amount"
    hint = "It stays in the list; settle it with its sender on the chain."


@dataclass(frozen=True)
class _Seen:
    """A log with the time of its block."""

    log: evm.Log
    mined_at: datetime


def deposit_address() -> str:
    """Where labs send tokens: the settings' address, else the treasury's; with checksum.

    Raises signers.KeyMissing where there is neither.
    """
    named = settings.DEPOSIT_ADDRESS
    return evm.checksum(named) if named else signers.address("treasury")


def pay_to() -> str:
    """Where labs send tokens, for pages; empty where the operator has set up nothing yet."""
    try:
        return deposit_address()
    except signers.KeyMissing:
        return ""


@transaction.atomic
def name_address(
    *,
    lab: Party,
    address: str,
    at: datetime,
    by: User | None = None,
    chain_id: int | None = None,
) -> PayingAddress:
    """Name an address that a lab pays from; it counts once its holder has signed the challenge.

    It counts on one chain, home unless named. Raises chains.UnknownChain. On the development
    chain nobody has a wallet: there it counts at once. Safe to repeat.
    """
    if not lab.is_lab:
        raise deposits.NotALab
    found = addresses.checked(address)
    chain_id = chains.settings_of(chain_id or chains.home()).chain_id
    standing = PayingAddress.objects.filter(
        lab=lab, chain_id=chain_id, address=found, removed_at=None
    ).first()
    if standing is not None:
        return standing
    made = PayingAddress.objects.create(
        lab=lab,
        chain_id=chain_id,
        address=found,
        challenge=(
            f"{lab.name} ({lab.pk}) pays Tallymark from {found} on chain {chain_id}. "
            f"Number {secrets.token_hex(8)}."
        )[-300:],
        added_by=by,
        added_at=at,
    )
    if chain_id == signers.DEVELOPMENT_CHAIN:
        return _put_in_force(made, "", at)
    return made


@transaction.atomic
def verify_address(*, named: PayingAddress, signature: str, at: datetime) -> PayingAddress:
    """Let an address count whose holder signed the challenge. Safe to repeat.

    What came from it before and was not assigned is credited now.
    """
    row = PayingAddress.objects.select_for_update(of=("self",)).get(pk=named.pk)
    if row.verified_at is not None or row.removed_at is not None:
        return row
    addresses.require_holder(address=row.address, words=row.challenge, signature=signature)
    return _put_in_force(row, signature, at)


@transaction.atomic
def remove_address(*, named: PayingAddress, at: datetime) -> PayingAddress:
    """Count transfers from it no longer. Safe to repeat."""
    row = PayingAddress.objects.select_for_update(of=("self",)).get(pk=named.pk)
    if row.removed_at is None:
        row.removed_at = at
        row.save(update_fields=["removed_at"])
        _record("paying_address.removed", row, at)
    return row


def watch(*, at: datetime, chain_id: int | None = None) -> int:
    """Keep and credit what final blocks of a chain (home unless named) brought.

    Returns how many transfers were new. The chain is read outside of transactions. Raises
    evm.ChainUnreachable, reading.HistoryChanged or signers.KeyMissing.
    """
    prefix = f"{evm.caip2(chain_id or chains.home())}/erc20:"
    tokens = [one for one in Asset.objects.filter(code__startswith=prefix) if one.is_on_chain]
    return sum(_watch(asset, deposit_address(), at) for asset in tokens)


@transaction.atomic
def assign(
    *, transfer: Transfer, lab: Party, reason: str, at: datetime, by: User | None
) -> Transfer:
    """Credit a lab with a transfer from an unknown address. Safe to repeat."""
    if not lab.is_lab:
        raise deposits.NotALab
    journal.lock()
    row = Transfer.objects.select_for_update(of=("self",)).get(pk=transfer.pk)
    if row.deposit is not None:
        if row.deposit.lab_id != lab.pk:
            raise TransferAssigned(_("It was credited to %(lab)s.") % {"lab": row.deposit.lab})
        return row
    if not 0 < row.amount_units < LARGEST:
        raise NoAmount
    if _recorded_by_hand(row):
        raise deposits.ReferenceUsed(
            _("A deposit has the reference %(tx_hash)s already.") % {"tx_hash": row.tx_hash}
        )
    row.assigned_by, row.reason = by, reason[:300]
    _credit(row, lab, at, by)
    return row


def _watch(asset: Asset, address: str, at: datetime) -> int:
    chain = evm.connect(asset.chain_id)
    cursor, _ = TransferCursor.objects.get_or_create(
        asset=asset,
        address=address,
        defaults={"next_block": _first_block(asset, chain.final_block())},
    )
    span = reading.next_span(chain, next_block=cursor.next_block, last_hash=cursor.last_hash)
    if span is None:
        return 0
    seen = _read(chain, asset, address, span)
    with transaction.atomic():
        journal.lock()
        locked = TransferCursor.objects.select_for_update().get(pk=cursor.pk)
        if (locked.next_block, locked.last_hash) != (cursor.next_block, cursor.last_hash):
            return 0
        count = sum(_take(asset, one, at) for one in seen)
        locked.next_block, locked.last_hash = span.end + 1, span.end_hash
        locked.save(update_fields=["next_block", "last_hash"])
    return count


def _read(chain: evm.Chain, asset: Asset, address: str, span: reading.Span) -> list[_Seen]:
    """The transfers to `address` that are not our own, with the times of their blocks."""
    logs = chain.logs(
        evm.development_token(),
        asset.token_address,
        "Transfer",
        from_block=span.start,
        to_block=span.end,
        filters={"to": address},
    )
    reading.require_canonical(chain, logs)
    ours = _own_addresses(chain.chain_id)
    wanted = [
        one for one in logs if int(one.args["value"]) and str(one.args["from"]).lower() not in ours
    ]
    times = {number: chain.block_time(number) for number in {one.block_number for one in wanted}}
    return [_Seen(one, datetime.fromtimestamp(times[one.block_number], UTC)) for one in wanted]


def _own_addresses(chain_id: int) -> set[str]:
    """From where nothing is a deposit: minting, our own accounts, our contracts."""
    contracts = ChainContract.objects.filter(chain_id=chain_id)
    named: Iterable[str] = [NOBODY, *signers.accounts(), *(one.address for one in contracts)]
    return {one.lower() for one in named}


def _first_block(asset: Asset, final: int) -> int:
    """Where reading begins: with our payout contract for the token, else now."""
    contract = ChainContract.objects.filter(
        chain_id=asset.chain_id, token_address__iexact=asset.token_address
    ).first()
    return contract.block_number if contract else max(final, 0)


def _take(asset: Asset, seen: _Seen, at: datetime) -> bool:
    """Keep one transfer, and credit it if its sender is known; False if it was kept before."""
    log, decimals = seen.log, asset.token_decimals
    assert decimals is not None, f"{asset.code} has no decimals"
    tokens = int(log.args["value"])
    row, is_new = Transfer.objects.get_or_create(
        chain_id=asset.chain_id,
        tx_hash=log.tx_hash,
        log_index=log.log_index,
        defaults={
            "asset": asset,
            "block_number": log.block_number,
            "sender": evm.checksum(str(log.args["from"])),
            "token_amount": tokens,
            "amount_units": min(money.floor_from_tokens(tokens, asset.scale, decimals), LARGEST),
            "mined_at": seen.mined_at,
            "seen_at": at,
        },
    )
    if is_new:
        _credit_known(row, at)
    return is_new


def _credit_known(row: Transfer, at: datetime) -> None:
    """Credit a transfer whose sender a lab has proved to be its own."""
    named = PayingAddress.objects.filter(
        chain_id=row.chain_id, address=row.sender, verified_at__isnull=False, removed_at=None
    ).select_related("lab")
    sender = named.first()
    is_sound = 0 < row.amount_units < LARGEST and not _recorded_by_hand(row)
    if sender is None or not is_sound:
        return
    # More than the lab's account can hold stays for a person to look at.
    with suppress(journal.AmountTooLarge):
        _credit(row, sender.lab, at, None)


def _recorded_by_hand(row: Transfer) -> bool:
    """Whether an operator has written this transaction down as a deposit already."""
    noted = Deposit.objects.filter(asset=row.asset, reference__iexact=row.tx_hash)
    return noted.exists()


def _credit(row: Transfer, lab: Party, at: datetime, by: User | None) -> Deposit:
    row.deposit = deposits.deposit(
        lab=lab,
        asset=row.asset,
        amount_units=row.amount_units,
        reference=row.reference,
        received_at=row.mined_at,
        at=at,
        by=by,
    )
    row.save(update_fields=["deposit", "assigned_by", "reason"])
    return row.deposit


def _put_in_force(row: PayingAddress, signature: str, at: datetime) -> PayingAddress:
    """Let an address count from now on, and credit what came from it already."""
    # In this order: whoever waits for our turn must not hold what the watcher needs.
    journal.lock()
    taken = PayingAddress.objects.filter(
        chain_id=row.chain_id, address=row.address, verified_at__isnull=False, removed_at=None
    )
    if taken.exclude(pk=row.pk).exists():
        raise AddressIsAnothers
    row.verified_at, row.signature = at, signature
    row.save(update_fields=["verified_at", "signature"])
    _record("paying_address.verified", row, at)
    for transfer in Transfer.objects.filter(
        chain_id=row.chain_id, sender=row.address, deposit=None
    ).select_related("asset"):
        _credit_known(transfer, at)
    return row


def _record(kind: str, row: PayingAddress, at: datetime) -> None:
    """An address is personal: the ledger gets its salted hash."""
    commitment = merkle.keccak(bytes(row.lab.salt) + str(row).lower().encode())
    ledger.record(
        kind,
        at=at,
        subject_kind="paying_address",
        subject_id=row.pk,
        party=row.lab,
        body={"address": commitment},
    )
