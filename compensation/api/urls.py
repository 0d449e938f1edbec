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
from compensation.api.quotes import Quotes
from compensation.api.rates import Rates
from compensation.api.runs import PaidRuns
from compensation.api.statements import Explanations, Exports, Shares, Statements
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
nouns.register("quotes", Quotes, basename="quote")
nouns.register("rates", Rates, basename="rate")
nouns.register("periods", Periods, basename="period")
nouns.register("runs", PaidRuns, basename="run")
nouns.register("transfers", Transfers, basename="transfer")

urlpatterns = [
    path("hooks/payments/<slug:provider>", PaymentHook.as_view(), name="payment-hook"),
    path("assets", Assets.as_view(), name="assets"),
    path("statements/<str:period>", Statements.as_view(), name="statements"),
    path("statements/<str:period>/export", Exports.as_view(), name="statement-export"),
    path("charges/<int:pk>/explanation", Explanations.as_view(), name="charge-explanation"),
    path("statements/lines/<int:pk>", Shares.as_view(), name="statement-line"),
    path("accounts", Accounts.as_view(), name="accounts"),
    path("accounts/<int:pk>/balance", BalanceAt.as_view(), name="account-balance"),
    path("holds", Holds.as_view(), name="holds"),
    *nouns.urls,
]
