"""The addresses of compensation's part of the API, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from compensation.api.accounts import Accounts, Assets
from compensation.api.budgets import Budgets, Notices
from compensation.api.charges import Charges
from compensation.api.deposits import Deposits
from compensation.api.hooks import PaymentHook
from compensation.api.incoming import Payments, PayingAddresses, Transfers
from compensation.api.journal import BalanceAt, Conversions, Entries, Holds, Periods
from compensation.api.payouts import PayoutMethods, Payouts
from compensation.api.rates import Rates
from compensation.api.runs import PaidRuns
from compensation.api.statements import (
    LabStatements,
    LabTable,
    OwnerStatements,
    OwnerTable,
    Shares,
)
from provenance.api.door import router

nouns = router()
nouns.register("budgets", Budgets, basename="budget")
nouns.register("budget-notices", Notices, basename="budget-notice")
nouns.register("charges", Charges, basename="charge")
nouns.register("conversions", Conversions, basename="conversion")
nouns.register("deposits", Deposits, basename="deposit")
nouns.register("entries", Entries, basename="entry")
nouns.register("paying-addresses", PayingAddresses, basename="paying-address")
nouns.register("payments", Payments, basename="payment")
nouns.register("payout-methods", PayoutMethods, basename="payout-method")
nouns.register("payouts", Payouts, basename="payout")
nouns.register("rates", Rates, basename="rate")
nouns.register("periods", Periods, basename="period")
nouns.register("runs", PaidRuns, basename="run")
nouns.register("transfers", Transfers, basename="transfer")

urlpatterns = [
    path("hooks/payments/<slug:provider>", PaymentHook.as_view(), name="payment-hook"),
    path("assets", Assets.as_view(), name="assets"),
    path("statements/owner", OwnerStatements.as_view(), name="owner-statement"),
    path("statements/owner.csv", OwnerTable.as_view(), name="owner-statement-csv"),
    path("statements/lab", LabStatements.as_view(), name="lab-statement"),
    path("statements/lab.csv", LabTable.as_view(), name="lab-statement-csv"),
    path("statements/lines/<int:pk>", Shares.as_view(), name="statement-line"),
    path("accounts", Accounts.as_view(), name="accounts"),
    path("accounts/<int:pk>/balance", BalanceAt.as_view(), name="account-balance"),
    path("holds", Holds.as_view(), name="holds"),
    *nouns.urls,
]
