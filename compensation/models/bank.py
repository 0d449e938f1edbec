"""Money that leaves by bank: our accounts, runs, their payments, and what banks said of them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from compensation.models.assets import Asset
from compensation.models.entries import Entry
from compensation.models.payouts import PayoutMethod, PayoutScopedQuerySet
from provenance.models import Party, User

if TYPE_CHECKING:
    from datetime import datetime


class BankAccount(models.Model):
    """An account of the operator's own, from which the payouts of a currency leave."""

    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="bank_accounts")
    holder = models.CharField(max_length=70)
    iban = models.CharField(max_length=34)
    bic = models.CharField(max_length=11, blank=True, default="")
    # Which message the bank takes, and whether remittance is a creditor reference (ISO 11649).
    message = models.CharField(max_length=20)
    is_structured = models.BooleanField(default=False)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["asset"],
                name="bank_account_open_once",
                condition=Q(closed_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.iban[:4]} … {self.iban[-4:]} ({self.asset})"


class PaymentRun(models.Model):
    """One order to a bank: the file, and the entry that moved its money, made at once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.PositiveIntegerField(unique=True)
    account = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="runs")
    message_id = models.CharField(max_length=35, unique=True)
    message = models.CharField(max_length=20)
    execute_on = models.DateField()
    payout_count = models.PositiveIntegerField()
    # What leaves, in units of the journal and in the currency's minor unit.
    amount_units = models.BigIntegerField()
    control_minor = models.BigIntegerField()
    # The file as it was first downloaded and ever will be, encrypted.
    hidden_file = models.BinaryField()
    file_digest = models.BinaryField(max_length=32)
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="payment_run")
    made_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-number"]

    def __str__(self) -> str:
        return _("payment run %(number)s") % {"number": self.number}


class BankPayout(models.Model):
    """One payment of a run. Where it stands follows from its steps; `state` says it."""

    class State(models.TextChoices):
        SENT = "sent", pgettext_lazy("state", "Sent")
        PAID = "paid", pgettext_lazy("state", "Paid")
        RETURNED = "returned", pgettext_lazy("state", "Returned")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(PaymentRun, on_delete=models.PROTECT, related_name="payouts")
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="bank_payouts")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="bank_payouts")
    method = models.ForeignKey(PayoutMethod, on_delete=models.PROTECT, related_name="payouts")
    # The EndToEndId: what the bank, the payee and we call this payment.
    reference = models.CharField(max_length=35, unique=True)
    remittance = models.CharField(max_length=140)
    amount_units = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.SENT)

    objects = PayoutScopedQuerySet["BankPayout"].as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "party"], name="payout_once_in_a_run"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payout_pays_something"),
        ]
        indexes: ClassVar = [models.Index(fields=["party", "asset"], name="bank_payout_by_party")]

    def __str__(self) -> str:
        return self.reference


class BankFile(models.Model):
    """A file that a bank gave us: its answers or its statements; the same content is kept once."""

    class Kind(models.TextChoices):
        ANSWER = "answer", _("Answers to an order (pain.002)")
        STATEMENT = "statement", _("Statement of an account (camt.053)")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=9, choices=Kind.choices)
    message = models.CharField(max_length=20)
    name = models.CharField(max_length=200)
    digest = models.BinaryField(max_length=32, unique=True)
    hidden_content = models.BinaryField()
    # Of how many payments it told.
    line_count = models.PositiveIntegerField()
    brought_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    brought_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class PayoutStep(models.Model):
    """Something that is known of a bank payout; each kind counts once, in whatever order."""

    class Kind(models.TextChoices):
        SENT = "sent", _("Ordered from the bank")
        ACCEPTED = "accepted", _("Accepted by the bank")
        REJECTED = "rejected", _("Rejected by the bank")
        WITHDRAWN = "withdrawn", _("Withdrawn before the bank had it")
        DEBITED = "debited", _("Booked by the bank")
        CREDITED = "credited", _("Came back, and was booked by the bank")

    payout = models.ForeignKey(BankPayout, on_delete=models.PROTECT, related_name="steps")
    kind = models.CharField(max_length=9, choices=Kind.choices)
    # The moment that it is about, and the reason that was given, as a code and in words.
    at = models.DateTimeField()
    code = models.CharField(max_length=35, blank=True, default="")
    words = models.CharField(max_length=500, blank=True, default="")
    file = models.ForeignKey(BankFile, null=True, on_delete=models.PROTECT, related_name="steps")
    # Null where it moved no money.
    entry = models.OneToOneField(
        Entry, null=True, on_delete=models.PROTECT, related_name="payout_step"
    )
    recorded_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            # The run's entry is on the run.
            models.UniqueConstraint(fields=["payout", "kind"], name="payout_step_once"),
        ]
        ordering: ClassVar = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.payout}: {self.get_kind_display()}"


class BankStatement(models.Model):
    """An account's balances as its bank states them, in the currency's minor unit."""

    account = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="statements")
    statement_id = models.CharField(max_length=35)
    opening_minor = models.BigIntegerField(null=True)
    closing_minor = models.BigIntegerField(null=True)
    closing_on = models.DateField(null=True)
    file = models.ForeignKey(BankFile, on_delete=models.PROTECT, related_name="statements")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "statement_id"], name="statement_once"),
        ]

    def __str__(self) -> str:
        return self.statement_id


class BankBooking(models.Model):
    """One payment that a bank booked on an account of ours. Credits are positive."""

    class State(models.TextChoices):
        MATCHED = "matched", _("Belongs to a payout")
        REPEATED = "repeated", _("Was booked under another name before")
        CHARGE = "charge", _("A charge of the bank")
        SPLIT = "split", _("Stands in parts of its own")
        OPEN = "open", _("Nobody knows yet what it is")

    account = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="bookings")
    # Together these name it, once: statement, entry, and which payment of the entry.
    statement_id = models.CharField(max_length=35)
    entry_reference = models.CharField(max_length=35)
    detail = models.PositiveIntegerField()
    amount_minor = models.BigIntegerField()
    booked_on = models.DateField(null=True)
    end_to_end_id = models.CharField(max_length=35, blank=True)
    remittance = models.CharField(max_length=1000, blank=True)
    servicer_reference = models.CharField(max_length=35, blank=True)
    counterparty = models.CharField(max_length=140, blank=True)
    is_return = models.BooleanField()
    return_code = models.CharField(max_length=35, blank=True)
    return_words = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    # What does not fit, or what a person said of a charge or a batch; else empty.
    problem = models.CharField(max_length=300, blank=True)
    payout = models.ForeignKey(
        BankPayout, null=True, on_delete=models.PROTECT, related_name="bookings"
    )
    file = models.ForeignKey(BankFile, on_delete=models.PROTECT, related_name="bookings")
    seen_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "statement_id", "entry_reference", "detail"],
                name="booking_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "servicer_reference"], name="booking_by_servicer"),
            models.Index(fields=["state"], name="booking_open", condition=Q(state="open")),
        ]

    def __str__(self) -> str:
        return _("%(entry)s of %(statement)s") % {
            "entry": self.entry_reference,
            "statement": self.statement_id,
        }

    def age_days(self, at: datetime) -> int:
        """For how many whole days it has been booked, or known where the bank names no day."""
        return max(0, (at.date() - (self.booked_on or self.seen_at.date())).days)
