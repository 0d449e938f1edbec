"""Watches payouts from outside: every proposed root is computed again before it can pay.

Nothing here trusts the service. What it publishes is held against the chain and against totals
that its ledger committed to, anchored by another key than the one that proposes roots.
"""
