"""The web admin of money: importing it adds prices and costs to the pages of the facts, too."""

from compensation.admin import (
    accounts,
    charges,
    conversions,
    deposits,
    epochs,
    journal,
    payouts,
    periods,
    quotes,
    rates,
)

__all__ = [
    "accounts",
    "charges",
    "conversions",
    "deposits",
    "epochs",
    "journal",
    "payouts",
    "periods",
    "quotes",
    "rates",
]
