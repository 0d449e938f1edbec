"""Test data: what a lab does with keys for tests, priced as it would be and never charged.

It has tables of its own and writes no event: the ledger is kept for ever and read by others, test
data is deleted and nobody's but the lab's. So nothing that reads facts can meet it by mistake.
"""

from compensation.trials.cleaning import KEPT_DAYS, delete_all, delete_old, has_any
from compensation.trials.costs import Cost, costs_of, total_of
from compensation.trials.reports import report_usages
from compensation.trials.runs import (
    add_edge,
    end_run,
    heartbeat,
    raise_cap,
    register_model,
    start_run,
)
from compensation.trials.terms import estimate, make_quote, request_grant

__all__ = [
    "KEPT_DAYS",
    "Cost",
    "add_edge",
    "costs_of",
    "delete_all",
    "delete_old",
    "end_run",
    "estimate",
    "has_any",
    "heartbeat",
    "make_quote",
    "raise_cap",
    "register_model",
    "report_usages",
    "request_grant",
    "start_run",
    "total_of",
]
