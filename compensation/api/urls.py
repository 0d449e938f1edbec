"""The addresses of compensation's part of the API, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from compensation.api.accounts import Accounts, Assets
from compensation.api.charges import Charges
from compensation.api.deposits import Deposits
from compensation.api.payouts import PayoutMethods, Payouts
from provenance.api.door import router

nouns = router()
nouns.register("charges", Charges, basename="charge")
nouns.register("deposits", Deposits, basename="deposit")
nouns.register("payout-methods", PayoutMethods, basename="payout-method")
nouns.register("payouts", Payouts, basename="payout")

urlpatterns = [
    path("assets", Assets.as_view(), name="assets"),
    path("accounts", Accounts.as_view(), name="accounts"),
    *nouns.urls,
]
