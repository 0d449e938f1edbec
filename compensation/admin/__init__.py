"""The web admin of money: importing it adds prices and costs to the pages of the facts, too."""

from compensation.admin import charges, deposits, epochs, journal, payouts, rates

__all__ = ["charges", "deposits", "epochs", "journal", "payouts", "rates"]
