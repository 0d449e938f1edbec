"""The web admin of money: importing it adds prices and costs to the pages of the facts, too."""

from compensation.admin import (
    accounts,
    bank,
    charges,
    conversions,
    deposits,
    epochs,
    invoices,
    journal,
    payees,
    payouts,
    periods,
    quotes,
    rates,
    reconciliation,
    tax,
)

__all__ = [
    "accounts",
    "bank",
    "charges",
    "conversions",
    "deposits",
    "epochs",
    "invoices",
    "journal",
    "payees",
    "payouts",
    "periods",
    "quotes",
    "rates",
    "reconciliation",
    "tax",
]
