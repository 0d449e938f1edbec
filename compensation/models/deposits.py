"""Money that labs paid in, and what was seen of it on the chain."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from compensation.models.assets import Asset
from compensation.models.entries import Entry
from provenance.models import Party, User

if TYPE_CHECKING:
    from provenance.access import Viewer


class DepositQuerySet(models.QuerySet["Deposit"]):
    """Deposits as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> DepositQuerySet:
        """The viewer's own; all for an operator."""
        return self if viewer.is_operator else self.filter(lab=viewer.party)


class Deposit(models.Model):
    """Money a lab paid in; the reference (a bank's, a processor's, a tx_hash) counts once."""

    lab = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="deposits")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    amount_units = models.BigIntegerField()
    reference = models.CharField(max_length=150)
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="deposit")
    received_at = models.DateTimeField()
    recorded_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")

    objects = DepositQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["asset", "reference"], name="deposit_counts_once"),
            models.CheckConstraint(condition=Q(amount_units__gt=0), name="deposit_is_positive"),
        ]

    def __str__(self) -> str:
        return self.reference


class PayingAddressQuerySet(models.QuerySet["PayingAddress"]):
    """Paying addresses as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> PayingAddressQuerySet:
        """The viewer's own; all for an operator."""
        return self if viewer.is_operator else self.filter(lab=viewer.party)


class PayingAddress(models.Model):
    """An address that a lab pays from: its transfers to us are deposits, once its holder signed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lab = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="paying_addresses")
    chain_id = models.BigIntegerField()
    address = models.CharField(max_length=42)
    # What the holder of the address signs to prove that it is theirs.
    challenge = models.CharField(max_length=300)
    signature = models.CharField(max_length=200, blank=True, default="")
    added_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)

    objects = PayingAddressQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _("paying addresses")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["chain_id", "address"],
                name="paying_address_is_one_labs",
                condition=Q(verified_at__isnull=False, removed_at__isnull=True),
            ),
        ]

    @property
    def chain(self) -> str:
        """The chain by CAIP-2."""
        return f"eip155:{self.chain_id}"

    def __str__(self) -> str:
        return f"eip155:{self.chain_id}:{self.address}"


class TransferQuerySet(models.QuerySet["Transfer"]):
    """Transfers as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> TransferQuerySet:
        """Those credited to the viewer; all for an operator."""
        return self if viewer.is_operator else self.filter(deposit__lab=viewer.party)


class Transfer(models.Model):
    """A final ERC-20 transfer to our deposit address; without a deposit, nobody knows whose."""

    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="transfers")
    chain_id = models.BigIntegerField()
    tx_hash = models.CharField(max_length=66)
    log_index = models.IntegerField()
    block_number = models.BigIntegerField()
    sender = models.CharField(max_length=42)
    # In the token's own decimals; and the whole units of the asset in it.
    token_amount = models.DecimalField(max_digits=78, decimal_places=0)
    amount_units = models.BigIntegerField()
    deposit = models.OneToOneField(
        Deposit, null=True, on_delete=models.PROTECT, related_name="transfer"
    )
    assigned_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300, blank=True, default="")
    mined_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    objects = TransferQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["chain_id", "tx_hash", "log_index"], name="transfer_seen_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["sender"], name="transfer_unassigned", condition=Q(deposit__isnull=True)
            ),
        ]

    @property
    def chain(self) -> str:
        """The chain by CAIP-2."""
        return f"eip155:{self.chain_id}"

    def __str__(self) -> str:
        return self.tx_hash

    @property
    def reference(self) -> str:
        """What names it among deposits."""
        return f"eip155:{self.chain_id}:{self.tx_hash}:{self.log_index}"


class TransferCursor(models.Model):
    """How far transfers of one token to one address have been read."""

    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    address = models.CharField(max_length=42)
    next_block = models.BigIntegerField()
    # Of the last block that was read: a final block that is another one now stops the reading.
    last_hash = models.CharField(max_length=66, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["asset", "address"], name="transfer_cursor_once"),
        ]

    def __str__(self) -> str:
        return f"{self.asset} to {self.address} from block {self.next_block}"
