"""Policies: rules of operators that act on new matters, tried on past ones before they do."""

from compensation.policies.acting import act, brought_forward
from compensation.policies.matters import FACTS, Matter
from compensation.policies.rules import BadPolicy, NotForYou, begin, condition_of, end, write
from compensation.policies.trying import WINDOW, DryRun, Would, dry_run

__all__ = [
    "FACTS",
    "WINDOW",
    "BadPolicy",
    "DryRun",
    "Matter",
    "NotForYou",
    "Would",
    "act",
    "begin",
    "brought_forward",
    "condition_of",
    "dry_run",
    "end",
    "write",
]
