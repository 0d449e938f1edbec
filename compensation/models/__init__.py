"""Money, by noun; import its models from here."""

from compensation.models.accounts import Account, Balance, CreditLimit, Hold
from compensation.models.assets import Asset, PlatformFee
from compensation.models.bank import (
    BankAccount,
    BankBooking,
    BankFile,
    BankPayout,
    BankStatement,
    PaymentRun,
    PayoutStep,
)
from compensation.models.budgets import Budget, BudgetNotice, Spending, SpendingMark
from compensation.models.charges import Charge, ChargeGroup, Stage, Tally, Waiting
from compensation.models.conversions import Conversion
from compensation.models.deposits import Deposit, PayingAddress, Transfer, TransferCursor
from compensation.models.entries import Entry, HoldPart, JournalHead, Line, Maturity, Take
from compensation.models.exported import ExportedPayout, PayoutExport
from compensation.models.invoices import (
    Invoice,
    InvoicedPeriod,
    InvoiceEvent,
    InvoiceLine,
    InvoiceSeries,
    InvoiceWaiting,
    Side,
    TaxProfile,
    TaxRule,
)
from compensation.models.payments import Payment, PaymentEvent
from compensation.models.payouts import (
    FailedPush,
    PaidCursor,
    Payout,
    PayoutBounds,
    PayoutClaim,
    PayoutEpoch,
    PayoutLeaf,
    PayoutMethod,
    PayoutTerms,
    PayoutTotals,
    Schedule,
)
from compensation.models.periods import (
    Calendar,
    Period,
    PeriodTotal,
    Turnover,
    TurnoverMark,
)
from compensation.models.pools import Pool, PoolShare, RevenueReport
from compensation.models.reconciliation import Difference, Explanation
from compensation.models.weights import Cell, Portion, Restatement, Weight, WeightVersion

__all__ = [
    "Account",
    "Asset",
    "Balance",
    "BankAccount",
    "BankBooking",
    "BankFile",
    "BankPayout",
    "BankStatement",
    "Budget",
    "BudgetNotice",
    "Calendar",
    "Cell",
    "Charge",
    "ChargeGroup",
    "Conversion",
    "CreditLimit",
    "Deposit",
    "Difference",
    "Entry",
    "Explanation",
    "ExportedPayout",
    "FailedPush",
    "Hold",
    "HoldPart",
    "Invoice",
    "InvoiceEvent",
    "InvoiceLine",
    "InvoiceSeries",
    "InvoiceWaiting",
    "InvoicedPeriod",
    "JournalHead",
    "Line",
    "Maturity",
    "PaidCursor",
    "PayingAddress",
    "Payment",
    "PaymentEvent",
    "PaymentRun",
    "Payout",
    "PayoutBounds",
    "PayoutClaim",
    "PayoutEpoch",
    "PayoutExport",
    "PayoutLeaf",
    "PayoutMethod",
    "PayoutStep",
    "PayoutTerms",
    "PayoutTotals",
    "Period",
    "PeriodTotal",
    "PlatformFee",
    "Pool",
    "PoolShare",
    "Portion",
    "Restatement",
    "RevenueReport",
    "Schedule",
    "Side",
    "Spending",
    "SpendingMark",
    "Stage",
    "Take",
    "Tally",
    "TaxProfile",
    "TaxRule",
    "Transfer",
    "TransferCursor",
    "Turnover",
    "TurnoverMark",
    "Waiting",
    "Weight",
    "WeightVersion",
]
