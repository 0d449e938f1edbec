"""Invoices, credit notes and self-billed invoices: numbered without gaps, and never changed.

The database allots numbers, and takes an invoice only together with the lines that add up to it.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from compensation.models.assets import Asset
from compensation.models.periods import Period
from provenance.models import DatasetVersion, Event, Party, Rate, User

if TYPE_CHECKING:
    from provenance.access import Viewer


class Side(models.TextChoices):
    """Whose money it is about."""

    LAB = "lab", _("What a lab was charged")
    OWNER = "owner", _("What an owner earned")


class OwnQuerySet(models.QuerySet[Any]):
    """Rows that belong to the party in their `party` column."""

    def visible_to(self, viewer: Viewer) -> OwnQuerySet:
        """The viewer's own; all for an operator."""
        return self if viewer.is_operator else self.filter(party=viewer.party)


class TaxProfile(models.Model):
    """Who a party is to the tax office, from a moment on; a change is the next row."""

    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="tax_profiles")
    legal_name = models.CharField(max_length=200)
    street = models.CharField(max_length=200)
    postal_code = models.CharField(max_length=20, blank=True)
    city = models.CharField(max_length=100)
    # ISO 3166-1 alpha-2: of the address, and where it is liable for tax.
    country = models.CharField(max_length=2)
    tax_country = models.CharField(max_length=2)
    vat_id = models.CharField(max_length=20, blank=True)
    registration = models.CharField(
        max_length=100, blank=True, help_text=_("Its number in a register of companies.")
    )
    payment_details = models.CharField(
        max_length=300, blank=True, help_text=_("The operator's: where labs pay what is due.")
    )
    set_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()

    objects = OwnQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["party", "-id"], name="tax_profile_by_party")]

    def __str__(self) -> str:
        return f"{self.legal_name}, {self.city}"


class TaxRule(models.Model):
    """What VAT there is between the operator and parties of a country, from a moment on.

    The operator sets it; nothing is guessed where no row says it.
    """

    class Category(models.TextChoices):
        # UNCL 5305, as EN 16931 uses it.
        STANDARD = "S", _("VAT at a rate")
        REVERSE_CHARGE = "AE", _("Reverse charge")
        EXEMPT = "E", _("Exempt")
        OUTSIDE = "O", _("Outside the scope of VAT")

    side = models.CharField(max_length=5, choices=Side.choices)
    country = models.CharField(max_length=2)
    category = models.CharField(max_length=2, choices=Category.choices)
    # Hundredths of a percent.
    basis_points = models.PositiveIntegerField(default=0)
    # What the law asks to be written where no VAT is charged.
    wording = models.CharField(max_length=300, blank=True)
    valid_from = models.DateTimeField()
    set_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["side", "country", "valid_from"], name="tax_rule_once_from_a_moment"
            ),
            models.CheckConstraint(
                condition=Q(category="S", basis_points__gt=0, basis_points__lte=10_000)
                | (~Q(category="S") & Q(basis_points=0) & ~Q(wording="")),
                name="tax_rule_has_a_rate_or_a_wording",
            ),
        ]

    def __str__(self) -> str:
        return _("%(category)s in %(country)s") % {
            "category": self.get_category_display(),
            "country": self.country,
        }


class InvoiceSeries(models.Model):
    """The last number of a series; only the invoices' own trigger moves it."""

    name = models.CharField(max_length=20, primary_key=True)
    last_number = models.BigIntegerField(default=0)

    class Meta:
        verbose_name_plural = _("invoice series")

    def __str__(self) -> str:
        return f"{self.name} {self.last_number}"


class Invoice(models.Model):
    """A document about one party's money of one period in one asset; amounts are its units.

    A lab's is written by the operator; an owner's by the operator in the owner's name. The net
    amounts of a period's documents add up to what the journal holds, credit notes negative.
    """

    class Kind(models.TextChoices):
        # UNTDID 1001, as EN 16931 uses it.
        INVOICE = "380", _("Invoice")
        CREDIT_NOTE = "381", _("Credit note")
        SELF_BILLED = "389", _("Self-billed invoice")
        SELF_BILLED_CREDIT = "261", _("Self-billed credit note")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    series = models.CharField(max_length=20)
    # Allotted by the database as the row is added.
    sequence = models.BigIntegerField(default=0)
    number = models.CharField(max_length=40, unique=True, default="")
    kind = models.CharField(max_length=3, choices=Kind.choices)
    side = models.CharField(max_length=5, choices=Side.choices)
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="invoices")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    period = models.ForeignKey(Period, on_delete=models.PROTECT, related_name="invoices")
    # The document that this one takes back, and why.
    corrects = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="corrected_by"
    )
    reason = models.CharField(max_length=1000, blank=True)
    # Names, addresses and VAT ids as they were.
    seller = models.JSONField()
    buyer = models.JSONField()
    category = models.CharField(max_length=2, choices=TaxRule.Category.choices)
    basis_points = models.PositiveIntegerField()
    wording = models.CharField(max_length=300, blank=True)
    net_units = models.BigIntegerField()
    tax_units = models.BigIntegerField()
    # What the balance held here has paid of it, or is credited with.
    settled_units = models.BigIntegerField()
    # Up to the currency's smallest coin.
    rounding_units = models.BigIntegerField()
    # How far the lab's account might go under zero; 0 where it is prepaid.
    limit_units = models.BigIntegerField(default=0)
    line_count = models.IntegerField()
    issued_at = models.DateTimeField()
    issued_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")

    objects = OwnQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["series", "sequence"], name="invoice_numbered_once"),
            models.CheckConstraint(condition=~Q(net_units=0), name="invoice_is_about_something"),
            models.CheckConstraint(condition=Q(line_count__gt=0), name="invoice_has_lines"),
            models.CheckConstraint(
                condition=Q(category="S") | Q(tax_units=0), name="invoice_taxes_by_its_category"
            ),
            models.CheckConstraint(
                condition=Q(corrects__isnull=True) | ~Q(reason=""),
                name="correction_says_why",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["party", "period"], name="invoice_by_party_and_period"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def gross_units(self) -> int:
        """With VAT."""
        return self.net_units + self.tax_units

    @property
    def due_units(self) -> int:
        """What is left to pay outside of the balance, in whole coins."""
        return self.gross_units - self.settled_units + self.rounding_units

    @property
    def is_credit(self) -> bool:
        """Whether it takes back: its amounts are then shown with the other sign."""
        return self.kind in (self.Kind.CREDIT_NOTE, self.Kind.SELF_BILLED_CREDIT)


# What is counted, when it is one; Chinese has one word for both.
_ONE = {
    "charges": "charge",
    "epochs": "epoch",
    "fetches": "fetch",
    "parts": "part",
    "records": "record",
    "runs": "run",
    "tokens": "token",
}


class InvoiceLine(models.Model):
    """What one rate of one dataset came to: a part of an invoice's net amount."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    ordinal = models.PositiveIntegerField()
    name = models.CharField(max_length=300)
    # The rate's words, or what else explains it.
    detail = models.CharField(max_length=500, blank=True)
    version = models.ForeignKey(
        DatasetVersion, null=True, on_delete=models.PROTECT, related_name="+"
    )
    rate = models.ForeignKey(Rate, null=True, on_delete=models.PROTECT, related_name="+")
    quantity = models.BigIntegerField()
    counted = models.CharField(max_length=20)
    # For so much of what is counted; null where tiers, shares or sums make the amount.
    price_units = models.BigIntegerField(null=True)
    price_step = models.BigIntegerField(null=True)
    amount_units = models.BigIntegerField()

    class Meta:
        ordering: ClassVar = ["ordinal"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["invoice", "ordinal"], name="invoice_line_once"),
            models.CheckConstraint(
                condition=Q(price_units__isnull=True, price_step__isnull=True)
                | Q(price_units__isnull=False, price_step__gt=0),
                name="invoice_line_price_has_a_step",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.amount_units}"

    @property
    def noun(self) -> str:
        """What the quantity is of, in English: of one, or of many."""
        return _ONE.get(self.counted, self.counted) if self.quantity == 1 else self.counted


class InvoiceEvent(models.Model):
    """Where the ledger holds the digest of an issued invoice."""

    invoice = models.OneToOneField(
        Invoice, primary_key=True, on_delete=models.PROTECT, related_name="proof"
    )
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="invoice")
    digest = models.BinaryField(max_length=32)

    def __str__(self) -> str:
        return f"event of {self.invoice_id}"


class InvoiceWaiting(models.Model):
    """A document that cannot be issued yet, and what it takes; gone when it is issued."""

    class Reason(models.TextChoices):
        NO_SELLER = "no_operator_data", _("The operator's own tax data are missing")
        NO_PROFILE = "no_party_data", _("The party's tax data are missing")
        NO_RULE = "no_tax_rule", _("No VAT rate is set for the country")
        NO_VAT_ID = "no_vat_id", _("Reverse charge needs a VAT id")

    side = models.CharField(max_length=5, choices=Side.choices)
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="invoices_waiting")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    period = models.ForeignKey(Period, on_delete=models.PROTECT, related_name="invoices_waiting")
    net_units = models.BigIntegerField()
    reason = models.CharField(max_length=20, choices=Reason.choices)
    words = models.CharField(max_length=300)
    since_at = models.DateTimeField()
    tried_at = models.DateTimeField()

    objects = OwnQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _("invoices waiting")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["side", "party", "asset", "period"], name="invoice_waits_once"
            ),
            models.CheckConstraint(
                condition=Q(tried_at__gte=F("since_at")), name="invoice_waits_since_before"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.party}, {self.period_id}: {self.get_reason_display()}"


class InvoicedPeriod(models.Model):
    """Every document of a period was issued; taken away while one is to be issued anew."""

    period = models.OneToOneField(
        Period, primary_key=True, on_delete=models.PROTECT, related_name="invoiced"
    )
    completed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.period_id} since {self.completed_at:%Y-%m-%d}"
