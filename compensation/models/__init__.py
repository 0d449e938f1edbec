"""Money, by noun; import its models from here."""

from compensation.models.accounts import Account, Balance, CreditLimit, Hold
from compensation.models.assets import Asset, PlatformFee
from compensation.models.charges import Charge, ChargeGroup, Stage, Waiting
from compensation.models.deposits import Deposit
from compensation.models.entries import Entry, JournalHead, Line, Maturity, Take
from compensation.models.payouts import (
    PaidCursor,
    Payout,
    PayoutClaim,
    PayoutEpoch,
    PayoutLeaf,
    PayoutMethod,
)
from compensation.models.weights import Cell, Restatement, Weight, WeightVersion

__all__ = [
    "Account",
    "Asset",
    "Balance",
    "Cell",
    "Charge",
    "ChargeGroup",
    "CreditLimit",
    "Deposit",
    "Entry",
    "Hold",
    "JournalHead",
    "Line",
    "Maturity",
    "PaidCursor",
    "Payout",
    "PayoutClaim",
    "PayoutEpoch",
    "PayoutLeaf",
    "PayoutMethod",
    "PlatformFee",
    "Restatement",
    "Stage",
    "Take",
    "Waiting",
    "Weight",
    "WeightVersion",
]
