"""The addresses of compensation's part of the API, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from compensation.api.accounts import Accounts, Assets
from compensation.api.bank import (
    BankAccounts,
    BankBookings,
    BankFiles,
    PaymentRuns,
    PayoutBoundsDoor,
)
from compensation.api.budgets import Budgets, Notices
from compensation.api.charges import Charges
from compensation.api.conflicts import DecidedConflicts
from compensation.api.deposits import Deposits
from compensation.api.estimates import Estimates
from compensation.api.hooks import PaymentHook
from compensation.api.incoming import PayingAddresses, Payments, Transfers
from compensation.api.invoices import Invoices, InvoicesWaiting, IssueInvoices
from compensation.api.journal import BalanceAt, Conversions, Entries, Holds, Periods
from compensation.api.month_end import MonthEnd
from compensation.api.ownership import DatasetTransfer
from compensation.api.payees import PayoutChoices, PayoutInProgress, PayoutsInProgress
from compensation.api.payout_exports import PayoutExports
from compensation.api.payouts import PayoutMethods, Payouts
from compensation.api.pools import Pools, RevenueReports
from compensation.api.proposals import Proposals
from compensation.api.published import (
    PublishedContracts,
    PublishedLeaves,
    PublishedTotals,
    PublishedTree,
)
from compensation.api.quotes import Quotes
from compensation.api.rates import Rates
from compensation.api.reconciliation import Explanations as DifferenceExplanations
from compensation.api.reconciliation import Reconciliation
from compensation.api.runs import PaidRuns
from compensation.api.statements import Explanations, Exports, Shares, Statements
from compensation.api.tax import TaxData, TaxRules
from provenance.api.door import router

nouns = router()
nouns.register("bank-accounts", BankAccounts, basename="bank-account")
nouns.register("bank-bookings", BankBookings, basename="bank-booking")
nouns.register("bank-files", BankFiles, basename="bank-file")
nouns.register("budgets", Budgets, basename="budget")
nouns.register("budget-notices", Notices, basename="budget-notice")
nouns.register("charges", Charges, basename="charge")
nouns.register("conflicts", DecidedConflicts, basename="conflict")
nouns.register("conversions", Conversions, basename="conversion")
nouns.register("deposits", Deposits, basename="deposit")
nouns.register("entries", Entries, basename="entry")
nouns.register("invoices", Invoices, basename="invoice")
nouns.register("paying-addresses", PayingAddresses, basename="paying-address")
nouns.register("payment-runs", PaymentRuns, basename="payment-run")
nouns.register("payments", Payments, basename="payment")
nouns.register("payout-exports", PayoutExports, basename="payout-export")
nouns.register("payout-methods", PayoutMethods, basename="payout-method")
nouns.register("payouts", Payouts, basename="payout")
nouns.register("pools", Pools, basename="pool")
nouns.register("proposals", Proposals, basename="proposal")
nouns.register("quotes", Quotes, basename="quote")
nouns.register("rates", Rates, basename="rate")
nouns.register("revenue-reports", RevenueReports, basename="revenue-report")
nouns.register("periods", Periods, basename="period")
nouns.register("runs", PaidRuns, basename="run")
nouns.register("tax-rules", TaxRules, basename="tax-rule")
nouns.register("transfers", Transfers, basename="transfer")

TREE = "payout-trees/eip155:<int:chain_id>:<slug:contract>/<int:epoch>"

urlpatterns = [
    path("periods/<str:name>/export", MonthEnd.as_view(), name="period-export"),
    path("datasets/<uuid:pk>/transfer", DatasetTransfer.as_view(), name="dataset-transfer"),
    path("estimates", Estimates.as_view(), name="estimates"),
    path("hooks/payments/<slug:provider>", PaymentHook.as_view(), name="payment-hook"),
    path("assets", Assets.as_view(), name="assets"),
    path("statements/<str:period>", Statements.as_view(), name="statements"),
    path("statements/<str:period>/export", Exports.as_view(), name="statement-export"),
    path("statements/lines/<int:pk>", Shares.as_view(), name="statement-line"),
    path("charges/<int:pk>/explanation", Explanations.as_view(), name="charge-explanation"),
    path("accounts", Accounts.as_view(), name="accounts"),
    path("accounts/<int:pk>/balance", BalanceAt.as_view(), name="account-balance"),
    path("payout-terms", PayoutChoices.as_view(), name="payout-terms"),
    path("payout-bounds", PayoutBoundsDoor.as_view(), name="payout-bounds"),
    path("payouts/progress", PayoutsInProgress.as_view(), name="payouts-progress"),
    path("payouts/progress/<slug:reference>", PayoutInProgress.as_view(), name="payout-progress"),
    path("payout-trees", PublishedContracts.as_view(), name="payout-trees"),
    path(TREE, PublishedTree.as_view(), name="payout-tree"),
    path(f"{TREE}/leaves", PublishedLeaves.as_view(), name="payout-tree-leaves"),
    path(f"{TREE}/totals", PublishedTotals.as_view(), name="payout-tree-totals"),
    path("reconciliation", Reconciliation.as_view(), name="reconciliation"),
    path(
        "reconciliation/<int:pk>/explanations",
        DifferenceExplanations.as_view(),
        name="difference-explanations",
    ),
    path("invoices/issue", IssueInvoices.as_view(), name="invoices-issue"),
    path("invoices/waiting", InvoicesWaiting.as_view(), name="invoices-waiting"),
    path("tax-data", TaxData.as_view(), name="tax-data"),
    path("holds", Holds.as_view(), name="holds"),
    *nouns.urls,
]
