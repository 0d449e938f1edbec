"""How money leaves: where to, in which tree, and what the chain says was paid."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from compensation import money
from compensation.models.assets import Asset
from compensation.models.entries import Entry
from provenance import chains
from provenance.models import ChainContract, Event, OutboxTransaction, Party, StoredTree, User

if TYPE_CHECKING:
    from datetime import datetime

    from provenance.access import Viewer


_Row = TypeVar("_Row", bound=models.Model, covariant=True)


class PayoutScopedQuerySet(models.QuerySet[_Row]):
    """Rows that belong to the party they pay."""

    def visible_to(self, viewer: Viewer) -> Self:
        """The viewer's own; all for an operator."""
        return self if viewer.is_operator else self.filter(party=viewer.party)


class PayoutMethod(models.Model):
    """Where a party wants its money; a new one replaces the last, and changes no past payout.

    One address on a chain, for tokens; and one bank account for each currency.
    """

    class Kind(models.TextChoices):
        CHAIN = "chain", _("Chain")
        BANK = "bank", _("Bank")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="payout_methods")
    kind = models.CharField(max_length=5, choices=Kind.choices, default=Kind.CHAIN)
    # CAIP-10: eip155:31337:0x...; of a bank account, the masked number that pages show.
    address = models.CharField(max_length=120)
    # CAIP-2; empty for a bank account. A party has one address on each chain.
    chain = models.CharField(max_length=41, blank=True, default="")
    # A bank account is for one currency; its number is encrypted, and known again by its print.
    asset = models.ForeignKey(
        Asset, null=True, on_delete=models.PROTECT, related_name="payout_methods"
    )
    hidden_iban = models.BinaryField(null=True)
    iban_print = models.CharField(max_length=64, blank=True, default="")
    bic = models.CharField(max_length=11, blank=True, default="")
    holder = models.CharField(max_length=70, blank=True, default="")
    # What the holder of the address signs to prove that it is theirs.
    challenge = models.TextField(blank=True, default="")
    # The challenge's, while it may be answered; an answer uses it up.
    nonce = models.CharField(max_length=64, blank=True, default="")
    # A contract wallet's may be of any length.
    signature = models.TextField(blank=True, default="")
    added_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True)
    # Nothing is paid there before this moment, so that a stranger's change is noticed in time.
    held_until = models.DateTimeField(null=True)
    # A payment to it came back, or its bank rejected one: nothing more goes there until the payee
    # confirms it.
    flagged_at = models.DateTimeField(null=True)
    flag_words = models.CharField(max_length=300, blank=True, default="")
    removed_at = models.DateTimeField(null=True)

    objects = PayoutScopedQuerySet["PayoutMethod"].as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["party", "asset", "chain"],
                name="payout_method_in_force_once",
                condition=Q(verified_at__isnull=False, removed_at__isnull=True),
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="payout_method_is_whole",
                condition=(
                    Q(kind="chain", asset__isnull=True, hidden_iban__isnull=True) & ~Q(chain="")
                )
                | Q(kind="bank", asset__isnull=False, hidden_iban__isnull=False, chain=""),
            ),
        ]

    def __str__(self) -> str:
        return self.address if self.is_bank else chains.shortened(self.chain_address)

    @property
    def is_bank(self) -> bool:
        """Whether this is a bank account."""
        return self.kind == self.Kind.BANK

    def is_payable(self, at: datetime) -> bool:
        """Whether money may go there at `at`: in force, its hold over, nothing came back."""
        return (
            self.verified_at is not None
            and self.removed_at is None
            and self.flagged_at is None
            and (self.held_until is None or self.held_until <= at)
        )

    @property
    def chain_address(self) -> str:
        """The address alone."""
        return self.address.split(":")[2]


class Schedule(models.TextChoices):
    """How often a payee is paid."""

    AT_ONCE = "at_once", _("As soon as there is enough")
    WEEKLY = "weekly", _("Once a week")
    MONTHLY = "monthly", _("Once a month")


class PayoutTerms(models.Model):
    """From when on, from which amount and how often a payee is paid; the last row counts."""

    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="payout_terms")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="payout_terms")
    threshold_units = models.BigIntegerField()
    schedule = models.CharField(max_length=8, choices=Schedule.choices)
    # Of the week, from Monday as 1 to 7; of the month, 1 to 28; null where it is at once.
    day = models.PositiveSmallIntegerField(null=True)
    set_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()

    objects = PayoutScopedQuerySet["PayoutTerms"].as_manager()

    class Meta:
        verbose_name_plural = _("payout terms")
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payout_day_fits",
                condition=Q(schedule="at_once", day__isnull=True)
                | Q(schedule="weekly", day__range=(1, 7))
                | Q(schedule="monthly", day__range=(1, 28)),
            ),
            models.CheckConstraint(
                condition=Q(threshold_units__gte=0), name="payout_threshold_not_negative"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["party", "asset", "-id"], name="payout_terms_last"),
        ]

    def __str__(self) -> str:
        return f"{self.get_schedule_display()} from {self.threshold_units} {self.asset}"


class PayoutBounds(models.Model):
    """Between what a payee may choose, for an asset; the last row counts."""

    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="payout_bounds")
    least_units = models.BigIntegerField()
    # Null where a payee may let any amount gather.
    most_units = models.BigIntegerField(null=True)
    schedules = ArrayField(models.CharField(max_length=8, choices=Schedule.choices))
    set_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = _("payout bounds")
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payout_bounds_fit",
                condition=Q(least_units__gte=0)
                & (Q(most_units__isnull=True) | Q(most_units__gte=models.F("least_units"))),
            ),
        ]

    def __str__(self) -> str:
        return f"from {self.least_units} {self.asset}"


class PayoutEpoch(models.Model):
    """One tree of all that is owed on a contract, from its proposal to its activation."""

    class State(models.TextChoices):
        PROPOSED = "proposed", _("Funded and proposed; waits for the chain and the delay")
        ACTIVATING = "activating", _("Activating")
        ACTIVE = "active", _("Active")

    contract = models.ForeignKey(ChainContract, on_delete=models.PROTECT, related_name="epochs")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="epochs")
    number = models.PositiveBigIntegerField()
    state = models.CharField(max_length=12, choices=State.choices, default=State.PROPOSED)
    root = models.BinaryField(max_length=32)
    # In the token's own decimals.
    total = models.DecimalField(max_digits=40, decimal_places=0)
    leaf_count = models.PositiveIntegerField()
    # The SHA-256 of the file in which the leaves are published.
    leaves_digest = models.BinaryField(max_length=32)
    tree = models.OneToOneField(StoredTree, on_delete=models.PROTECT, related_name="payout_epoch")
    # Null where the epoch only changes an address.
    entry = models.OneToOneField(
        Entry, null=True, on_delete=models.PROTECT, related_name="payout_epoch"
    )
    # The approval and the funding, where money is new, and the proposal.
    outbox = models.ManyToManyField(OutboxTransaction, related_name="payout_epochs")
    activation = models.OneToOneField(
        OutboxTransaction, null=True, on_delete=models.PROTECT, related_name="activated_epoch"
    )
    built_at = models.DateTimeField()
    active_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["contract", "number"], name="epoch_number_once"),
            models.UniqueConstraint(
                fields=["contract"],
                name="epoch_under_way_once",
                condition=Q(state__in=["proposed", "activating"]),
            ),
        ]
        ordering: ClassVar = ["number"]

    def __str__(self) -> str:
        return _("epoch %(number)s (%(asset)s)") % {"number": self.number, "asset": self.asset}


class PayoutLeaf(models.Model):
    """What one payee is owed in all, ever, in one epoch's tree."""

    epoch = models.ForeignKey(PayoutEpoch, on_delete=models.PROTECT, related_name="leaves")
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="payout_leaves")
    position = models.PositiveIntegerField()
    payee_id = models.BinaryField(max_length=32)
    address = models.CharField(max_length=42)
    # In the token's own decimals.
    cumulative = models.DecimalField(max_digits=40, decimal_places=0)
    # What this epoch added, in units of the journal.
    added_units = models.BigIntegerField()

    objects = PayoutScopedQuerySet["PayoutLeaf"].as_manager()

    class Meta:
        verbose_name_plural = _("payout leaves")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["epoch", "party"], name="leaf_once_per_payee"),
            models.UniqueConstraint(fields=["epoch", "position"], name="leaf_position_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["party", "epoch"], name="leaf_by_party")]

    def __str__(self) -> str:
        return f"{self.epoch}, {self.address}"


class PayoutTotals(models.Model):
    """What the journal sent and credited to each payee of an epoch's tree; see compensation.totals.

    The ledger has its digest, so that a tree which does not follow the journal is noticed.
    """

    epoch = models.OneToOneField(
        PayoutEpoch, primary_key=True, on_delete=models.PROTECT, related_name="totals"
    )
    file = models.BinaryField()
    digest = models.BinaryField(max_length=32)
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name_plural = _("payout totals")

    def __str__(self) -> str:
        return f"totals of {self.epoch}"


class PayoutClaim(models.Model):
    """The service was asked to push a leaf's open amount for its payee; anew after it failed."""

    leaf = models.ForeignKey(PayoutLeaf, on_delete=models.PROTECT, related_name="claims")
    number = models.PositiveIntegerField(default=1)
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="payout_claims")
    outbox = models.ForeignKey(
        OutboxTransaction, on_delete=models.PROTECT, related_name="payout_claims"
    )
    asked_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()

    objects = PayoutScopedQuerySet["PayoutClaim"].as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["leaf", "number"], name="claim_number_once"),
        ]
        ordering: ClassVar = ["leaf", "number"]

    def __str__(self) -> str:
        return f"claim of {self.leaf}"


class FailedPush(models.Model):
    """A final `PayFailed` log: the token refused one payee of a push; the money stays owed."""

    contract = models.ForeignKey(ChainContract, on_delete=models.PROTECT, related_name="failed")
    leaf = models.ForeignKey(PayoutLeaf, on_delete=models.PROTECT, related_name="failures")
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="failed_pushes")
    # In the token's own decimals.
    token_amount = models.DecimalField(max_digits=40, decimal_places=0)
    tx_hash = models.CharField(max_length=66)
    block_number = models.BigIntegerField()
    seen_at = models.DateTimeField()

    objects = PayoutScopedQuerySet["FailedPush"].as_manager()

    class Meta:
        verbose_name_plural = _("failed pushes")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["leaf", "tx_hash"], name="failed_push_counts_once"),
        ]

    def __str__(self) -> str:
        return f"failed push of {self.leaf}"


class Payout(models.Model):
    """Money that reached its payee: one final `Paid` log of the contract, and its settlement."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="payouts")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="payouts")
    contract = models.ForeignKey(ChainContract, on_delete=models.PROTECT, related_name="payouts")
    leaf = models.ForeignKey(PayoutLeaf, on_delete=models.PROTECT, related_name="payouts")
    address = models.CharField(max_length=42)
    amount_units = models.BigIntegerField()
    # In the token's own decimals, as the log says.
    token_amount = models.DecimalField(max_digits=40, decimal_places=0)
    token_cumulative = models.DecimalField(max_digits=40, decimal_places=0)
    tx_hash = models.CharField(max_length=66)
    block_number = models.BigIntegerField()
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="payout")
    settled_at = models.DateTimeField()

    objects = PayoutScopedQuerySet["Payout"].as_manager()

    class Meta:
        constraints: ClassVar = [
            # A payee's total only grows on a contract, also where a chain was rebuilt.
            models.UniqueConstraint(
                fields=["contract", "party", "token_cumulative"], name="paid_log_counts_once"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["party", "-settled_at"], name="payout_by_party")]

    def __str__(self) -> str:
        amount = money.grouped(self.amount_units, self.asset.scale)
        return _("%(one)s to %(other)s") % {"one": f"{amount} {self.asset}", "other": self.party}


class PaidCursor(models.Model):
    """Up to which block the contract's logs were settled."""

    contract = models.OneToOneField(
        ChainContract, primary_key=True, on_delete=models.PROTECT, related_name="paid_cursor"
    )
    next_block = models.BigIntegerField()
    # Of the last block that was read: a final block that is another one now stops the reading.
    last_hash = models.CharField(max_length=66, blank=True, default="")

    def __str__(self) -> str:
        return f"{self.contract} from block {self.next_block}"
