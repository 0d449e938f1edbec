"""The one writer per (chain, account): what must reach the chain gets there, once.

`enqueue` puts the row into the same database transaction as the fact that it carries.
`send_pending` is the only sender: it first asks the chain what became of what was sent, then signs
and stores bytes, and only then broadcasts them. Only a receipt is a verdict: an error, a timeout or
a crash says nothing about whether the bytes landed, so the same bytes are sent again, or dearer
ones under the same nonce.

A reverted transaction is never repeated by itself: it waits in state `review` for a person. A nonce
that somebody else used raises an alarm on the account, and an account with an alarm sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import F

from provenance import chains, evm, signers
from provenance.models import ChainAccount, OutboxAttempt, OutboxTransaction
from provenance.refusals import Refused

State = OutboxTransaction.State
Alarm = ChainAccount.Alarm

IN_FLIGHT_LIMIT = 16
# How long sent bytes may be without a receipt before they are handed to the node again.
STUCK_AFTER = timedelta(seconds=10)
# And how long before they are offered dearer although they offer enough: what builders want
# besides the base fee is nobody's to know, and a node may hold on to bytes that it never passes on.
DEARER_AFTER = timedelta(minutes=3)
# Nodes replace a transaction only for a tenth more on both fees.
BUMP_NUMERATOR, BUMP_DENOMINATOR = 1125, 1000

SETTLED_FIELDS = [
    "state",
    "tx_hash",
    "is_reverted",
    "block_number",
    "block_hash",
    "transaction_index",
    "gas_used",
    "contract_address",
    "final_at",
]

log = structlog.get_logger(__name__)


class ChainIsAhead(Refused):
    """The chain holds more than our books: a backup was restored, or our key was used elsewhere."""

    code = "chain_is_ahead"
    status = 503
    hint = "The service is read-only until an operator has run `./run manage reconcile_restore`."


class NotInReview(Refused):
    """Only a reverted transaction can be sent again by hand."""

    code = "not_in_review"


@dataclass
class Sent:
    """What one pass of the sender did, counted."""

    is_busy: bool = False
    alarm: str = ""
    is_node_behind: bool = False
    mined: int = 0
    final: int = 0
    reverted: int = 0
    lost_to_reorg: int = 0
    rebroadcast: int = 0
    bumped: int = 0
    sent: int = 0
    answers: list[str] = field(default_factory=list)


def enqueue(
    *,
    purpose: str,
    idempotency_key: str,
    account: str,
    to_address: str,
    data: bytes,
    gas_limit: int,
    chain_id: int,
    at: datetime,
) -> OutboxTransaction:
    """Make sure that the chain will carry `data`, inside the caller's database transaction.

    The same key gives the same row, so that a repeat sends nothing twice; the same key with other
    content is our own bug. An empty `to_address` creates a contract. `gas_limit` is the caller's
    generous bound: gas that is not used is not paid.
    """
    row, is_new = OutboxTransaction.objects.get_or_create(
        chain_id=chain_id,
        account=account,
        idempotency_key=idempotency_key,
        defaults={
            "purpose": purpose,
            "to_address": to_address,
            "data": data,
            "gas_limit": gas_limit,
            "created_at": at,
        },
    )
    assert is_new or (row.to_address == to_address and bytes(row.data) == data), (
        f"the outbox key {idempotency_key!r} was used before with other content"
    )
    return row


def send_pending(*, chain_id: int, account: str, at: datetime) -> Sent:
    """One pass of the one writer: reconcile what was sent, then send what waits.

    Safe to call from anywhere at any time, outside of a database transaction: a second caller finds
    the account busy and returns. Raises evm.ChainUnreachable, evm.WrongChain,
    chains.UnknownChain or signers.KeyMissing.
    """
    with only_writer(chain_id, account) as is_ours:
        if not is_ours:
            return Sent(is_busy=True)
        chain = evm.connect(chain_id)
        return _Pass(chain, account_row(chain, account), at).run()


def send_all(*, chain_id: int, at: datetime) -> dict[str, Sent]:
    """One pass for every account that has something open on the chain."""
    open_states = [State.QUEUED, State.SENT, State.MINED]
    accounts = OutboxTransaction.objects.filter(chain_id=chain_id, state__in=open_states)
    names = sorted(accounts.values_list("account", flat=True).distinct())
    done = {}
    for name in names:
        try:
            done[name] = send_pending(chain_id=chain_id, account=name, at=at)
        except signers.KeyMissing as missing:
            # The other accounts can still send.
            log.error("chain_key_missing", account=name, error=str(missing))
    return done


@transaction.atomic
def send_again(*, reviewed: OutboxTransaction, reason: str, at: datetime) -> OutboxTransaction:
    """Queue a reverted transaction anew, because a person found and removed the cause."""
    row = OutboxTransaction.objects.select_for_update().get(pk=reviewed.pk)
    if row.state != State.REVIEW:
        raise NotInReview(f"This transaction is {row.state}, not in review.")
    queue_anew(row=row, reason=f"{at:%Y-%m-%d %H:%M} after {row.tx_hash} reverted: {reason}")
    return row


def queue_anew(*, row: OutboxTransaction, reason: str) -> None:
    """Give up the row's nonce and send it under another; only for what can no longer land."""
    row.state, row.nonce, row.is_reverted = State.QUEUED, None, False
    row.note = f"{row.note}\nqueued again: {reason}".strip()
    row.tx_hash, row.block_number, row.block_hash, row.final_at = "", None, "", None
    row.save(update_fields=["nonce", "note", *SETTLED_FIELDS])


def chain_is_ahead(*, chain_id: int | None = None) -> bool:
    """Whether the last look at a chain, or at any of ours, found it ahead of our books.

    Reads one row; `restore.look` and every pass of the sender take the look.
    """
    on = chains.ids() if chain_id is None else [chain_id]
    stopped = ChainAccount.objects.filter(chain_id__in=on).exclude(alarm=Alarm.NONE)
    return stopped.exists()


def require_not_behind(*, chain_id: int) -> None:
    """Raise ChainIsAhead while nothing may be made for a chain."""
    stopped = ChainAccount.objects.filter(chain_id=chain_id).exclude(alarm=Alarm.NONE).first()
    if stopped is not None:
        raise ChainIsAhead(f"{stopped}: {stopped.alarm_detail}")


def raise_alarm(*, row: ChainAccount, alarm: ChainAccount.Alarm, detail: str, at: datetime) -> None:
    """Stop an account: nothing is sent from it until the alarm is cleared."""
    row.alarm, row.alarm_detail, row.alarmed_at = alarm, detail[:300], at
    row.save(update_fields=["alarm", "alarm_detail", "alarmed_at"])
    log.error("chain_alarm", account=str(row), alarm=str(alarm), detail=detail)


@contextmanager
def only_writer(chain_id: int, account: str) -> Iterator[bool]:
    """Hold the account's advisory lock for this session; yields whether it was free.

    The lock goes with the database connection, so a killed sender leaves nothing behind. It needs
    session pooling: PgBouncer in transaction mode would hand the lock to a stranger.
    """
    key = f"tallymark:outbox:{chain_id}:{account.lower()}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [key])
        is_ours = bool(cursor.fetchone()[0])
    try:
        yield is_ours
    finally:
        if is_ours:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [key])


def account_row(chain: evm.Chain, account: str) -> ChainAccount:
    """The account's row; a new account starts at the chain's own count."""
    row = ChainAccount.objects.filter(chain_id=chain.chain_id, address=account).first()
    if row is None:
        count = chain.transaction_count(account)
        row, _ = ChainAccount.objects.get_or_create(
            chain_id=chain.chain_id, address=account, defaults={"next_nonce": count}
        )
    return row


class _Pass:
    """One pass of the sender over one account; the caller holds its lock."""

    def __init__(self, chain: evm.Chain, account: ChainAccount, at: datetime) -> None:
        self.chain, self.account, self.at = chain, account, at
        self.rows = OutboxTransaction.objects.filter(
            chain_id=chain.chain_id, account=account.address
        )
        self.done = Sent(alarm=account.alarm)
        # Taken before any receipt is asked for: a nonce below this count has a receipt by then.
        self.count = chain.transaction_count(account.address)
        self.head = chain.head()
        self.final_block = chain.final_block(head=self.head)

    def run(self) -> Sent:
        last_final = self.rows.filter(state=State.FINAL).order_by("nonce").last()
        if last_final is not None and self._is_behind(last_final):
            # A node that still catches up cannot tell what became of anything.
            self.done.is_node_behind = True
            log.warning("chain_node_behind", head=self.head, final=last_final.block_number)
            return self.done
        self._look_for_strangers(last_final)
        for row in self.rows.filter(state__in=[State.SENT, State.MINED]).order_by("nonce"):
            self._reconcile(row)
        if not chain_is_ahead(chain_id=self.chain.chain_id):
            self._send_queued()
        self.done.alarm = self.account.alarm
        return self.done

    def _is_behind(self, last_final: OutboxTransaction) -> bool:
        """Whether the node does not have what was final, or did not when it counted."""
        number = last_final.block_number or 0
        if self.head < number:
            return True
        # It caught up in between, or another node behind the same address counted.
        was_short = self.count <= _nonce(last_final)
        return was_short and self.chain.block_hash(number) == last_final.block_hash

    def _look_for_strangers(self, last_final: OutboxTransaction | None) -> None:
        """Compare the chain's count with our books: neither may know of more than the other."""
        if self.account.alarm:
            return
        if self.count > self.account.next_nonce:
            detail = (
                f"the chain has {self.count} transactions of this address, "
                f"our books know {self.account.next_nonce}"
            )
            self._alarm(Alarm.CHAIN_AHEAD, detail)
            return
        if last_final is not None and self.count <= _nonce(last_final):
            detail = f"nonce {last_final.nonce} was final, but the chain counts only {self.count}"
            self._alarm(Alarm.CHAIN_BEHIND, detail)

    def _reconcile(self, row: OutboxTransaction) -> None:
        """Ask the chain what became of one sent transaction, and act on the answer."""
        attempts = list(row.attempts.filter(nonce=_nonce(row)).order_by("-max_fee_per_gas"))
        for attempt in attempts:
            receipt = self.chain.receipt(attempt.tx_hash)
            if receipt is not None:
                self._settle(row, receipt)
                return
        if row.state == State.MINED:
            self._unmine(row)
        if self._final_count() > _nonce(row):
            self._nonce_is_gone(row)
        elif not self.account.alarm and self.count <= _nonce(row):
            self._push_again(row, attempts[0])

    def _final_count(self) -> int:
        """The chain's count where it can no longer change."""
        block = max(0, self.final_block)
        return self.chain.transaction_count(self.account.address, block=block)

    def _settle(self, row: OutboxTransaction, receipt: evm.Receipt) -> None:
        """Note in which block it is; deep enough, that is the verdict."""
        if row.block_hash and row.block_hash != receipt.block_hash:
            self.done.lost_to_reorg += 1
        is_final = receipt.block_number <= self.final_block
        row.tx_hash, row.is_reverted = receipt.tx_hash, not receipt.is_success
        row.block_number, row.block_hash = receipt.block_number, receipt.block_hash
        row.transaction_index, row.gas_used = receipt.transaction_index, receipt.gas_used
        row.contract_address = receipt.contract_address
        row.state = State.MINED
        if is_final:
            row.state = State.FINAL if receipt.is_success else State.REVIEW
            row.final_at = self.at
        row.save(update_fields=SETTLED_FIELDS)
        self.done.mined += not is_final
        self.done.final += row.state == State.FINAL
        self.done.reverted += row.state == State.REVIEW
        if row.state == State.REVIEW:
            log.error("chain_reverted", purpose=row.purpose, tx_hash=row.tx_hash, outbox=row.pk)

    def _unmine(self, row: OutboxTransaction) -> None:
        """A reorganisation took its block away: it is in flight again."""
        row.state, row.block_number, row.block_hash = State.SENT, None, ""
        row.save(update_fields=["state", "block_number", "block_hash"])
        self.done.lost_to_reorg += 1

    def _nonce_is_gone(self, row: OutboxTransaction) -> None:
        """The chain used the nonce, and by none of our bytes: somebody else has the key."""
        detail = f"nonce {row.nonce} was used by a transaction that is not ours ({row.purpose})"
        if not self.account.alarm:
            self._alarm(Alarm.FOREIGN_NONCE, detail)

    def _push_again(self, row: OutboxTransaction, dearest: OutboxAttempt) -> None:
        """It hangs: offer more where the fee is too low, or where nobody takes it for long; else
        send the same bytes again.
        """
        fees = self.chain.fees()
        offered = int(dearest.max_fee_per_gas)
        is_too_cheap = offered < fees.base_fee * 9 // 8
        is_left = self.at - dearest.created_at >= DEARER_AFTER
        if (is_too_cheap or is_left) and _bumped(offered) <= self.chain.fee_ceiling:
            attempt = self._sign(row, fees, dearest)
            self.done.bumped += 1
        elif self.at - dearest.sent_at >= STUCK_AFTER:
            attempt = dearest
            attempt.sent_at = self.at
            attempt.save(update_fields=["sent_at"])
            self.done.rebroadcast += 1
        else:
            return
        self._broadcast(attempt)

    def _send_queued(self) -> None:
        """Give nonces to what waits, oldest first, as far as the limit in flight allows."""
        in_flight = self.rows.filter(state=State.SENT).count()
        waiting = self.rows.filter(state=State.QUEUED).order_by("pk")
        for row in waiting[: max(0, IN_FLIGHT_LIMIT - in_flight)]:
            fees = self.chain.fees()
            with transaction.atomic(durable=True):
                ChainAccount.objects.filter(pk=self.account.pk).update(
                    next_nonce=F("next_nonce") + 1
                )
                self.account.refresh_from_db(fields=["next_nonce"])
                row.nonce, row.state = self.account.next_nonce - 1, State.SENT
                row.save(update_fields=["nonce", "state"])
                attempt = self._sign(row, fees, None)
            # From here on the bytes may land at any time; they are stored.
            self._broadcast(attempt)
            self.done.sent += 1

    def _sign(
        self, row: OutboxTransaction, fees: evm.Fees, replaced: OutboxAttempt | None
    ) -> OutboxAttempt:
        """Sign and store one attempt; a replacement offers at least an eighth more."""
        max_fee, tip = fees.max_fee, fees.tip
        if replaced is not None:
            max_fee = max(max_fee, _bumped(int(replaced.max_fee_per_gas)))
            tip = max(tip, _bumped(int(replaced.max_priority_fee_per_gas)))
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": row.chain_id,
            "nonce": row.nonce,
            "value": 0,
            "data": bytes(row.data),
            "gas": row.gas_limit,
            "maxFeePerGas": max_fee,
            "maxPriorityFeePerGas": min(tip, max_fee),
        }
        if row.to_address:
            fields["to"] = row.to_address
        signed = signers.signer_for(row.account).sign(fields)
        return OutboxAttempt.objects.create(
            transaction=row,
            nonce=_nonce(row),
            tx_hash=signed.tx_hash,
            raw=signed.raw,
            max_fee_per_gas=max_fee,
            max_priority_fee_per_gas=min(tip, max_fee),
            created_at=self.at,
            sent_at=self.at,
        )

    def _broadcast(self, attempt: OutboxAttempt) -> None:
        """Send stored bytes. Whatever the node answers, only a receipt decides."""
        try:
            answer = self.chain.broadcast(bytes(attempt.raw)).value
        except evm.ChainUnreachable:
            answer = "no answer"
        self.done.answers.append(answer)
        if answer not in ("accepted", "already known"):
            log.warning("chain_broadcast", answer=answer, tx_hash=attempt.tx_hash)

    def _alarm(self, alarm: ChainAccount.Alarm, detail: str) -> None:
        raise_alarm(row=self.account, alarm=alarm, detail=detail, at=self.at)


def _nonce(row: OutboxTransaction) -> int:
    """The nonce of a transaction that was sent."""
    assert row.nonce is not None, "a sent transaction has a nonce"
    return row.nonce


def _bumped(fee: int) -> int:
    """The least fee that replaces one of `fee`."""
    return fee * BUMP_NUMERATOR // BUMP_DENOMINATOR + 1
