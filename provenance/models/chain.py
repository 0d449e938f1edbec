"""What stands on the EVM chain and what was sent there: contracts, outbox, anchors.

Only `provenance.outbox` and `provenance.anchor` write these rows.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import ngettext
from django.utils.translation import pgettext_lazy as _named

from provenance import kept


class ChainContract(models.Model):
    """A contract of ours on a chain; what it was built from stands in its artefact."""

    class Kind(models.TextChoices):
        LINEAGE_ANCHOR = "lineage_anchor"
        OWNER_PAYOUTS = "owner_payouts"
        TEST_TOKEN = "test_token"  # noqa: S105  (a name, not a secret)

    chain_id = models.BigIntegerField()
    kind = models.CharField(max_length=20, choices=Kind.choices)
    # The ERC-20 that an OwnerPayouts pays in; empty for the other kinds.
    token_address = models.CharField(max_length=42, blank=True, default="")
    address = models.CharField(max_length=42)
    tx_hash = models.CharField(max_length=66)
    block_number = models.BigIntegerField()
    deployed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["chain_id", "kind", "token_address"], name="contract_once_per_chain"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.caip10}"

    @property
    def caip10(self) -> str:
        """The contract's address with its chain, as CAIP-10 writes it."""
        return f"eip155:{self.chain_id}:{self.address}"


class ChainAccount(models.Model):
    """One sending address on one chain: its next nonce, and what is wrong with it, if anything."""

    class Alarm(models.TextChoices):
        NONE = ""
        # Somebody else used our key, or a restored backup forgot what we sent.
        CHAIN_AHEAD = "chain_ahead"
        # One of our nonces was used by a transaction that we did not sign.
        FOREIGN_NONCE = "foreign_nonce"
        # The chain forgot what was final: another chain answers at this address.
        CHAIN_BEHIND = "chain_behind"

    chain_id = models.BigIntegerField()
    address = models.CharField(max_length=42)
    next_nonce = models.BigIntegerField()
    alarm = models.CharField(max_length=20, choices=Alarm.choices, blank=True, default=Alarm.NONE)
    alarm_detail = models.CharField(max_length=300, blank=True, default="")
    alarmed_at = models.DateTimeField(null=True)
    # Who signs with it here, what pays for its gas, and for how many transactions that lasts;
    # as it was last looked at.
    roles = ArrayField(models.CharField(max_length=20), default=list)
    balance_wei = models.DecimalField(max_digits=40, decimal_places=0, null=True)
    transactions_left = models.BigIntegerField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["chain_id", "address"], name="chain_account_once"),
        ]

    def __str__(self) -> str:
        return f"eip155:{self.chain_id}:{self.address}"


class OutboxTransaction(models.Model):
    """A transaction that the chain must carry: enqueued with its fact, sent by the one writer."""

    class State(models.TextChoices):
        QUEUED = "queued", _named("state", "Queued")  # no nonce yet
        # Signed bytes are stored; the chain may or may not have them.
        SENT = "sent", _named("state", "Sent")
        # In a block that may still be reorganised away.
        MINED = "mined", _named("state", "Mined")
        FINAL = "final", _named("state", "Final")
        # Reverted: a person looks at it, nothing is sent again by itself.
        REVIEW = "review", _named("state", "Review")
        # Reverted for good: a person said why, and nothing needs it.
        DISMISSED = "dismissed", _named("state", "Dismissed")

    # What nothing more happens to.
    OVER: ClassVar = (State.FINAL, State.DISMISSED)

    chain_id = models.BigIntegerField()
    account = models.CharField(max_length=42)
    purpose = models.CharField(max_length=60)
    idempotency_key = models.CharField(max_length=200)
    # Empty when a contract is created.
    to_address = models.CharField(max_length=42, blank=True, default="")
    data = models.BinaryField()
    gas_limit = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    nonce = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    tx_hash = models.CharField(max_length=66, blank=True, default="")
    block_number = models.BigIntegerField(null=True)
    block_hash = models.CharField(max_length=66, blank=True, default="")
    transaction_index = models.IntegerField(null=True)
    gas_used = models.BigIntegerField(null=True)
    contract_address = models.CharField(max_length=42, blank=True, default="")
    is_reverted = models.BooleanField(default=False)
    final_at = models.DateTimeField(null=True)
    note = models.TextField(blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["chain_id", "account", "idempotency_key"], name="outbox_key_once"
            ),
            models.UniqueConstraint(
                fields=["chain_id", "account", "nonce"], name="outbox_nonce_once"
            ),
            models.CheckConstraint(
                condition=Q(state="queued", nonce__isnull=True)
                | ~Q(state="queued") & Q(nonce__isnull=False),
                name="outbox_nonce_once_sent",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["chain_id", "account", "id"],
                name="outbox_open",
                condition=Q(state__in=["queued", "sent", "mined"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{kept.said(self.purpose)} ({self.get_state_display()})"


class OutboxAttempt(models.Model):
    """Signed bytes of one outbox transaction, stored before they were first broadcast.

    A fee bump adds another attempt with the same nonce; at most one of them can land.
    """

    transaction = models.ForeignKey(
        OutboxTransaction, on_delete=models.PROTECT, related_name="attempts"
    )
    nonce = models.BigIntegerField()
    tx_hash = models.CharField(max_length=66, unique=True)
    raw = models.BinaryField()
    max_fee_per_gas = models.DecimalField(max_digits=30, decimal_places=0)
    max_priority_fee_per_gas = models.DecimalField(max_digits=30, decimal_places=0)
    created_at = models.DateTimeField()
    # When the bytes were last handed to a node.
    sent_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.tx_hash


class StoredTree(models.Model):
    """A Merkle tree whose nodes are kept; see `provenance.trees`."""

    leaf_count = models.BigIntegerField()

    def __str__(self) -> str:
        return f"tree {self.pk} of {self.leaf_count} leaves"


class TreeBlock(models.Model):
    """Consecutive nodes of a stored tree, 32 bytes each; the root is the first of block 0."""

    # The database's functions reckon with the same number.
    NODES: ClassVar = 32_768

    tree = models.ForeignKey(StoredTree, on_delete=models.PROTECT, related_name="blocks")
    number = models.PositiveIntegerField()
    nodes = models.BinaryField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tree", "number"], name="tree_block_once"),
        ]

    def __str__(self) -> str:
        return f"block {self.number} of {self.tree}"


class Anchor(models.Model):
    """One batch of ledger events whose Merkle root went, or goes, to the chain.

    Batches are numbered without gaps and chained: `head_hash` commits to every batch before.
    """

    batch = models.BigIntegerField(unique=True)
    first_sequence = models.BigIntegerField(unique=True)
    event_count = models.BigIntegerField()
    root = models.BinaryField(max_length=32)
    previous_head_hash = models.BinaryField(max_length=32)
    head_hash = models.BinaryField(max_length=32)
    tree = models.OneToOneField(StoredTree, on_delete=models.PROTECT, related_name="anchor")
    contract = models.ForeignKey(ChainContract, on_delete=models.PROTECT, related_name="anchors")
    outbox = models.OneToOneField(
        OutboxTransaction, null=True, on_delete=models.PROTECT, related_name="anchor"
    )
    # When the batch was made; and when the chain's record of it could no longer change.
    anchored_at = models.DateTimeField()
    final_at = models.DateTimeField(null=True)
    tx_hash = models.CharField(max_length=66, blank=True, default="")
    block_number = models.BigIntegerField(null=True)

    class Meta:
        ordering: ClassVar = ["batch"]

    def __str__(self) -> str:
        words = ngettext(
            "batch %(batch)s: %(count)s event from %(first)s",
            "batch %(batch)s: %(count)s events from %(first)s",
            self.event_count,
        )
        return words % {
            "batch": self.batch,
            "count": self.event_count,
            "first": self.first_sequence,
        }

    @property
    def last_sequence(self) -> int:
        """The sequence of the last event in this batch."""
        return self.first_sequence + self.event_count - 1
