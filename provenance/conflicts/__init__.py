"""Conflicts between owners, as decision 14 has it; import the use cases from here.

Registration order is a date, never a right: it says who is asked first. Every hold and every
decision gives both sides a statement of reasons, and the ledger an event.
"""

from provenance.conflicts.answering import advance, answer_all, answerable, open_pairs, unfinished
from provenance.conflicts.claims import (
    admit_claim,
    answer,
    claim,
    claim_lead,
    needs_admission,
    reject_claim,
    reply,
    withdraw_claim,
)
from provenance.conflicts.concessions import concede, given_up
from provenance.conflicts.deadlines import pass_deadlines
from provenance.conflicts.evidence import open_record
from provenance.conflicts.opening import carry_into, open_from_overlap
from provenance.conflicts.resolutions import appeal, decide, decide_appeal, settle_derived
from provenance.conflicts.shares import Share, Standing, claimant_shares, standings
from provenance.conflicts.sides import NotAnOperator, require_operator, side_of

__all__ = [
    "NotAnOperator",
    "Share",
    "Standing",
    "admit_claim",
    "advance",
    "answer",
    "answer_all",
    "answerable",
    "appeal",
    "carry_into",
    "claim",
    "claim_lead",
    "claimant_shares",
    "concede",
    "decide",
    "decide_appeal",
    "given_up",
    "needs_admission",
    "open_from_overlap",
    "open_pairs",
    "open_record",
    "pass_deadlines",
    "reject_claim",
    "reply",
    "require_operator",
    "settle_derived",
    "side_of",
    "standings",
    "unfinished",
    "withdraw_claim",
]
