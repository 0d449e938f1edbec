"""Invoices to labs, self-billed invoices for owners, and what takes them back."""

from compensation.invoices.document import as_document, currency
from compensation.invoices.issuing import (
    NoReason,
    NothingToCorrect,
    PeriodIsOpen,
    digest_of,
    issue_due,
    issue_period,
    issue_waiting,
    take_back,
)
from compensation.invoices.lines import nets_of
from compensation.invoices.paper import as_pdf
from compensation.invoices.profiles import (
    BadTaxData,
    BadTaxRule,
    TaxRuleStands,
    operators_profile,
    profile_of,
    set_profile,
    set_rule,
)

__all__ = [
    "BadTaxData",
    "BadTaxRule",
    "NoReason",
    "NothingToCorrect",
    "PeriodIsOpen",
    "TaxRuleStands",
    "as_document",
    "as_pdf",
    "currency",
    "digest_of",
    "issue_due",
    "issue_period",
    "issue_waiting",
    "nets_of",
    "operators_profile",
    "profile_of",
    "set_profile",
    "set_rule",
    "take_back",
]
