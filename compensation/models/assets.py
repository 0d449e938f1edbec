"""What amounts are counted in, and the share of the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from datetime import datetime

# CAIP-19 (https://chainagnostic.org/CAIPs/caip-19), or a currency of ISO 4217.
CODE = (
    r"^(iso4217:[A-Z]{3}|[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}/[-a-z0-9]{3,8}:[-.%a-zA-Z0-9]{1,78}"
    r"(/[-.%a-zA-Z0-9]{1,78})?)$"
)


class Asset(models.Model):
    """A currency or token. One unit is 10 ** -scale of it; every amount is a whole number of them.

    `code` is CAIP-19 (`eip155:1/erc20:0x...`) or ISO 4217 (`iso4217:EUR`).
    """

    code = models.CharField(max_length=120, unique=True)
    symbol = models.CharField(max_length=12)
    name = models.CharField(max_length=80, blank=True)
    scale = models.PositiveSmallIntegerField()
    # Decimals of the token on its chain; null for money that no chain carries.
    token_decimals = models.PositiveSmallIntegerField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(scale__lte=9), name="asset_scale_at_most_9"),
            models.CheckConstraint(condition=Q(code__regex=CODE), name="asset_code_is_a_standard"),
        ]

    def __str__(self) -> str:
        return self.symbol

    @property
    def is_on_chain(self) -> bool:
        """Whether this is an ERC-20 token."""
        return self.code.startswith("eip155:") and "/erc20:" in self.code

    @property
    def chain(self) -> str:
        """The chain of a token by CAIP-2; empty for a currency."""
        return self.code.split("/")[0] if "/" in self.code else ""

    @property
    def is_on_another_chain(self) -> bool:
        """Whether this lives on a chain that is not an EVM's: it is paid by file."""
        return bool(self.chain) and not self.chain.startswith("eip155:")

    @property
    def chain_id(self) -> int:
        """The EVM chain of an ERC-20 token."""
        assert self.is_on_chain, f"{self.code} is on no chain"
        return int(self.code.split(":")[1].split("/")[0])

    @property
    def token_address(self) -> str:
        """The contract of an ERC-20 token."""
        assert self.is_on_chain, f"{self.code} is on no chain"
        return self.code.rsplit(":", 1)[1]


class PlatformFee(models.Model):
    """The platform's part of every charge, in hundredths of a percent, from a moment on."""

    basis_points = models.PositiveIntegerField()
    valid_from = models.DateTimeField(unique=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(basis_points__lte=10_000), name="fee_is_at_most_the_whole"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.basis_points / 100} % from {self.valid_from:%Y-%m-%d}"

    @classmethod
    def at(cls, moment: datetime) -> int:
        """The basis points in force at `moment`; 0 where no row says otherwise."""
        row = cls.objects.filter(valid_from__lte=moment).order_by("-valid_from").first()
        return row.basis_points if row else 0
